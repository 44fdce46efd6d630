#pragma once

#include <string>

#include <engraft/model/weights.hpp>

/// Llama (Touvron et al. 2023): RMSNorm, rotary embedding, grouped-query attention, SwiGLU, no biases.
namespace engraft::families {

struct llama {
    /// Takes every weight of the model from `read`, which knows checkpoints' tensors by name:
    /// read.vector(name, n), read.table(name, rows, columns) and read.linear(name, out, in).
    template <description D, class Backend, class Reader>
    static weights<D, Backend> read(Reader& read) {
        weights<D, Backend> w;
        w.embedding = read.table("model.embed_tokens.weight", D.vocab, D.d_model);
        for (int layer = 0; layer < D.layers; ++layer) {
            auto const name = [&](char const* part) {
                return "model.layers." + std::to_string(layer) + "." + part + ".weight";
            };
            block_weights<D, Backend> b;
            b.norm1_gain = read.vector(name("input_layernorm"), D.d_model);
            b.q = read.linear(name("self_attn.q_proj"), D.heads * D.d_head, D.d_model);
            b.k = read.linear(name("self_attn.k_proj"), D.kv_heads * D.d_head, D.d_model);
            b.v = read.linear(name("self_attn.v_proj"), D.kv_heads * D.d_head, D.d_model);
            b.o = read.linear(name("self_attn.o_proj"), D.d_model, D.heads * D.d_head);
            b.norm2_gain = read.vector(name("post_attention_layernorm"), D.d_model);
            b.gate = read.linear(name("mlp.gate_proj"), D.d_mlp, D.d_model);
            b.up = read.linear(name("mlp.up_proj"), D.d_mlp, D.d_model);
            b.down = read.linear(name("mlp.down_proj"), D.d_model, D.d_mlp);
            w.blocks.push_back(std::move(b));
        }
        w.final_norm_gain = read.vector("model.norm.weight", D.d_model);
        w.unembedding = D.tied_unembedding ? read.linear("model.embed_tokens.weight", D.vocab, D.d_model)
                                           : read.linear("lm_head.weight", D.vocab, D.d_model);
        return w;
    }

    /// Tensors that old checkpoints carry though they follow from the config.
    static bool derived(std::string_view name) { return name.ends_with(".rotary_emb.inv_freq"); }
};

} // namespace engraft::families
