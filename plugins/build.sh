#!/usr/bin/env bash
# Builds every plugin of this folder into OUT/<name>: plugin.toml and plugin.wasm, and beside them what a package needs, README.md and LICENSE. A plugin that asks
# for what is being tried out goes to OUT.tried-out/<name>: it is an example and does not come with the recorder. Its models are made here.
# Usage: plugins/build.sh OUT
# Needs `watchbook-plugin`, built by `cargo build --release -p watchbook-plugin-cli`, and componentize-qjs for the plugins in JavaScript. The same sources give
# the same bytes on every machine with the same tools, since paths are replaced by names; but those in JavaScript, of which componentize-qjs 0.4.5 makes some
# 130 bytes anew each time.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
root=$(dirname "$here")
out=${1:?"usage: plugins/build.sh OUT"}
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")
tool="$target/release/watchbook-plugin"
[ -x "$tool" ] || { echo "plugins/build.sh: $tool is missing; run: cargo build --release -p watchbook-plugin-cli" >&2; exit 1; }
mkdir -p "$out"
built=$(cd "$out" && pwd -P)

# Where `.ci/setup` puts componentize-qjs.
export PATH="${WATCHBOOK_CACHE:-$HOME/.cache/watchbook}/plugin-tools/node_modules/.bin:$PATH"

# One at a time: two would write the same new files.
mkdir -p "$target"
exec 9>"$target/plugins-build.lock"
flock 9

# A folder of its own: these flags must not make cargo build the recorder anew.
export CARGO_TARGET_DIR="$target/plugins-build"
sysroot=$(rustc --print sysroot)
# Unit separators between flags, so that a path may hold spaces. A stack of 128 KiB instead of 1 MiB: the largest thing on it has 4 KiB.
export CARGO_ENCODED_RUSTFLAGS=$(printf '%s\x1f' \
    -Ctarget-feature=+simd128 -Clink-arg=-zstack-size=131072 \
    "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=crates" \
    "--remap-path-prefix=$sysroot/lib/rustlib/src/rust=rust" \
    "--remap-path-prefix=$root=watchbook")
CARGO_ENCODED_RUSTFLAGS=${CARGO_ENCODED_RUSTFLAGS%$'\x1f'}

# Plugins in JavaScript and what they share, in one folder each.
beside=$(mktemp -d)
trap 'rm -rf "$beside"' EXIT

# Makes the model of the plugin in $1, and the clip of its case, in $2, unless they are there. The file must be the one that the manifest names.
model() {
    local file sum make
    file=$(sed -n 's/^file = "\(.*\)"/\1/p' "$1/plugin.toml")
    sum=$(sed -n 's/^sha256 = "\(.*\)"/\1/p' "$1/plugin.toml")
    mkdir -p "$2/models" "$2/tests"
    if ! echo "$sum  $2/$file" | sha256sum --check --status 2>/dev/null; then
        CARGO_ENCODED_RUSTFLAGS= cargo build --quiet --release --locked --target-dir "$target/plugins-native" --manifest-path "$1/model/Cargo.toml"
        make="$target/plugins-native/release/$(basename "$1")-model"
        "$make" make "$2/$file.new"
        echo "$sum  $2/$file.new" | sha256sum --check --status || {
            echo "plugins/build.sh: $1/model makes a file with the SHA-256 $(sha256sum <"$2/$file.new"), and $1/plugin.toml names $sum" >&2
            exit 1
        }
        mv -f "$2/$file.new" "$2/$file"
        "$make" clip "$2/tests/street.avi"
    fi
}

for manifest in "$here"/*/plugin.toml; do
    folder=$(dirname "$manifest")
    name=$(basename "$folder")
    world=$(sed -n 's/^world = "\(.*\)"/\1/p' "$manifest")
    out=$built
    if grep -q '"inference"' "$manifest"; then
        out=$built.tried-out
        model "$folder" "$out/$name"
    fi
    # Beside its place, then renamed: a recorder that starts meanwhile reads a whole file, the old one or the new one.
    mkdir -p "$out/$name"
    if [ -f "$folder/plugin.js" ]; then
        mkdir "$beside/$name"
        cp "$folder/plugin.toml" "$folder"/*.js "$root/sdk/js/watchbook.js" "$beside/$name/"
        "$tool" build "$beside/$name" -o "$out/$name/.plugin.wasm.new" >/dev/null
    else
        crate=$(sed -n 's/^name = "\(.*\)"/\1/p;T;q' "$folder/Cargo.toml")
        cargo build --quiet --release --locked --target wasm32-unknown-unknown --manifest-path "$folder/Cargo.toml"
        "$tool" build --wit "$root/sdk/wit/0.1" --world "$world" \
            "$CARGO_TARGET_DIR/wasm32-unknown-unknown/release/${crate//-/_}.wasm" -o "$out/$name/.plugin.wasm.new" >/dev/null
    fi
    cp "$manifest" "$out/$name/.plugin.toml.new"
    # What `watchbook-plugin pack` wants beside them.
    cp "$root/LICENSE" "$folder/README.md" "$out/$name/"
    # Its cases for `watchbook-plugin test`.
    if compgen -G "$folder/tests/*.toml" >/dev/null; then
        mkdir -p "$out/$name/tests"
        cp "$folder"/tests/*.toml "$folder"/tests/*.jsonl "$out/$name/tests/"
    fi
    mv -f "$out/$name/.plugin.wasm.new" "$out/$name/plugin.wasm"
    mv -f "$out/$name/.plugin.toml.new" "$out/$name/plugin.toml"
done
