#!/usr/bin/env bash
# Builds the conformance plugins: the same rule in every language of the SDK and the same analyser in all but JavaScript, made with `watchbook-plugin new` and
# `build`.
# Usage: sdk/conformance/build.sh OUT       makes OUT/<language>-<rule|analyzer>/plugin.toml and plugin.wasm
# Needs `watchbook-plugin`, built by `cargo build --release -p watchbook-plugin-cli`, and what .ci/setup installs. A plugin whose sources and tools are what
# they were is not built again.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
root=$(dirname "$(dirname "$here")")
out=${1:?"usage: sdk/conformance/build.sh OUT"}
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")
tool="$target/release/watchbook-plugin"
[ -x "$tool" ] || { echo "sdk/conformance/build.sh: $tool is missing; run: cargo build --release -p watchbook-plugin-cli" >&2; exit 1; }
mkdir -p "$out" "$target"
out=$(cd "$out" && pwd -P)

# One at a time: two would write the same new files.
exec 9>"$target/conformance-build.lock"
flock 9

# Away from the recorder's own target: other flags, other crates.
export CARGO_TARGET_DIR="$target/plugins-build"
cache="${WATCHBOOK_CACHE:-$HOME/.cache/watchbook}/plugin-tools"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What a plugin in a language depends on beside its folder.
versions() {
    case "$1" in
        rust) rustc --version ;;
        c) clang --version | head -n 1 ;;
        js) cat "$cache/qjs" 2>/dev/null ;;
        python) cat "$cache/py" 2>/dev/null ;;
    esac || true
}

for language in rust c js python; do
    for kind in rule analyzer; do
        # componentize-qjs does not give a lent frame back, so there is no analyser in JavaScript.
        [ "$language-$kind" != js-analyzer ] || continue
        name="$language-$kind"
        folder="$work/$name"
        "$tool" new "$folder" --lang "$language" --world "$kind" --id "org.watchbook.conformance.$name" >/dev/null
        stamp=$({ versions "$language"; cd "$folder" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum; } | sha256sum)
        if [ "$stamp" = "$(cat "$out/$name/stamp" 2>/dev/null)" ] && [ -f "$out/$name/plugin.wasm" ]; then
            continue
        fi
        echo "conformance: building $name"
        "$tool" build "$folder" --json >"$work/said" || { cat "$work/said" >&2; exit 1; }
        mkdir -p "$out/$name"
        mv -f "$folder/plugin.wasm" "$folder/plugin.toml" "$folder/LICENSE" "$folder/README.md" "$out/$name/"
        echo "$stamp" >"$out/$name/stamp"
    done
done
