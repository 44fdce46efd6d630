#!/bin/sh
# How programs end whose output is lost, that are stopped by a signal or have no memory: one sentence, the right exit code,
# and nothing left behind.
# usage: ends.sh PROGRAMS WORK PAIR
set -eu
programs=$1
pair=$3
rm -rf "$2"
mkdir -p "$2"
cd "$2"
fail() {
    echo "$1"
    exit 1
}
ended() { # ended CODE TEXT: `code` and the file `said` are of a program that was to end so
    [ "$code" -eq "$1" ] || fail "exit code $code instead of $1: $(cat said)"
    [ "$(wc -l <said)" -eq 1 ] || fail "not one line: $(cat said)"
    grep -q -e "$2" said || fail "'$2' is not what was said: $(cat said)"
}

# Standard output that can't be written to, or is closed.
for run in "compare_circuits $pair/circuit.json $pair/circuit.json" "compare_circuits --help" "describe $pair/base" \
    "paper/paper --plan-only --gflops 50 --only figure_a1" "cross_model_swap --examples 7 --draws 1"; do
    code=0
    "$programs"/$run >/dev/full 2>said || code=$?
    ended 2 "what was printed could not be written"
    code=0
    "$programs"/$run >&- 2>said || code=$?
    ended 2 "what was printed could not be written"
done
# A file that is opened does not become the output that was closed. (The folder's lock is open while a run prints.)
code=0
"$programs"/paper/paper --examples 7 --only figure_a1 --out closed >&- 2>said || code=$?
ended 2 "what was printed could not be written"
[ -e closed/lock ] && [ ! -s closed/lock ] || fail "something was printed into a file: $(cat closed/lock)"

# --json: all or nothing, and nobody else's file.
compare() {
    code=0
    timeout 20 "$programs"/compare_circuits "$pair/circuit.json" "$pair/circuit.json" --json "$1" >/dev/null 2>said || code=$?
}
compare nowhere/numbers.json
ended 2 "is the folder there"
mkdir numbers.json
compare numbers.json
ended 2 "cannot rename"
[ ! -e numbers.json.part ] || fail "an unfinished file was left"
rmdir numbers.json
mkfifo numbers.json.part
compare numbers.json
ended 2 "not an ordinary file"
rm numbers.json.part
echo kept >other
ln -s other numbers.json.part
compare numbers.json
ended 2 "not an ordinary file"
[ "$(cat other)" = kept ] || fail "a file that a symbolic link names was written to"

# Signals: what is kept, how to go on, and for who started the program, that it was a signal. (`timeout` ends with its
# own 124 unless it is told otherwise, and starts the program with SIGINT as a terminal has it.)
stop() { # stop SIGNAL CODE TEXT PROGRAM ARGUMENTS...: sooner or later, on slow machines later, it says so
    with=$1 exit_code=$2 text=$3
    shift 3
    for seconds in 0.3 0.6 1.2 2.5 5 10; do
        code=0
        timeout --preserve-status -s "$with" $seconds "$programs/$@" >/dev/null 2>said || code=$?
        if grep -q -e "$text" said; then
            break
        fi
    done
    ended "$exit_code" "$text"
}
for signal in INT.130 TERM.143; do
    name=${signal%.*} number=${signal#*.}
    stop $name $number "cross_model_swap: stopped; nothing is kept" cross_model_swap --examples 100000
    stop $name $number "finished chunks are kept in chunks_$name; run the same command again to go on" \
        discover_circuit --examples 300 --out chunks_$name
    stop $name $number "finished experiments are kept in paper_$name; run the same command again to go on" \
        paper/paper --examples 500 --out paper_$name
    stop $name $number "what is trained is kept in masks.<model>; run the same command again to go on" dcm --state masks
    stop $name $number "what is finished is kept in e.journal; run the same command again to go on" \
        evaluate_circuit --examples 700 --mean-examples 7 --journal e.journal --anew
done

# Too little memory, wherever that is seen. The sanitizers need more than there is.
if ! grep -q __asan "$programs/cross_model_swap"; then
    for kilobytes in 20000 60000 120000 250000; do
        code=0
        (ulimit -v $kilobytes && exec "$programs/cross_model_swap" --threads 1 --examples 100000) >/dev/null 2>said || code=$?
        ended 2 "memory"
    done
    # Where a document is taken apart because there was no memory for more of it, an exception could not be caught.
    awk 'BEGIN { printf "{\"a\": {\"role\": \"last\", \"heads\": [[0, 0]"; for (i = 1; i < 600000; ++i) printf ", [0, %d]", i; print "]}}" }' >large.json
    for kilobytes in 60000 80000 100000 120000; do
        code=0
        (ulimit -v $kilobytes && exec "$programs/compare_circuits" large.json large.json) >/dev/null 2>said || code=$?
        ended 2 "memory"
    done
fi
