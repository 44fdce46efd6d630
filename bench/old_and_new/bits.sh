#!/bin/sh
# Do two checkouts compute the same bits? Builds the same programs against both and compares their lines, each of which is
# the hash of one result: whole runs (every site, every policy), sweeps of every kind, gradients, attribution, DCM.
# usage: bits.sh OLD NEW WORK MODEL...
#     MODEL is pair, gpt2, gpt_neox or smollm2; for smollm2, SMOLLM2 in the environment names its folder or GGUF file.
#     WORK keeps what was built, so that a second call compiles only what has changed.
#     CXX is the compiler, JOBS (1) how many compilations run at a time.
# exit code 0: every line of OLD is among those of NEW; 1: some differ, and are printed; 2: something can't be built or run
set -eu
if [ $# -lt 4 ]; then
    sed -n 's/^# usage: /usage: /p' "$0" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
old=$1 new=$2 work=$3
shift 3

build() { # build SOURCE FOLDER MODEL...
    source=$(cd "$1" && pwd) folder=$2
    shift 2
    cmake -G Ninja -S "$here" -B "$folder" -D ENGRAFT_SOURCE="$source" -D CMAKE_CXX_COMPILER="${CXX:-g++}" >"$folder.log"
    for model in "$@"; do
        ninja -C "$folder" -j "${JOBS:-1}" "${model}_runs" "${model}_sweeps" "${model}_gradients" >>"$folder.log" ||
            { tail -n 40 "$folder.log" >&2; exit 2; }
        for part in runs sweeps gradients; do
            "$folder/${model}_$part" "$source/examples/pair" "${SMOLLM2:-}" "$source/examples/smollm2/adapter" \
                >"$folder/${model}_$part.txt" || exit 2
        done
    done
}
mkdir -p "$work"
build "$old" "$work/old" "$@"
build "$new" "$work/new" "$@"

wrong=0
for model in "$@"; do
    for part in runs sweeps gradients; do
        a=$work/old/${model}_$part.txt b=$work/new/${model}_$part.txt
        differ=$work/${model}_$part.differ
        # Lines of `a` that `b` does not have; what is only in `b` is new, and no loss.
        awk 'NR == FNR { seen[$0]++; next } seen[$0]-- <= 0' "$b" "$a" >"$differ"
        if [ -s "$differ" ]; then
            wrong=1
            echo "$model, $part: $(wc -l <"$differ") of $(wc -l <"$a") results are not the same:"
            sed 's/ *[0-9a-f]*$//; s/^/    /' "$differ" | uniq -c
        else
            echo "$model, $part: $(wc -l <"$a") results, all the same"
        fi
    done
done
exit $wrong
