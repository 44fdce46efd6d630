#!/bin/sh
# nvcc refuses a functor that is not marked for the GPU, and takes the same functor marked. If it took the first, the
# kernel would do nothing.
# usage: functors.sh ROOT NVCC
set -eu
cd "$1"
nvcc=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

compiles() { # compiles USE MARK: what the compiler said is in $work/said
    "$nvcc" -std=c++20 -DENGRAFT_COMPILED "-D$1=1" "-DMARKED=$2" -Iinclude -arch=sm_90 -cuda \
        -o "$work/functors.ii" tests/cuda/functors.cu >"$work/said" 2>&1
}

wrong=0
for use in EDIT WHEN DERIVATIVE; do
    if ! compiles $use ENGRAFT_HOST_DEVICE; then
        cat "$work/said"
        echo "$use: a marked functor is refused"
        wrong=1
    elif compiles $use ''; then
        echo "$use: a functor that is not marked for the GPU compiles"
        wrong=1
    elif ! grep -q 'calling a __host__ function.*from a __device__ function' "$work/said"; then
        cat "$work/said"
        echo "$use: refused for another reason than the missing mark"
        wrong=1
    fi
done
exit $wrong
