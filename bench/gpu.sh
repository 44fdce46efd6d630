#!/bin/sh
# On a machine with a GPU and CUDA 13, without network: compiles the CUDA backend's tests and benchmarks, runs the tests, runs
# them again under compute-sanitizer, and measures. What it prints is also in build/gpu/figures.txt. It needs nvcc, g++, and
# headers of Boost.Hana and Catch2, which `gpu.sh pack` copies into build/gpu/include on a machine that has them.
# usage: gpu.sh            all of it; exit code 0 when everything passed
#        gpu.sh pack       the headers, to be taken along with the sources
#        gpu.sh build      compiles, and runs nothing
# GPU_ARCHITECTURE: what is compiled for (sm_90: H100, H200). GPU_SANITIZE: the program that compute-sanitizer runs,
# test_cuda_short, which leaves out the laws of many compositions, or test_cuda.
set -eu
cd "$(dirname "$0")/.."
work=build/gpu
mkdir -p "$work"
arch=${GPU_ARCHITECTURE:-sm_90}
flags="-std=c++20 -DENGRAFT_COMPILED_IO -Iinclude -Itests"
if [ -d "$work/include" ]; then
    flags="$flags -isystem $work/include"
fi

if [ "${1:-}" = pack ]; then
    rm -rf "$work/include"
    for source in tests/cuda/operations.cu tests/cuda/laws.cu bench/cuda/llama.cu tests/main.cpp; do
        # shellcheck disable=SC2086 # several flags
        nvcc $flags -M "$source"
    done | tr -s ' \\\n' '\n' | grep -E '/(boost|catch2)/' | sort -u >"$work/headers"
    while read -r header; do
        name=$(printf '%s\n' "$header" | sed -E 's,^.*/((boost|catch2)/.*)$,\1,')
        mkdir -p "$work/include/$(dirname "$name")"
        cp "$header" "$work/include/$name"
    done <"$work/headers"
    echo "$(wc -l <"$work/headers") headers in $work/include"
    exit 0
fi

compile() { # compile SOURCE OPTIMISATION: one line with what was said, if anything, and how long it took
    begin=$(date +%s)
    object=$work/$(basename "$1").o
    # shellcheck disable=SC2086
    if nvcc $flags "$2" "-gencode=arch=$(echo "$arch" | sed s/sm_/compute_/),code=$arch" -c "$1" -o "$object.new"; then
        mv "$object.new" "$object"
        echo "compiled $1 in $(($(date +%s) - begin)) s"
    else
        rm -f "$object"
        echo "$1 does not compile"
    fi
}
build() {
    compile tests/main.cpp -O1 &
    compile tests/cuda/operations.cu -O1 &
    compile tests/cuda/models.cu -O1 &
    compile tests/cuda/laws.cu -O1 &
    compile bench/cuda/llama.cu -O2 &
    compile bench/cuda/smollm2.cu -O2 &
    wait
    nvcc "$work/operations.cu.o" "$work/models.cu.o" "$work/laws.cu.o" "$work/main.cpp.o" -lcublasLt -o "$work/test_cuda"
    nvcc "$work/operations.cu.o" "$work/models.cu.o" "$work/main.cpp.o" -lcublasLt -o "$work/test_cuda_short"
    nvcc "$work/llama.cu.o" -lcublasLt -o "$work/bench_llama"
    nvcc "$work/smollm2.cu.o" -lcublasLt -o "$work/bench_smollm2"
}

failed=
must() { # must NAME COMMAND...: runs it, and remembers where it failed
    name=$1
    shift
    printf '\n== %s\n' "$name"
    "$@" || failed="$failed, $name ($?)"
}
everything() {
    date -u
    nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv,noheader
    nvcc --version | tail -n 1
    must tests sh tests/cuda/run.sh "$work/test_cuda"
    must SmolLM2 "$work/bench_smollm2"
    must Llama-7B "$work/bench_llama"
    for tool in memcheck racecheck initcheck; do
        must "$tool" compute-sanitizer --tool "$tool" --error-exitcode 9 "$work/${GPU_SANITIZE:-test_cuda_short}"
    done
    if [ -n "$failed" ]; then
        printf '\nfailed: %s\n' "${failed#, }"
        return 1
    fi
    printf '\nall passed\n'
}

build
if [ "${1:-}" = build ]; then
    exit 0
fi
status=$work/status # of what stands before the pipe
{
    everything && echo 0 >"$status" || echo 1 >"$status"
} 2>&1 | tee "$work/figures.txt"
exit "$(cat "$status")"
