#!/bin/sh
# Compiles the consumer's program by one command, without CMake, and runs it: with all of engraft in headers; and, of
# both, with engraft.cpp and io.cpp as further sources, and optimised, so that it computes and does not only refuse.
# usage: plain.sh ROOT WORK COMPILER openmp|one_thread in_headers|both
set -eu
root=$1 work=$2 compiler=$3
[ "$4" = openmp ] && threads=-fopenmp || threads=

rm -rf "$work"
mkdir -p "$work"
source=$root/tests/install/consumer/main.cpp
# shellcheck disable=SC2086  # lists of arguments
build() { # build PROGRAM ARGUMENT...
    program=$1
    shift
    "$compiler" -std=c++20 $threads -I"$root/include" "$@" -lpcre2-8 -lutf8proc -o "$work/$program"
    code=0
    said=$("$work/$program" "$work/nowhere" 2>&1) || code=$?
    case $code:$said in
        2:*nowhere*) ;;
        *)
            echo "exit code $code: $said"
            exit 1
            ;;
    esac
}
compute() { # compute PROGRAM
    "$work/$1" "$root/examples/pair" | tee "$work/$1.txt"
    grep -q '^accuracy of base: 0\.' "$work/$1.txt"
}
if [ "$5" = in_headers ]; then
    build in_headers "$source"
else
    build in_headers -O1 "$source"
    build compiled -O1 -DENGRAFT_COMPILED "$source" "$root/include/engraft/engraft.cpp" \
        "$root/include/engraft/io/source/io.cpp"
    compute in_headers
    compute compiled
fi
