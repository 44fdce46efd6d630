#!/bin/sh
# How fast Python tools and engraft do the same sweeps, on this machine, one after the other:
#     sh bench/peers/run.sh [--quick] [OUT]
# prints a table and writes OUT/results.json (OUT: build/peers/results). --quick runs two heads and two prompts, to see that
# everything works and agrees. What can be kept for the next time (virtual environment, model, build) is in the folder
# PEERS_KEEP (build/peers). Needs Python 3.10 or newer with venv and pip, which get some 6 GB from PyPI the first time.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
quick=
out=
for argument; do
    case $argument in
        --quick) quick=--quick ;;
        -*) echo "usage: sh bench/peers/run.sh [--quick] [OUT]" >&2; exit 2 ;;
        *) out=$argument ;;
    esac
done
keep=${PEERS_KEEP:-$root/build/peers}
out=${out:-$keep/results}
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$(nproc)}"
mkdir -p "$keep" "$out"
keep=$(cd "$keep" && pwd) # CMake takes another folder as the start of a relative path

# One environment: the pins of these tools allow it (TransformerLens 4 has no HookedTransformer).
python=$keep/venv-python/bin/python
if ! cmp -s "$here/requirements.txt" "$keep/venv-python/requirements.txt"; then
    echo "installing the Python tools into $keep/venv-python"
    [ -x "$python" ] || python3 -m venv "$keep/venv-python"
    "$python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$keep/venv-python/requirements.txt"
fi

model=$keep/SmolLM2-135M-Instruct
if [ ! -f "$model/complete" ]; then
    sh "$root/cmake/fetch_smollm2.sh" "$keep"
    rm -rf "$model"
    "$python" "$here/convert.py" "$keep/SmolLM2-135M-Instruct.Q4_1.gguf" "$model"
    touch "$model/complete"
fi

cmake -S "$here" -B "$keep/engraft" -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_FLAGS_RELEASE="-O2 -DNDEBUG" -D MODEL="$model" \
    >"$keep/build.log" 2>&1 && cmake --build "$keep/engraft" --target engraft_peer >>"$keep/build.log" 2>&1 || {
    cat "$keep/build.log" >&2
    exit 1
}

rm -f "$out"/*.json
"$python" "$here/work.py" "$model" "$out" $quick
echo "engraft_peer"
"$keep/engraft/engraft_peer" "$model" "$out/work.json" "$out/engraft_peer.json"
for tool in expert hooks nnsight_peer pyvene_peer transformer_lens_peer; do
    echo "$tool"
    timeout 300 "$python" "$here/$tool.py" "$model" "$out" >"$out/$tool.log" 2>&1 || {
        tail -n 20 "$out/$tool.log" >&2
        echo "$tool.py failed; all it said is in $out/$tool.log" >&2
        exit 1
    }
    grep '^  [a-z]*: ' "$out/$tool.log" || true
done
"$python" "$here/table.py" "$out"
