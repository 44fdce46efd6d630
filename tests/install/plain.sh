#!/bin/sh
# Compiles the consumer's program by one command, without CMake, and runs it: with all of engraft in headers, and, of
# both, with io/source/io.cpp as a second source.
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
    "$compiler" -std=c++20 -O1 $threads -I"$root/include" "$@" -lpcre2-8 -lutf8proc -o "$work/$program"
    "$work/$program" "$root/examples/pair" | tee "$work/$program.txt"
    grep -q '^accuracy of base: 0\.' "$work/$program.txt"
}
build in_headers "$source"
[ "$5" = in_headers ] || build compiled -DENGRAFT_COMPILED_IO "$source" "$root/include/engraft/io/source/io.cpp"
