#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <engraft/model/stored_map.hpp>
#include <engraft/model/weights.hpp>

/// Checkpoints with Llama's names: Llama (Touvron et al. 2023) itself, and Mistral, Qwen2, Qwen3 and Gemma 2, which
/// differ in what the description says (biases, norms, window) and Gemma in how a norm's gain is stored.
///
/// A family takes every weight of its model from `read`, which knows checkpoints' tensors by name:
///   read.vector(name, n)              [n]
///   read.vector_plus_one(name, n)     [n], each element one larger than it is stored
///   read.table(name, rows, columns)   [rows, columns]
///   read.linear(stored_map)           a linear map of the backend
namespace engraft::families {

struct llama {
    template <description D, class Backend, class Reader>
    static weights<D, Backend> read(Reader& read) {
        using block = block_weights<D, Backend>;
        auto const norm = [&](std::string const& name, int n) {
            return typename block::norm{D.family == family::gemma2 ? read.vector_plus_one(name + ".weight", n)
                                                                   : read.vector(name + ".weight", n),
                                        {}};
        };
        auto const linear = [&](std::string const& name, int out, int in, bool bias) {
            return read.linear({.weight = name + ".weight", .bias = bias ? name + ".bias" : "", .out = out, .in = in});
        };
        weights<D, Backend> w;
        w.embedding = read.table("model.embed_tokens.weight", D.vocab, D.d_model);
        for (int layer = 0; layer < D.layers; ++layer) {
            std::string const at = "model.layers." + std::to_string(layer) + ".";
            block b;
            b.norm1 = norm(at + "input_layernorm", D.d_model);
            b.q = linear(at + "self_attn.q_proj", D.heads * D.d_head, D.d_model, D.qkv_bias);
            b.k = linear(at + "self_attn.k_proj", D.kv_heads * D.d_head, D.d_model, D.qkv_bias);
            b.v = linear(at + "self_attn.v_proj", D.kv_heads * D.d_head, D.d_model, D.qkv_bias);
            if constexpr (D.qk_norm) {
                b.q_norm = norm(at + "self_attn.q_norm", D.d_head);
                b.k_norm = norm(at + "self_attn.k_norm", D.d_head);
            }
            b.o = linear(at + "self_attn.o_proj", D.d_model, D.heads * D.d_head, D.out_bias);
            if constexpr (D.post_norms) {
                b.attn_out_norm = norm(at + "post_attention_layernorm", D.d_model);
                b.norm2 = norm(at + "pre_feedforward_layernorm", D.d_model);
                b.mlp_out_norm = norm(at + "post_feedforward_layernorm", D.d_model);
            } else {
                b.norm2 = norm(at + "post_attention_layernorm", D.d_model);
            }
            b.gate = linear(at + "mlp.gate_proj", D.d_mlp, D.d_model, D.mlp_bias);
            b.up = linear(at + "mlp.up_proj", D.d_mlp, D.d_model, D.mlp_bias);
            b.down = linear(at + "mlp.down_proj", D.d_model, D.d_mlp, D.mlp_bias);
            w.blocks.push_back(std::move(b));
        }
        w.final_norm = norm("model.norm", D.d_model);
        w.unembedding = linear(D.tied_unembedding ? "model.embed_tokens" : "lm_head", D.vocab, D.d_model, false);
        return w;
    }

    /// Tensors that checkpoints carry though they follow from the config or from other tensors.
    template <description D>
    static bool derived(std::string_view name) {
        return name.ends_with(".rotary_emb.inv_freq") || (D.tied_unembedding && name == "lm_head.weight");
    }
};

} // namespace engraft::families
