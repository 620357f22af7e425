#!/usr/bin/env bash
# Does what the tutorials say: runs the commands of every ```sh fence in order, each tutorial in an empty folder of its own. Every line of a ```text fence must
# be in what the commands of the fence before it said. Prints how many seconds each took; one that takes more than ten minutes fails.
# Usage: sdk/tutorial-test.sh BIN [LANGUAGE...]      BIN has `watchbook-plugin` and `watchbook-clip`
# Without a language: all but python, whose component of 18 MB is compiled anew at each step.
# PLUGINS names the folder that plugins/build.sh has filled; without it, the folder `plugins` beside BIN.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
bin=$(cd "${1:?"usage: sdk/tutorial-test.sh BIN [LANGUAGE...]"}" && pwd -P)
shift
languages=("$@")
# What a newcomer has after the commands of sdk/README.md.
PLUGINS=$(realpath -m "${PLUGINS:-$bin/../plugins}")
export PLUGINS
clip=/usr/share/doc/opencv-doc/examples/data/vtest.avi
for needed in "$bin/watchbook-plugin" "$bin/watchbook-clip" "$PLUGINS/motion/plugin.wasm" "$clip"; do
    [ -f "$needed" ] || {
        echo "sdk/tutorial-test.sh: $needed is missing; cargo build --release -p watchbook-plugin-cli -p watchbook-analysis makes the programs," >&2
        echo "plugins/build.sh DIR the plugins, and .ci/setup installs the clip" >&2
        exit 1
    }
done
readonly SECONDS_MAX=600
[ ${#languages[@]} -gt 0 ] || languages=(rust c js inference)
cache="${WATCHBOOK_CACHE:-$HOME/.cache/watchbook}"
export PATH="$bin:$cache/plugin-tools/node_modules/.bin:$cache/plugin-tools/python/bin:$PATH"
# What the tutorials' crates need is compiled once.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$here/../target}/plugins-build"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for language in "${languages[@]}"; do
    tutorial="$here/$language/TUTORIAL.md"
    mkdir "$work/$language"
    # One script: the fences share a shell, as a reader does. Each fence writes what it said to a file of its number.
    awk -v said="$work/$language.said" '
        /^```sh$/ { inside = 1; count++; print "{"; next }
        /^```text$/ { expected = 1; next }
        /^```$/ && inside { print ":; } >" said "." count " 2>&1"; inside = 0; next }
        /^```$/ { expected = 0; next }
        inside { print }
        expected { print >(said "." count ".expected") }
    ' "$tutorial" >"$work/$language.sh"
    began=$(date +%s)
    if ! (cd "$work/$language" && timeout "$SECONDS_MAX" bash -euo pipefail "$work/$language.sh"); then
        echo "sdk/tutorial-test.sh: a command of $tutorial failed after $(($(date +%s) - began)) s, of $SECONDS_MAX s that the tutorial may take; the last words were:" >&2
        tail -n 30 "$(ls -t "$work/$language.said".* | grep -v expected | head -n 1)" >&2
        exit 1
    fi
    for expected in "$work/$language.said".*.expected; do
        [ -e "$expected" ] || { echo "sdk/tutorial-test.sh: $tutorial promises no output" >&2; exit 1; }
        said="${expected%.expected}"
        while IFS= read -r line; do
            grep -qF -- "$line" "$said" || {
                echo "sdk/tutorial-test.sh: $tutorial says that this is printed: $line" >&2
                cat "$said" >&2
                exit 1
            }
        done <"$expected"
    done
    echo "tutorial $language: $(($(date +%s) - began)) s"
done
