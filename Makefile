# What a person types. Everything else is cargo's.
CARGO ?= cargo

.PHONY: demo test run bench fmt lint deny build compiler

## Show the whole story with simulated machines: no root, no hardware.
demo: compiler
	$(CARGO) run --quiet -- demo $(ARGS)

## Run everything that is tested, real machines in QEMU included; installs what is missing when root.
test: compiler
	.ci/install-packages
	.ci/install-redfish-emulator "$${CARGO_TARGET_DIR:-target}/redfish-emulator"
	.ci/install-axe "$${CARGO_TARGET_DIR:-target}/axe"
	.ci/install-schemathesis "$${CARGO_TARGET_DIR:-target}/schemathesis"
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	.ci/cargo-test

## Run the daemon with ./rackseed.yaml.
run: compiler
	$(CARGO) run -- serve $(ARGS)

## Measure speed and size of a release build.
bench: compiler
	$(CARGO) bench --bench figures --bench tftp

fmt:
	$(CARGO) fmt

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings

## Licences, bans and sources of the dependencies.
deny:
	$(CARGO) deny check bans licenses sources

build: compiler
	$(CARGO) build --release

# SQLite is built from C.
compiler:
	@command -v cc >/dev/null || { echo "a C compiler is missing; install one with: sudo apt-get install build-essential" >&2; exit 1; }
	@command -v $(CARGO) >/dev/null || { echo "cargo is missing; install Rust from https://rustup.rs" >&2; exit 1; }
