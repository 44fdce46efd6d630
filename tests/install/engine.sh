#!/bin/sh
# The engine with no other library than Boost: its sources and a program of it read nothing but engraft's own headers,
# Boost's and the system's, in both ways (core/linkage.hpp); and the program links engraft_engine alone, and runs.
# usage: engine.sh ROOT WORK COMPILER BOOST ENGINE [FLAG]
set -eu
root=$1 work=$2 compiler=$3 boost=$4 engine=$5 flag=${6-}
rm -rf "$work"
mkdir -p "$work/include"
ln -s "$boost/boost" "$work/include/boost"
for header in pcre2.h utf8proc.h nlohmann/json.hpp nlohmann/json_fwd.hpp xtensor/xarray.hpp; do
    mkdir -p "$(dirname "$work/include/$header")"
    echo "#error \"the engine includes $header\"" >"$work/include/$header"
done
compile() {
    "$compiler" -std=c++20 -isystem "$work/include" -I"$root/include" "$@"
}
reads() { # reads ARGUMENT...: the files that the compiler reads
    compile -M "$@" >"$work/read"
    tr -s ' \\' '\n\n' <"$work/read" | grep '^/' | sort -u
}

# What the system's own headers are: those that standard headers include.
{
    cd "$root/include/engraft"
    grep -rhoE '^#include <[a-z_0-9]+>' core model intervene run circuit backend | sort -u
    printf '#include <%s>\n' cassert pthread.h sched.h sys/mman.h # POSIX's, and Boost's
    echo '#if defined(__x86_64__)'
    echo '#include <immintrin.h>'
    echo '#endif'
} >"$work/standard.cpp"
reads "$work/standard.cpp" >"$work/of_the_system"

program=$root/tests/install/engine/main.cpp
wrong=0
only_own() { # only_own ARGUMENT...
    reads "$@" >"$work/of_the_engine"
    grep -q "^$root/include/engraft/run/" "$work/of_the_engine"
    other=$(grep -vxF -f "$work/of_the_system" "$work/of_the_engine" |
        grep -vE "^($work/include/boost/|.*/c\+\+/|$root/tests/install/engine/|$root/include/engraft/(core|model|intervene|run|circuit|backend|engine|version)[/.])" || true)
    if [ -n "$other" ]; then
        printf 'the engine needs more than Boost, compiled with "%s":\n%s\n' "$*" "$other"
        wrong=1
    fi
}
only_own -DENGRAFT_COMPILED "$root/include/engraft/engine.cpp"
only_own -DENGRAFT_COMPILED "$program"
only_own "$program"

# shellcheck disable=SC2086 # a list of arguments
compile $flag -O0 -pthread -DENGRAFT_COMPILED "$program" "$engine" -o "$work/program"
"$work/program"
exit $wrong
