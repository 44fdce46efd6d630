#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <engraft/model/derived_tensor.hpp>
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
    template <class Weights, class Reader>
    static Weights read(description const& d, Reader& read) {
        using block = typename Weights::block;
        auto const norm = [&](std::string const& name, int n) {
            return typename block::norm{d.family == family::gemma2 ? read.vector_plus_one(name + ".weight", n)
                                                                   : read.vector(name + ".weight", n),
                                        {}};
        };
        auto const linear = [&](std::string const& name, int out, int in, bool bias) {
            return read.linear({.weight = name + ".weight", .bias = bias ? name + ".bias" : "", .out = out, .in = in});
        };
        Weights w;
        if (!(d.tied_unembedding && Weights::shares_tied_embedding))
            w.embedding = read.table("model.embed_tokens.weight", d.vocab, d.d_model);
        for (int layer = 0; layer < d.layers; ++layer) {
            std::string const at = "model.layers." + std::to_string(layer) + ".";
            block b;
            b.norm1 = norm(at + "input_layernorm", d.d_model);
            b.q = linear(at + "self_attn.q_proj", d.heads * d.d_head, d.d_model, d.qkv_bias);
            b.k = linear(at + "self_attn.k_proj", d.kv_heads * d.d_head, d.d_model, d.qkv_bias);
            b.v = linear(at + "self_attn.v_proj", d.kv_heads * d.d_head, d.d_model, d.qkv_bias);
            if (d.qk_norm) {
                b.q_norm = norm(at + "self_attn.q_norm", d.d_head);
                b.k_norm = norm(at + "self_attn.k_norm", d.d_head);
            }
            b.o = linear(at + "self_attn.o_proj", d.d_model, d.heads * d.d_head, d.out_bias);
            if (d.post_norms) {
                b.attn_out_norm = norm(at + "post_attention_layernorm", d.d_model);
                b.norm2 = norm(at + "pre_feedforward_layernorm", d.d_model);
                b.mlp_out_norm = norm(at + "post_feedforward_layernorm", d.d_model);
            } else {
                b.norm2 = norm(at + "post_attention_layernorm", d.d_model);
            }
            b.gate = linear(at + "mlp.gate_proj", d.d_mlp, d.d_model, d.mlp_bias);
            b.up = linear(at + "mlp.up_proj", d.d_mlp, d.d_model, d.mlp_bias);
            b.down = linear(at + "mlp.down_proj", d.d_model, d.d_mlp, d.mlp_bias);
            w.blocks.push_back(std::move(b));
        }
        w.final_norm = norm("model.norm", d.d_model);
        w.unembedding = linear(d.tied_unembedding ? "model.embed_tokens" : "lm_head", d.vocab, d.d_model, false);
        return w;
    }

    /// Tensors that checkpoints carry though they follow from the config or from other tensors.
    static derived_tensor derived(description const& d, std::string_view name) {
        using content = derived_tensor::content;
        if (name.ends_with(".rotary_emb.inv_freq"))
            return {content::frequencies};
        if (d.tied_unembedding && name == "lm_head.weight")
            return {content::copy, "model.embed_tokens.weight"};
        return {};
    }
};

} // namespace engraft::families
