#!/usr/bin/env bash
# Builds the verifier of evidence bundles as a WebAssembly module and puts it where the page takes it from. Cargo builds it anew only when something changed.
# Usage: appliance/evidence/wasm/build.sh OUT.wasm
set -euo pipefail
cd "$(dirname "$0")/../../.."
out=$1
target=wasm32-unknown-unknown
# Largest bundle that a browser takes: a manifest of 256 MiB is some times that in memory.
memory_bytes_max=$((2 << 30))
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$HOME/.cache/watchbook/target}"
cargo rustc --quiet --locked --profile page -p watchbook-evidence-wasm --lib --target "$target" --crate-type cdylib -- -C link-arg="--max-memory=$memory_bytes_max"
made="$CARGO_TARGET_DIR/$target/page/watchbook_evidence_wasm.wasm"
# The same bytes keep their time, so that nothing is embedded anew.
cmp -s "$made" "$out" || { mkdir -p "$(dirname "$out")" && install -m 0644 "$made" "$out"; }
