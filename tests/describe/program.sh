#!/bin/sh
# What describe prints and refuses.
# usage: program.sh DESCRIBE GOLDEN_DATA
set -eu
describe=$1
data=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

must_be() { # must_be WHAT FILE, with the expected text on standard input
    diff -u - "$2" || { echo "$1 is not as expected"; exit 1; }
}
must_refuse() { # must_refuse WORDS ARGUMENTS...: exit code 2 and one sentence with these words
    words=$1
    shift
    code=0
    "$describe" "$@" >"$work/out" 2>"$work/said" || code=$?
    if [ $code -ne 2 ] || [ -s "$work/out" ] || [ "$(wc -l <"$work/said")" -ne 1 ] || ! grep -qF -- "$words" "$work/said"; then
        echo "exit code $code; not refused with \"$words\":"
        cat "$work/said"
        exit 1
    fi
}

"$describe" "$data/mistral" --name m7 --json "$work/json" >"$work/out"
must_be "the description" "$work/out" <<'END'
inline constexpr engraft::description m7{
    .name = "m7",
    .family = engraft::family::mistral,
    .layers = 3,
    .d_model = 16,
    .heads = 4,
    .kv_heads = 2,
    .d_head = 6,
    .d_mlp = 20,
    .vocab = 43,
    .rope_theta = 1000,
    .window = 4,
};
END
head -n 6 "$work/json" >"$work/first"
must_be "the JSON" "$work/first" <<'END'
{
  "name": "m7",
  "family": "mistral",
  "layers": 3,
  "d_model": 16,
  "heads": 4,
END
"$describe" "$data/qwen3/config.json" | grep -qx '    .norm_eps = 1e-06,'

mkdir "$work/7 b"
sed 's/"hidden_act": "silu"/"hidden_act": "relu"/' "$data/mistral/config.json" >"$work/7 b/config.json"
must_refuse "unsupported: 'hidden_act' is 'relu'" "$work/7 b"
sed 's/"num_attention_heads"/"rope_scaling": {"rope_type": "dynamic"}, &/' "$data/mistral/config.json" >"$work/7 b/config.json"
must_refuse "'rope_type' is 'dynamic'" "$work/7 b"
cp "$data/mistral/config.json" "$work/7 b"
"$describe" "$work/7 b" | grep -qx 'inline constexpr engraft::description model_7_b{'
must_refuse "'7b' is no name of a variable" "$data/mistral" --name 7b
must_refuse "cannot write" "$data/mistral" --header "$work/none/x.hpp"
must_refuse "no such file" "$work/none"

# --load reads what load<D> reads, and refuses what it refuses.
"$describe" "$data/gemma2" --load | grep -q '35 tensors'
cp "$data/qwen3/model.safetensors" "$work/7 b"
code=0
"$describe" "$work/7 b" --load >"$work/out" 2>"$work/said" || code=$?
[ $code -eq 2 ] && grep -q "model.embed_tokens.weight has the shape" "$work/said"
