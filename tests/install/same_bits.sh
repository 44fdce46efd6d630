#!/bin/sh
# One source, one result: same_bits/main.cpp compiled without optimisation and for this machine's processor, by both
# compilers where both are there, with the bodies in the headers and linked, prints the same hashes of its bits.
# usage: same_bits.sh ROOT WORK COMPILER LIBRARY [OTHER_COMPILER]
set -eu
root=$1 work=$2 compiler=$3 library=$4 other=${5:-$3}
rm -rf "$work"
mkdir -p "$work"
source=$root/tests/install/same_bits/main.cpp
build() { # build PROGRAM COMPILER ARGUMENT...
    program=$work/$1
    shift
    "$@" -std=c++20 -pthread -I"$root/include" "$source" ${linked:+-DENGRAFT_COMPILED "$linked"} -lpcre2-8 -lutf8proc \
        -o "$program"
    "$program" >"$program.txt"
}
linked=
build plain "$compiler" -O0
build native "$other" -O3 -march=native
linked=$library
build linked "$compiler" -O2
build linked_native "$other" -O3 -march=native
wrong=0
[ "$(wc -l <"$work/plain.txt")" -gt 5 ] || wrong=1
for program in native linked linked_native; do
    if ! diff "$work/plain.txt" "$work/$program.txt"; then
        echo "'plain' (<) and '$program' (>) differ"
        wrong=1
    fi
done
exit $wrong
