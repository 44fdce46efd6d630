#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <engraft/model/stored_map.hpp>
#include <engraft/model/weights.hpp>

/// GPT-NeoX (Black et al. 2022) and Pythia: layer norms, rotary embedding of a part of each head, biases, a parallel
/// residual; queries, keys and values of a head stand together in one matrix, [heads, 3, d_head].
namespace engraft::families {

struct gpt_neox {
    template <description D, class Backend, class Reader>
    static weights<D, Backend> read(Reader& read) {
        using block = block_weights<D, Backend>;
        constexpr int d = D.d_model, all_heads = D.heads * D.d_head;
        auto const norm = [&](std::string const& name) {
            return typename block::norm{read.vector(name + ".weight", d), read.vector(name + ".bias", d)};
        };
        auto const linear = [&](std::string const& name, int out, int in, bool bias, std::vector<int> rows = {}) {
            return read.linear({.weight = name + ".weight",
                                .bias = bias ? name + ".bias" : "",
                                .out = out,
                                .in = in,
                                .rows = std::move(rows)});
        };
        auto const third = [&](int which) {
            std::vector<int> rows;
            for (int head = 0; head < D.heads; ++head)
                for (int i = 0; i < D.d_head; ++i)
                    rows.push_back((head * 3 + which) * D.d_head + i);
            return rows;
        };
        weights<D, Backend> w;
        w.embedding = read.table("gpt_neox.embed_in.weight", D.vocab, d);
        for (int layer = 0; layer < D.layers; ++layer) {
            std::string const at = "gpt_neox.layers." + std::to_string(layer) + ".";
            block b;
            b.norm1 = norm(at + "input_layernorm");
            b.q = linear(at + "attention.query_key_value", 3 * all_heads, d, D.qkv_bias, third(0));
            b.k = linear(at + "attention.query_key_value", 3 * all_heads, d, D.qkv_bias, third(1));
            b.v = linear(at + "attention.query_key_value", 3 * all_heads, d, D.qkv_bias, third(2));
            b.o = linear(at + "attention.dense", d, all_heads, D.out_bias);
            b.norm2 = norm(at + "post_attention_layernorm");
            b.up = linear(at + "mlp.dense_h_to_4h", D.d_mlp, d, D.mlp_bias);
            b.down = linear(at + "mlp.dense_4h_to_h", d, D.d_mlp, D.mlp_bias);
            w.blocks.push_back(std::move(b));
        }
        w.final_norm = norm("gpt_neox.final_layer_norm");
        w.unembedding = read.linear(
            {.weight = D.tied_unembedding ? "gpt_neox.embed_in.weight" : "embed_out.weight", .out = D.vocab, .in = d});
        return w;
    }

    /// Causal masks and frequencies, which old checkpoints carry, and the unembedding where it is the embedding.
    template <description D>
    static bool derived(std::string_view name) {
        return name.ends_with(".attention.bias") || name.ends_with(".attention.masked_bias") ||
               name.ends_with(".rotary_emb.inv_freq") || (D.tied_unembedding && name == "embed_out.weight");
    }
};

} // namespace engraft::families
