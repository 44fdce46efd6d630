#!/bin/sh
# Device headers say so where nvcc does not read them, and where it does they bring neither Eigen nor xtensor nor JSON.
# usage: headers.sh ROOT COMPILER [NVCC]
set -eu
cd "$1"
compiler=$2
nvcc=${3-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

wrong=0
count=0
for header in include/engraft/backend/cuda/*.cuh; do
    count=$((count + 1))
    echo "#include <${header#include/}>" >"$work/host.cpp"
    if "$compiler" -std=c++20 -Iinclude -fsyntax-only "$work/host.cpp" >"$work/said" 2>&1; then
        echo "$header: $compiler takes it"
        wrong=1
    elif ! grep -m 1 'error' "$work/said" | grep -q "${header#include/} needs nvcc"; then
        echo "$header: the first error does not say that it needs nvcc:"
        grep -m 1 'error' "$work/said"
        wrong=1
    fi
done
echo "$count headers need nvcc"

if [ -n "$nvcc" ]; then
    echo '#include <engraft/engraft.hpp>' >"$work/device.cu"
    "$nvcc" -std=c++20 -DENGRAFT_COMPILED -Iinclude -M "$work/device.cu" >"$work/headers"
    if grep -E '/(Eigen|xtensor|nlohmann|pcre2|utf8proc|dnnl)' "$work/headers"; then
        echo "a device program must not read these"
        wrong=1
    fi
    grep -q 'engraft/backend/cuda/cuda.cuh' "$work/headers" || {
        echo "engraft.hpp does not bring cuda.cuh"
        wrong=1
    }
fi
exit $wrong
