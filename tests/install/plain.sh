#!/bin/sh
# Compiles the consumer's program without CMake and runs it: by the commands that README.md shows; and, of both, with all of
# engraft in headers, too, and optimised, so that it computes and does not only refuse.
# usage: plain.sh ROOT WORK COMPILER compiled|both
set -eu
root=$1 work=$2 compiler=$3

rm -rf "$work"
mkdir -p "$work"
source=$root/tests/install/consumer/main.cpp
# shellcheck disable=SC2086  # lists of arguments
build() { # build PROGRAM ARGUMENT...
    program=$1
    shift
    "$compiler" -std=c++20 -pthread -I"$root/include" "$@" -lpcre2-8 -lutf8proc -o "$work/$program"
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
[ "$4" = both ] && optimised=-O1 || optimised=-O0
# Optimised as README says, since some of a compiler's warnings come from its optimiser; none may be left.
(cd "$work" && "$compiler" -std=c++20 -O2 -Wall -Wextra -Wpedantic -Wshadow -Werror -DENGRAFT_COMPILED -I"$root/include" \
    -c "$root/include/engraft/engine.cpp" "$root/include/engraft/engraft.cpp")
build compiled $optimised -DENGRAFT_COMPILED "$source" "$work/engraft.o" "$work/engine.o"
if [ "$4" = both ]; then
    build in_headers $optimised "$source"
    compute in_headers
    compute compiled
fi
