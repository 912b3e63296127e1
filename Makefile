# What one does with Tavolo from a fresh clone. `make` alone lists it.

# The demonstration runs the build that the tests made: a first build takes half the time of an optimised one, and a few
# hundred places need no speed. `make demo PROFILE=release` is the hub that the benchmark measures.
PROFILE ?= dev

WEB_SOURCES := $(shell find web -type d \( -name node_modules -o -name dist -o -name test \) -prune -o -type f -print)

title = @printf '\n== %s\n' '$(1)'

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: mongod ## The province live at http://127.0.0.1:8080 (ARGS="--listen 127.0.0.1:9000 --data DIR")
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory web; \
	else echo 'No npm here, so the hub serves its graph without pages: install nodejs and npm for them.'; fi
	cargo run --profile $(PROFILE) --bin tavolo -- demo $(ARGS)

.PHONY: test
test: ## Every check, on a real MongoDB, with foreign clients and in a real browser
	$(call title,Needs: MongoDB and node and Chromium)
	@$(MAKE) --no-print-directory mongod npm
	scripts/need-chromium
	$(call title,Format)
	cargo fmt --all --check
	$(call title,Clippy)
	cargo clippy --workspace --all-targets -- -D warnings
	$(call title,Web: check and bundle)
	@$(MAKE) --no-print-directory web/node_modules/.installed
	cd web && npm run check && npm run build
	$(call title,Tests of the workspace)
	cargo test --workspace
	$(call title,Binary)
	cargo build
	$(call title,Clients that nobody here wrote)
	@$(MAKE) --no-print-directory foreign
	$(call title,Web: the pages in a browser)
	cd web && npm test
	$(call title,Examples against a hub)
	@$(MAKE) --no-print-directory examples
	$(call title,Licences and advisories and sources)
	@if command -v cargo-deny >/dev/null; then cargo deny check --hide-inclusion-graph; else echo 'Left out: cargo-deny is not installed.'; fi

.PHONY: check
check: web/node_modules/.installed ## What is quick: format, clippy, unit tests, and the types and unit tests of the web
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo test --workspace --lib
	cd web && npm run check && npm run unit

.PHONY: foreign
foreign: mongod npm tests/foreign/node_modules/.installed ## Clients that nobody here wrote, on the debug binary
	@test -n "$$TAVOLO_BIN" || cargo build
	@scripts/python-venv tests/foreign/requirements.txt >/dev/null
	@scripts/python-venv tests/foreign/requirements-tools.txt >/dev/null
	cd tests/foreign && npm test

.PHONY: examples
examples: mongod web/node_modules/.installed ## Every example client against a hub
	@scripts/need-chromium
	@command -v curl >/dev/null || scripts/apt-install curl
	@scripts/need-r || echo 'The example in R is left out.'
	cargo build --bins --example subscriber
	python=$$(scripts/python-venv examples/python/requirements.txt) && \
	TAVOLO_PYTHON=$$python node --test examples/examples.test.mjs

.PHONY: storm
storm: mongod ## What takes longer than a test may: ten thousand documents to pairs of worlds (CASES=10000 SEED=20)
	TAVOLO_CASES=$(or $(CASES),10000) TAVOLO_SEED=$(or $(SEED),20) timeout --foreground 90m \
	cargo test --test it interference

.PHONY: build
build: web ## The optimised binary with its pages, target/release/tavolo
	cargo build --release

.PHONY: web
web: npm web/dist/index.html ## The pages that the binary carries, web/dist

.PHONY: fmt
fmt: web/node_modules/.installed ## Formats everything
	cargo fmt --all
	cd web && npm run format

.PHONY: lint
lint: ## Clippy, where every warning is an error
	cargo clippy --workspace --all-targets -- -D warnings

.PHONY: bench
bench: mongod ## Measures what the README claims (ARGS="...")
	cargo run --release --example bench -- $(ARGS)

.PHONY: clean
clean: ## Removes what was built; a fetched MongoDB stays in the cache
	cargo clean
	rm -rf web/dist web/node_modules tests/foreign/node_modules

# The script's exit code 3 says that only system libraries are missing.
.PHONY: mongod
mongod:
	@test -n "$$TAVOLO_MONGODB_URI" || scripts/fetch-mongod >/dev/null || \
	{ test $$? = 3 && scripts/apt-install libcurl4 libssl3 && scripts/fetch-mongod >/dev/null; }

.PHONY: npm
npm:
	@command -v npm >/dev/null || { echo 'tavolo: please install nodejs and npm (node 20 or newer)' >&2; exit 1; }

%/node_modules/.installed: %/package.json %/package-lock.json
	cd $* && npm ci --no-audit --no-fund
	@touch $@

web/dist/index.html: web/node_modules/.installed $(WEB_SOURCES)
	cd web && npm run build
