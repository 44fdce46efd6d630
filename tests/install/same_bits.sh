#!/bin/sh
# Compilers and their options change no bit: same_bits/main.cpp prints the same hashes whether it is compiled without
# optimisation or for this machine's processor, header-only or linked with the library, by each compiler that is installed.
# usage: same_bits.sh ROOT WORK COMPILER LIBRARY [OTHER_COMPILER]
set -eu
root=$1 work=$2 compiler=$3 library=$4 other=${5:-$3}
rm -rf "$work"
mkdir -p "$work"
source=$root/tests/install/same_bits/main.cpp
build() { # build PROGRAM COMPILER ARGUMENT...
    program=$work/$1
    shift
    "$@" -std=c++20 -pthread -I"$root/include" "$source" ${linked:+-DENGRAFT_COMPILED "$linked"} \
        -o "$program"
    "$program" >"$program.txt"
}
linked=
build plain "$compiler" -O0
build native "$other" -O3 -march=native
[ "$other" = "$compiler" ] || build other "$compiler" -O3 -march=native
linked=$library
build linked "$compiler" -O2
build linked_native "$other" -O3 -march=native
wrong=0
[ "$(wc -l <"$work/plain.txt")" -gt 12 ] || wrong=1
for program in native other linked linked_native; do
    [ -x "$work/$program" ] || continue
    if ! diff "$work/plain.txt" "$work/$program.txt"; then
        echo "'plain' (<) and '$program' (>) differ"
        wrong=1
    fi
done
exit $wrong
