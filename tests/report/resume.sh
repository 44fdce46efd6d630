#!/bin/sh
# Two runs have the same numbers to the bit; so has one that was killed and started again; what is finished is not run again.
# usage: resume.sh PAPER WORK
set -eu
paper=$1
rm -rf "$2"
mkdir -p "$2"
cd "$2"
fail() {
    echo "$1"
    exit 1
}
tiny="--examples 8 --repetitions 2 --random-circuits 2"
some="--only table_1 table_a6 figure_a1" # and what they need
same() { # same FOLDER: its results and circuits are those of the folder `whole`
    for file in "$1"/results/* "$1"/circuits/*; do
        cmp "$file" "whole/${file#*/}" || fail "$file is not that of the other run"
    done
}

"$paper" $tiny --out whole
[ -s whole/report.html ] || fail "there is no report"

"$paper" $tiny $some --out killed >/dev/null &
process=$!
until [ -e killed/manifest.json ]; do # the first experiment has finished
    kill -0 $process 2>/dev/null || fail "the program ended before it could be killed"
    sleep 0.02
done
kill -9 $process
wait $process || true
[ ! -e killed/report.html ] || fail "it was killed too late for this test to say anything"
again=$("$paper" $tiny $some --out killed)
echo "$again" | grep "circuits.*was there" || fail "the experiment that had finished was run again"
echo "$again" | grep "agree$" >/dev/null || fail "nothing was left to run"
same killed

# A damaged file is made again, and nothing else is.
echo damaged >whole/results/table_1.json
repaired=$("$paper" $tiny --out whole)
[ "$(echo "$repaired" | grep -c "agree$")" = 1 ] || fail "one damaged file should have run one experiment: $repaired"
same killed

# Other inputs: nothing of the old results is taken.
other=$("$paper" $tiny --only circuits --seed 11 --out killed)
! echo "$other" | grep "was there" || fail "results of another seed were taken"
