#!/bin/sh
# Runs the tests of the CUDA backend, or says how many were not run for want of a GPU and exits with 77. What goes wrong
# where nvidia-smi lists a GPU is no want of one.
# usage: run.sh PROGRAM [ARGUMENT...]
set -eu
program=$1
if ! nvidia-smi -L 2>/dev/null | grep -q '^GPU '; then
    count=$("$program" --list-tests '~[there]' 2>/dev/null | sed -n 's/^\([0-9][0-9]*\) .*test cases*.*$/\1/p' | tail -n 1)
    echo "skipped: there is no GPU here, so ${count:?the program lists no test cases} test cases were compiled and not run"
    exit 77
fi
exec "$@"
