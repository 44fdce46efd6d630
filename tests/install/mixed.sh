#!/bin/sh
# A program of two sources, of which one has the bodies of engraft in the headers and the other links them, is
# refused by the linker; of one kind, it links.
# usage: mixed.sh ROOT WORK COMPILER LIBRARY ENGINE [FLAG]
set -eu
root=$1 work=$2 compiler=$3 library=$4 engine=$5 flag=${6-}
rm -rf "$work"
mkdir -p "$work"
cd "$work"
printf '#include <engraft/io/utf8.hpp>\nbool other() { return engraft::is_utf8("x"); }\n' >other.cpp
printf '#include <engraft/io/utf8.hpp>\nbool other();\nint main() { return !(other() && engraft::is_utf8("y")); }\n' >main.cpp
for name in other main; do
    "$compiler" -std=c++20 -I"$root/include" -c "$name.cpp" -o "$name.headers.o"
    "$compiler" -std=c++20 -I"$root/include" -DENGRAFT_COMPILED -c "$name.cpp" -o "$name.linked.o"
done
link() { # link PROGRAM OBJECT...
    program=$1
    shift
    # shellcheck disable=SC2086
    LC_ALL=C "$compiler" $flag "$@" "$library" "$engine" -lpcre2-8 -lutf8proc -o "$program" >"$program.txt" 2>&1
}
for how in headers linked; do
    link $how other.$how.o main.$how.o || { cat $how.txt; exit 1; }
    ./$how
done
for how in headers linked; do
    [ $how = headers ] && than=linked || than=headers
    if link mixed_$how other.$how.o main.$than.o; then
        echo "a program links though its other.cpp has the bodies by '$how' and its main.cpp by '$than'"
        exit 1
    fi
    grep -q 'engraft_is_in_headers_or_linked_but_not_both' mixed_$how.txt || { cat mixed_$how.txt; exit 1; }
done
