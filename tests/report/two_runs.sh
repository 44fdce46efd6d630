#!/bin/sh
# A second run in the same folder is refused in one sentence, and the first one's numbers are those of a run by itself. A
# circuit that changes under a run ends it, before numbers of another circuit are filed as the first one's.
# usage: two_runs.sh PAPER WORK
set -eu
paper=$1
fail() {
    echo "$1"
    exit 1
}
. "$(dirname "$0")/results.sh"
rm -rf "$2"
mkdir -p "$2"
cd "$2"
begin() { # begin FOLDER: a run that has finished its first experiment, and goes on
    "$paper" $few --out "$1" >"$1.out" 2>"$1.said" &
    process=$!
    until [ -e "$1/manifest.json" ]; do
        kill -0 $process 2>/dev/null || fail "the program ended before it had a result: $(cat "$1.said")"
        sleep 0.01
    done
}
refused() { # refused TEXT FILE
    [ "$code" -eq 2 ] && [ "$(wc -l <"$2")" -eq 1 ] && grep -q "$1" "$2" || fail "exit code $code: $(cat "$2")"
}

"$paper" $few --out alone >/dev/null

begin two
code=0
"$paper" $few --out two >/dev/null 2>second || code=$?
refused "another run is working in the folder two; wait until it has ended" second
wait $process || fail "the first run failed: $(cat two.said)"
complete two alone

begin killed
kill -9 $process
wait $process || true
"$paper" $few --out killed >/dev/null || fail "a folder stayed locked behind a run that was killed"
complete killed alone

begin changed
echo '{"value_fetcher": {"role": "last", "heads": [[0, 0]]}}' >changed/circuits/adapter.json # which is read last
code=0
wait $process || code=$?
refused "circuits/adapter.json: this is not the file that an experiment" changed.said
for file in changed/results/*; do
    cmp "$file" "alone/results/${file##*/}" || fail "numbers of another circuit were kept"
done
"$paper" $few --out changed >/dev/null
complete changed alone
