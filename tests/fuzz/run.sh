#!/usr/bin/env bash
# Searches for inputs that break a promise: every fuzz target for FUZZ_S seconds, guided by what it covers, two at once for each processor. Needs the stable tool-chain alone.
# Usage: tests/fuzz/run.sh [TARGET ...]            FUZZ_S=60 FUZZ_JOBS=number FUZZ_SEED=a number
#        tests/fuzz/run.sh --minimise [TARGET ...] writes into tests/fuzz/corpus the fewest inputs that cover what all searches here have covered, at most 40 a target
set -euo pipefail
cd "$(dirname "$0")"

seconds="${FUZZ_S:-60}"
# Two for each processor: a minute of each of thirty targets must not take half an hour of every run of the tests.
jobs="${FUZZ_JOBS:-$((2 * $(nproc)))}"
build="${CARGO_TARGET_DIR:-$HOME/.cache/watchbook/target}/fuzz"
# Files of one corpus.
keep=40
host=$(rustc -vV | sed -n 's/^host: //p')
bin="$build/$host/release"
minimise=
[ "${1:-}" != --minimise ] || { minimise=1; shift; }
all=$(sed -n '/^\[\[bin\]\]/{n;s/^name = "\(.*\)"$/\1/p}' Cargo.toml)
targets="${*:-$all}"

# What cargo-fuzz gives the compiler, but for the sanitizer, which needs the nightly tool-chain. With --target, build scripts and macros are not measured.
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
flags="$flags -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0"
RUSTFLAGS="$flags -Ccodegen-units=1 --cfg fuzzing" cargo build --release --locked --bins --target "$host" --target-dir "$build"

# The longest input that a search tries; a longer file of the corpus is cut.
longest() {
    case "$1" in
        http_range | http_redirect | evidence_note | evidence_tiles | store_headers) echo 512 ;;
        package | package_tar | evidence_archive | evidence_master | evidence_bundle | store_segment) echo 16384 ;;
        *) echo 4096 ;;
    esac
}

# One target: its line on success, what to do with the input on failure.
search() {
    local target="$1" work="$build/corpus/$1" log="$build/logs/$1" seed="${FUZZ_SEED:-$RANDOM$RANDOM}" corpus="corpus/$1"
    mkdir -p "$work" "$build/logs" "$build/crashes" "$corpus"
    if "$bin/$target" -max_total_time="$seconds" -max_len="$(longest "$target")" -timeout=20 -rss_limit_mb=2048 -seed="$seed" \
        -print_final_stats=1 -artifact_prefix="$build/crashes/$target-" "$work" "$corpus" >"$log" 2>&1; then
        local covered executions
        covered=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
        executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        [ "${executions:-0}" -gt 0 ] || { tail -n 20 "$log" >&2; echo "fuzz $target: nothing was run" >&2; return 1; }
        echo "fuzz $target: $executions executions, coverage $covered, FUZZ_SEED=$seed"
    else
        tail -n 40 "$log" >&2
        local input
        input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
        echo "fuzz $target: FAILED, FUZZ_SEED=$seed; the whole log is in $log" >&2
        [ -z "$input" ] || {
            echo "  again:   $bin/$target $input" >&2
            echo "  shorter: $bin/$target -minimize_crash=1 -max_total_time=60 $input" >&2
            echo "  as test: cp $input tests/fuzz/corpus/$target/ (every run of the tests runs each file there)" >&2
        }
        return 1
    fi
}

if [ -n "$minimise" ]; then
    for target in $targets; do
        mkdir -p "corpus/$target" "$build/corpus/$target"
        smaller=$(mktemp -d)
        "$bin/$target" -merge=1 -max_len="$(longest "$target")" -timeout=20 -rss_limit_mb=2048 "$smaller" "corpus/$target" "$build/corpus/$target" >"$build/merge.log" 2>&1 || {
            tail -n 20 "$build/merge.log" >&2
            exit 1
        }
        # Of more than are worth keeping, as many short as long ones. What has a name of its own was an input that broke something.
        mkdir "$smaller.named"
        find "corpus/$target" -type f -name '*[!0-9a-f]*' -exec cp {} "$smaller.named" \;
        found=$(find "$smaller" -type f | wc -l)
        find "$smaller" -type f -printf '%s %p\n' | sort -n | awk -v n="$found" -v k="$keep" 'n > k && int(NR * k / n) == int((NR - 1) * k / n) { print $2 }' | xargs -r rm
        rm -rf "corpus/$target"
        mv "$smaller" "corpus/$target"
        find "$smaller.named" -type f -exec cp {} "corpus/$target" \;
        rm -rf "$smaller.named"
        chmod 755 "corpus/$target"
        echo "$target: $(find "corpus/$target" -type f | wc -l) files, $(du -sb "corpus/$target" | cut -f1) bytes"
    done
    exit 0
fi

export -f search longest
export seconds bin build
failed=0
# shellcheck disable=SC2016 # the inner shell expands its own argument
printf '%s\n' $targets | xargs -P "$jobs" -I{} bash -c 'search "$1" || exit 1' _ {} || failed=1
[ "$failed" -eq 0 ] || { echo "make fuzz: a target broke a promise; see above" >&2; exit 1; }
