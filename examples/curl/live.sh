#!/bin/sh
# Every change of places as server-sent events, until Ctrl-C. Wants TAVOLO_TOKEN: the public may watch nothing.
set -eu

exec curl --fail --silent --show-error --no-buffer "${TAVOLO_URL:-http://127.0.0.1:8080}/graphql/stream" \
    --header "authorization: Bearer $TAVOLO_TOKEN" \
    --header 'accept: text/event-stream' \
    --header 'content-type: application/json' \
    --data '{"query": "subscription { occupancyChanged { kind cause facility { code } capacity { occupied free precision } } }"}'
