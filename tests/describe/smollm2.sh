#!/bin/sh
# The weights of a real model out of a GGUF file take little more than their own size: what is quantised is not kept, and
# a matrix that is embedding and unembedding is there once.
# usage: smollm2.sh DESCRIBE FILE
set -eu
describe=$1
file=$2
if [ ! -f "$file" ]; then
    echo "SKIPPED: there is no $file; sh cmake/fetch_smollm2.sh gets it" >&2
    exit 77
fi
json=$(mktemp)
trap 'rm -f "$json"' EXIT
"$describe" "$file" --load --json "$json"
ratio=$(sed -n 's/^ *"ratio": *\([0-9.]*\).*/\1/p' "$json")
awk -v r="$ratio" 'BEGIN { exit !(r >= 0.95 && r < 1.1) }' ||
    { echo "the weights take $ratio times their size, not 0.95 to 1.1"; exit 1; }
