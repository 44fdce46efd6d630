#!/bin/sh
# Weights that are loaded take less than 1.3 times their own size, for models large enough that nothing else counts.
# usage: load.sh DESCRIBE
set -eu
describe=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# checkpoint FOLDER DTYPE BYTES: lines "name size size" on standard input become a safetensors file of zeros, which takes
# no space on the disk.
checkpoint() {
    awk -v dtype="$2" -v bytes="$3" '
        BEGIN { printf "{" }
        {
            n = $2 * (NF > 2 ? $3 : 1) * bytes
            printf "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%d,%d]}", (NR > 1 ? "," : ""), $1, dtype,
                   (NF > 2 ? $2 "," $3 : $2), at, at + n
            at += n
        }
        END { printf "}\n" >"/dev/stdout"; print at >total }' total="$work/total" >"$work/header"
    length=$(wc -c <"$work/header")
    { # eight bytes of length, the lowest first
        printf "\\$(printf %o $((length % 256)))\\$(printf %o $((length / 256)))\\0\\0\\0\\0\\0\\0"
        cat "$work/header"
    } >"$1/model.safetensors"
    truncate -s $((8 + length + $(cat "$work/total"))) "$1/model.safetensors"
}
must_fit() { # must_fit FOLDER LEAST MOST: the range of the ratio
    "$describe" "$1" --load --json "$work/json"
    ratio=$(sed -n 's/^ *"ratio": *\([0-9.]*\).*/\1/p' "$work/json")
    awk -v r="$ratio" -v least="$2" -v most="$3" 'BEGIN { exit !(r >= least && r < most) }' ||
        { echo "$1: the weights take $ratio times their size, not $2 to $3"; exit 1; }
}

llama() { # llama DTYPE BYTES TIED FOLDER
    mkdir "$work/$4"
    cat >"$work/$4/config.json" <<END
{"model_type": "llama", "hidden_size": 512, "num_hidden_layers": 4, "num_attention_heads": 8, "intermediate_size": 1536,
 "vocab_size": 10000, "torch_dtype": "float32", "tie_word_embeddings": $3}
END
    {
        echo model.embed_tokens.weight 10000 512
        [ "$3" = true ] || echo lm_head.weight 10000 512
        echo model.norm.weight 512
        for layer in 0 1 2 3; do
            at=model.layers.$layer
            for map in q k v o; do echo "$at.self_attn.${map}_proj.weight 512 512"; done
            echo "$at.mlp.gate_proj.weight 1536 512"
            echo "$at.mlp.up_proj.weight 1536 512"
            echo "$at.mlp.down_proj.weight 512 1536"
            echo "$at.input_layernorm.weight 512"
            echo "$at.post_attention_layernorm.weight 512"
        done
    } | checkpoint "$work/$4" "$1" "$2"
}
gpt2() { # gpt2 FOLDER: maps that are stored transposed and side by side
    mkdir "$work/$1"
    cat >"$work/$1/config.json" <<END
{"model_type": "gpt2", "n_embd": 768, "n_layer": 4, "n_head": 12, "vocab_size": 5000, "n_positions": 256}
END
    {
        echo wte.weight 5000 768
        echo wpe.weight 256 768
        printf 'ln_f.weight 768\nln_f.bias 768\n'
        for layer in 0 1 2 3; do
            printf "h.$layer.%s\n" "ln_1.weight 768" "ln_1.bias 768" "ln_2.weight 768" "ln_2.bias 768" \
                "attn.c_attn.weight 768 2304" "attn.c_attn.bias 2304" "attn.c_proj.weight 768 768" "attn.c_proj.bias 768" \
                "mlp.c_fc.weight 768 3072" "mlp.c_fc.bias 3072" "mlp.c_proj.weight 3072 768" "mlp.c_proj.bias 768"
        done
    } | checkpoint "$work/$1" F32 4
}

llama F32 4 false fp32
must_fit "$work/fp32" 0.95 1.3
llama BF16 2 false bf16
must_fit "$work/bf16" 0.95 1.3
llama F32 4 true tied
must_fit "$work/tied" 0.95 1.3
gpt2 gpt2
must_fit "$work/gpt2" 0.95 1.3
