# syntax=docker/dockerfile:1
# The hub with its pages in a small image that runs as nobody in particular. Bases are named by version; both lock files
# decide what is built. Give SOURCE_DATE_EPOCH to the build for the same time stamps each time.

FROM node:22.21.1-bookworm-slim AS pages
WORKDIR /web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY web ./
# The map of the dashboard is drawn from these.
COPY examples/data /examples/data
# The types of what the pages are answered with follow from the contract.
COPY schema/schema.graphql /schema/schema.graphql
RUN npm run build

FROM rust:1.95.0-slim-bookworm AS hub
WORKDIR /tavolo
COPY . .
COPY --from=pages /web/dist web/dist
# No path of the build in the binary.
ENV RUSTFLAGS="--remap-path-prefix=/tavolo=. --remap-path-prefix=/usr/local/cargo=cargo"
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/tavolo/target \
    cargo build --release --locked --bin tavolo \
 && cp target/release/tavolo /usr/local/bin/tavolo

FROM debian:12.12-slim
LABEL org.opencontainers.image.title="Tavolo" \
      org.opencontainers.image.description="A GraphQL data-sharing hub for the reception of refugees and asylum seekers" \
      org.opencontainers.image.licenses="EUPL-1.2"
# Certificates, for a JWKS and a MongoDB behind TLS; curl, for the health check. Their versions are those of the base:
# Debian keeps no older ones.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates curl \
 && rm -rf /var/lib/apt/lists/* \
 && install --directory --owner=65532 --group=65532 --mode=700 /var/lib/tavolo
COPY --from=hub /usr/local/bin/tavolo /usr/local/bin/tavolo
COPY LICENCE /usr/share/doc/tavolo/LICENCE
USER 65532:65532
# The key of the database belongs into a volume or a secret there: a hub that loses it does not start.
ENV TAVOLO_LISTEN=0.0.0.0:8080 TAVOLO_LOG_JSON=true TAVOLO_KEY_FILE=/var/lib/tavolo/key
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["curl", "--fail", "--silent", "--max-time", "2", "http://127.0.0.1:8080/healthz"]
ENTRYPOINT ["tavolo"]
CMD ["serve"]
