# `make` lists the targets. Cargo does the work; what needs more than two lines is a script or a test.

SHELL := bash
# A Rust that `make deps` has just installed is found as well.
export PATH := $(PATH):$(HOME)/.cargo/bin

.DEFAULT_GOAL := help
.PHONY: help run deps check fmt lint test test-php services services-stop test-services doc model bench bench-quick bench-instructions bench-bytes abuse soak load account faults faults-planted miri fuzz clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Build the server and start it on its defaults
	cargo run --release

deps: ## Install what the tests need (Debian; asks for sudo where you are not root)
	tests/install-deps.sh

check: fmt lint doc test ## Everything that must be green before a commit, cheapest first

fmt: ## Check the format
	cargo fmt --all -- --check

lint: ## Run clippy; a warning is an error
	cargo clippy --workspace --all-targets --features services,faults --locked -- -D warnings

# Most tests wait for a server that they have started: three for each core keep it busy.
test: deps model ## Install what the tests need, then run them all
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$$((3 * $$(nproc)))} cargo test --workspace --locked
	if command -v phpunit >/dev/null; then $(MAKE) test-php; else echo 'left out: the PHP client, whose tests make test-php installs phpunit for'; fi

test-php: ## Run the tests of the PHP client against the server that was built last
	tests/install-deps.sh php
	cd clients/php && phpunit --fail-on-skipped

SERVICES ?= cassandra opensearch victoria-logs victoria-logs-tls pyroscope statsd-exporter
# Modules of tests/services/main.rs; all of them without a name.
SERVICE_TESTS ?= cassandra loki opensearch pyroscope statsd_exporter

# nginx last and anew each time: it passes on to those before it, whose ports change.
services: ## Install and start real services for test-services, on loopback ports
	tests/install-deps.sh services
	tests/services/run.sh stop nginx
	tests/services/run.sh start $(SERVICES) nginx

services-stop: ## Stop them
	tests/services/run.sh stop

# One module after the other: each may stop its service, and the machine is small.
test-services: ## Run the tests against the services that `make services` has started
	set -e; for module in $(SERVICE_TESTS); do cargo test --locked --features services --test services -- "$$module::"; done

doc: ## Build the documentation; a warning is an error
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked --document-private-items

model: ## Check the concurrent protocols with loom and shuttle
	RUSTFLAGS='--cfg model_loom' cargo test --locked --target-dir target/loom --test model_loom
	RUSTFLAGS='--cfg shuttle' cargo test --locked --target-dir target/shuttle --test model_shuttle

bench: ## Measure what the server costs beside what it cannot cost less than (two cores, some ten minutes)
	cargo build --release --workspace --locked
	@"$${CARGO_TARGET_DIR:-target}"/release/bench

bench-quick: ## The same in two minutes: a smoke test, not a figure
	cargo build --release --workspace --locked
	@"$${CARGO_TARGET_DIR:-target}"/release/bench -quick

bench-instructions: ## Count the instructions of a message, which no other load on the machine changes (needs valgrind)
	cargo bench --locked --bench instructions

bench-bytes: ## Count the instructions a byte of hostile input, which may be five times those of good messages (needs valgrind)
	cargo bench --locked --bench bytes

abuse: ## Attack the HTTP port for three minutes, scraping meanwhile, and weigh the server before and after
	cargo build --release --workspace --locked
	@"$${CARGO_TARGET_DIR:-target}"/release/abuse

# SOAK_FLAGS are soak's: -seconds 3600 for an hour, 0 for none; -series for those of a cycle.
soak: ## Watch the server's memory for some 15 minutes: a million series that come and go, then fresh names at 20,000 messages/s
	cargo build --release --workspace --locked
	@"$${CARGO_TARGET_DIR:-target}"/release/soak $(SOAK_FLAGS)

load: ## Start a server, load it for 10 s and close the books
	tests/load.sh

account: ## Hold the account of memory to a counting allocator and the kernel, over some fifty shapes of load (minutes)
	cargo test --locked --test account

# Rows by their names: make faults ROWS='F2 F9'. With all of them the table is written.
ROWS ?=

faults: ## Put the server through the fault table, close the books after each row, and write docs/operating.md (20 minutes at most)
	cargo test --locked --features faults --test faults -- $(if $(ROWS),$(ROWS),--write)

faults-planted: ## Run each row of the fault table against a server that does something wrong on purpose: the row must fail
	cargo test --locked --features faults --test faults -- --planted $(ROWS)

miri: ## Run the registry's tests, with threads, where each access to memory is checked (needs a nightly compiler with miri)
	@cargo +nightly miri --version >/dev/null 2>&1 || { echo 'missing: rustup toolchain install nightly --component miri,rust-src' >&2; exit 1; }
	MIRIFLAGS=-Zmiri-permissive-provenance cargo +nightly miri test --locked --lib --target-dir target/miri registry::

fuzz: ## Fuzz every target for 60 s (needs a nightly compiler and cargo-fuzz)
	@cargo +nightly fuzz --version >/dev/null 2>&1 || { echo 'missing: rustup toolchain install nightly && cargo install --locked cargo-fuzz' >&2; exit 1; }
	set -e; for target in $$(cargo +nightly fuzz list); do cargo +nightly fuzz run "$$target" -- -max_total_time=60; done

clean: ## Remove what was built
	cargo clean
