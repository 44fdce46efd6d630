#!/bin/sh
# nvcc refuses a functor that is not marked for the GPU, and takes the same functor marked. If it took the first, the
# kernel would do nothing.
# usage: functors.sh ROOT NVCC
set -eu
cd "$1"
nvcc=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

compiles() { # compiles MARK USE...: what the compiler said is in $work/said
    mark=$1
    shift
    for use; do
        set -- "$@" "-D$use=1"
        shift
    done
    "$nvcc" -std=c++20 -DENGRAFT_COMPILED "$@" "-DMARKED=$mark" -Iinclude -arch=sm_90 -cuda \
        -o "$work/functors.ii" tests/cuda/functors.cu >"$work/said" 2>&1
}

wrong=0
if ! compiles ENGRAFT_HOST_DEVICE EDIT WHEN DERIVATIVE; then
    cat "$work/said"
    echo "a marked functor is refused"
    wrong=1
fi
for use in EDIT WHEN DERIVATIVE; do
    if compiles '' $use; then
        echo "$use: a functor that is not marked for the GPU compiles"
        wrong=1
    elif ! grep -q 'calling a __host__ function.*from a __device__ function' "$work/said"; then
        cat "$work/said"
        echo "$use: refused for another reason than the missing mark"
        wrong=1
    fi
done
exit $wrong
