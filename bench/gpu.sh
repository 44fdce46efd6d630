#!/bin/sh
# On a machine with a GPU and CUDA 13, without network: compiles the CUDA backend's tests and benchmarks, runs the tests, runs
# them again under compute-sanitizer, and measures. What the GPU's steps print is also in build/gpu/figures.txt. It needs nvcc, g++, and
# headers of Boost.Hana and Catch2, which `gpu.sh pack` copies into build/gpu/include on a machine that has them.
# usage: gpu.sh [STEP...]  these steps, or all but pack; exit code 0 when everything passed, 77 where there is no GPU
#   pack       the headers, to be taken along with the sources
#   build      compiles, and runs nothing
#   tests      runs the tests
#   smollm2    measures in SmolLM2's shape
#   llama      measures in Llama-7B's
#   memcheck, racecheck, initcheck   the tests under compute-sanitizer
# Where there is a GPU for minutes only, take them one by one: what is built stays, and figures.txt grows.
# GPU_ARCHITECTURE: what is compiled for (sm_90: H100, H200). GPU_JOBS: how many sources at a time. GPU_PROMPTS: how many prompts
# the benchmarks take, if not as many as they would. GPU_SANITIZE: the program that compute-sanitizer runs, test_cuda_short, which
# leaves out the laws of many compositions, or test_cuda; GPU_SECONDS: how long it may at most, each time (124: it was not done).
set -eu
cd "$(dirname "$0")/.."
work=build/gpu
mkdir -p "$work"
arch=${GPU_ARCHITECTURE:-sm_90}
flags="-std=c++20 -DENGRAFT_COMPILED -Iinclude -Itests"
if [ -d "$work/include" ]; then
    flags="$flags -isystem $work/include"
fi

if ! command -v nvcc >/dev/null; then
    echo "nvcc is not on the PATH: CUDA 12 or later is needed to compile" >&2
    exit 1
fi

pack() {
    rm -rf "$work/include"
    for source in tests/cuda/operations.cu tests/cuda/models.cu tests/cuda/laws.cu bench/cuda/llama.cu tests/main.cpp; do
        # shellcheck disable=SC2086 # several flags
        nvcc $flags -M "$source"
    done | tr -s ' \\\n' '\n' | grep -E '/(boost|catch2)/' | sort -u >"$work/headers"
    while read -r header; do
        name=$(printf '%s\n' "$header" | sed -E 's,^.*/((boost|catch2)/.*)$,\1,')
        mkdir -p "$work/include/$(dirname "$name")"
        cp "$header" "$work/include/$name"
    done <"$work/headers"
    echo "$(wc -l <"$work/headers") headers in $work/include"
}

if [ "${1:-}" = compile ]; then # compile SOURCE OPTIMISATION: one line with how long it took, or that it does not
    begin=$(date +%s)
    object=$work/$(basename "$2").o
    # shellcheck disable=SC2086
    if nvcc $flags "$3" "-gencode=arch=$(echo "$arch" | sed s/sm_/compute_/),code=$arch" -c "$2" -o "$object.new"; then
        mv "$object.new" "$object"
        echo "compiled $2 in $(($(date +%s) - begin)) s"
        exit 0
    fi
    rm -f "$object"
    echo "$2 does not compile"
    exit 1
fi
build() {
    xargs -n 2 -P "${GPU_JOBS:-$(nproc)}" sh bench/gpu.sh compile <<'sources' || exit 1
bench/cuda/llama.cu -O2
bench/cuda/smollm2.cu -O2
tests/cuda/laws.cu -O1
tests/cuda/models.cu -O1
tests/cuda/operations.cu -O1
tests/cuda/exact/gradients.cpp -O1
include/engraft/engine.cpp -O2
tests/main.cpp -O1
sources
    tests="$work/operations.cu.o $work/models.cu.o $work/gradients.cpp.o $work/main.cpp.o $work/engine.cpp.o"
    # shellcheck disable=SC2086
    nvcc $tests "$work/laws.cu.o" -lcublasLt -o "$work/test_cuda"
    # shellcheck disable=SC2086
    nvcc $tests -lcublasLt -o "$work/test_cuda_short"
    nvcc "$work/llama.cu.o" "$work/engine.cpp.o" -lcublasLt -o "$work/bench_llama"
    nvcc "$work/smollm2.cu.o" "$work/engine.cpp.o" -lcublasLt -o "$work/bench_smollm2"
}

failed=
must() { # must NAME COMMAND...: runs it, and remembers where it failed
    name=$1
    shift
    printf '\n== %s\n' "$name"
    "$@" || failed="$failed, $name ($?)"
}
sanitize() { # sanitize TOOL [OPTION...]: the tests, or those that $cases names
    must "$1" timeout "${GPU_SECONDS:-1800}" compute-sanitizer --tool "$@" --error-exitcode 9 \
        "$work/${GPU_SANITIZE:-test_cuda_short}" ${cases:+"$cases"}
}
run_steps() {
    date -u
    nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv,noheader
    nvcc --version | tail -n 1
    for step; do
        case $step in
        tests) must tests sh tests/cuda/run.sh "$work/test_cuda" ;;
        smollm2) must SmolLM2 "$work/bench_smollm2" ${GPU_PROMPTS:+"$GPU_PROMPTS"} ;;
        llama) must Llama-7B "$work/bench_llama" ${GPU_PROMPTS:+"$GPU_PROMPTS"} ;;
        memcheck) sanitize memcheck ;;
        # Of engraft's kernels these have shared memory; cuBLASLt's are not ours to judge.
        racecheck) sanitize racecheck --kernel-name kns=run_each_block ;;
        # In fp32 only: sanitizers before 2025.4 do not know what bulk copies have stored, by which cuBLASLt writes else.
        initcheck) cases='*fp32*,a functor*,gradients of*,masks are*' sanitize initcheck ;;
        esac
    done
    if [ -n "$failed" ]; then
        printf '\nfailed: %s\n' "${failed#, }"
        return 1
    fi
    printf '\nall passed\n'
}

if [ $# = 0 ]; then
    set -- build tests smollm2 llama memcheck racecheck initcheck
fi
on_gpu=
for step; do
    case $step in
    pack | build) ;;
    tests | smollm2 | llama | memcheck | racecheck | initcheck) on_gpu="$on_gpu $step" ;;
    *)
        echo "there is no step $step: pack, build, tests, smollm2, llama, memcheck, racecheck and initcheck are those there are" >&2
        exit 2
        ;;
    esac
done
if [ -n "$on_gpu" ] && ! nvidia-smi -L >/dev/null 2>&1; then
    echo "there is no GPU here (nvidia-smi lists none), so nothing was compiled or run; \`gpu.sh build\` compiles" >&2
    exit 77
fi
for step; do
    case $step in
    pack | build) $step ;;
    esac
done
if [ -z "$on_gpu" ]; then
    exit 0
fi
status=$work/status # of what stands before the pipe
{
    # shellcheck disable=SC2086 # several steps
    run_steps $on_gpu && echo 0 >"$status" || echo 1 >"$status"
} 2>&1 | tee -a "$work/figures.txt"
exit "$(cat "$status")"
