#!/bin/sh
# A search that is killed again and again, at any point, goes on where it was and ends with the same bytes as one that
# ran through; with other inputs it is refused, or begun anew where that is asked for.
# usage: kill.sh DISCOVER_CIRCUIT
set -eu
program=$1
here=$(mktemp -d)
pid=
trap 'if [ -n "$pid" ]; then kill -KILL $pid 2>/dev/null || true; fi; rm -rf "$here"' EXIT
search() { # search FOLDER [OPTION...]
    folder=$1
    shift
    "$program" --examples 7 --sizes 4 3 2 2 --memory 1 --out "$folder" "$@"
}
size() { if [ -f "$1" ]; then wc -c < "$1"; else echo 0; fi; }
fail() {
    echo "$1" >&2
    exit 1
}

search "$here/whole" > "$here/whole.txt"
end=$(size "$here/whole/path_patching.journal")
journal=$here/killed/path_patching.journal

for part in 1 3 5; do # killed when the journal has so many sevenths of all it will have
    "$program" --examples 7 --sizes 4 3 2 2 --memory 1 --out "$here/killed" > "$here/part.txt" &
    pid=$!
    while [ "$(size "$journal")" -lt $((end * part / 7)) ]; do
        kill -0 $pid 2>/dev/null || fail "the search ended before it was killed"
        sleep 0.01
    done
    kill -KILL $pid || fail "the search ended before it was killed"
    if wait $pid; then fail "the search ended before it was killed"; fi
    pid=
    [ ! -f "$here/killed/circuit.json" ] || fail "a search that was killed has written a circuit"
done
before=$(size "$journal")
[ "$before" -lt "$end" ] || fail "nothing was left to do"
printf 'a torn record' >> "$journal"
search "$here/killed" > "$here/again.txt"
grep -q 'going on with [1-9][0-9]* finished chunks' "$here/again.txt" || fail "the search did not go on"
for file in circuit.json path_patching/value_fetcher.npy path_patching/value_fetcher_examples.npy \
    path_patching/position_transmitter_examples.npy path_patching/position_detector_examples.npy \
    path_patching/structure_reader.npy path_patching/structure_reader_examples.npy; do
    cmp "$here/whole/$file" "$here/killed/$file" || fail "$file is another after the search was killed"
done

code=0
search "$here/killed" --seed 11 > "$here/other.txt" 2>&1 || code=$?
[ $code -eq 2 ] && grep -q 'begun with another prompts' "$here/other.txt" || fail "other prompts were not refused"
search "$here/killed" --seed 11 --anew > "$here/other.txt" || fail "a search could not be begun anew"
if grep -q 'going on' "$here/other.txt"; then fail "a search that was to begin anew went on"; fi
if cmp -s "$here/whole/circuit.json" "$here/killed/circuit.json"; then fail "other prompts gave the same circuit"; fi
echo "killed three times, last at $before of $end bytes of the journal; the same to the bit"
