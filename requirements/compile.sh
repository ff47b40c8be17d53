#!/bin/sh
# Compile the hash-locked requirements: one resolution a Python minor version (dev.in, the widest set), every smaller
# set cut from it, so that the same package has the same version everywhere.
#   requirements/compile.sh [--upgrade] [3.10 3.11 ...]
set -eu
cd "$(dirname "$0")"
upgrade=""
if [ "${1:-}" = "--upgrade" ]; then upgrade="--upgrade"; shift; fi
[ $# -gt 0 ] || set -- 3.10 3.11 3.12 3.13
# Extras stay in the lock: pip before 23.3 takes the newest release for "coverage[toml]" although the lock pins
# "coverage", and then refuses it because it is not pinned; the day a newer release appears, the lock stops working.
compile() { # input, python, output, further options
    input=$1 python=$2 output=$3; shift 3
    uv pip compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-strip-extras --python-version "$python" \
        --custom-compile-command "make lock" "$@" "$input" --output-file "$output"
}
for python in "$@"; do
    echo "locks for Python $python"
    compile dev.in "$python" "locks/dev-$python.txt" $upgrade
    for set in score runtime fakes azure; do
        compile "$set.in" "$python" "locks/$set-$python.txt" --constraint "locks/dev-$python.txt"
    done
done
