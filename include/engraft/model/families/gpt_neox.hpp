#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <engraft/model/derived_tensor.hpp>
#include <engraft/model/stored_map.hpp>
#include <engraft/model/weights.hpp>

/// GPT-NeoX (Black et al. 2022) and Pythia: layer norms, rotary embedding of a part of each head, biases, a parallel
/// residual; queries, keys and values of a head stand together in one matrix, [heads, 3, d_head].
namespace engraft::families {

struct gpt_neox {
    template <class Weights, class Reader>
    static Weights read(description const& d, Reader& read) {
        using block = typename Weights::block;
        int const width = d.d_model, all_heads = d.heads * d.d_head;
        auto const norm = [&](std::string const& name) {
            return typename block::norm{read.vector(name + ".weight", width), read.vector(name + ".bias", width)};
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
            for (int head = 0; head < d.heads; ++head)
                for (int i = 0; i < d.d_head; ++i)
                    rows.push_back((head * 3 + which) * d.d_head + i);
            return rows;
        };
        Weights w;
        if (!(d.tied_unembedding && Weights::shares_tied_embedding))
            w.embedding = read.table("gpt_neox.embed_in.weight", d.vocab, width);
        for (int layer = 0; layer < d.layers; ++layer) {
            std::string const at = "gpt_neox.layers." + std::to_string(layer) + ".";
            block b;
            b.norm1 = norm(at + "input_layernorm");
            b.q = linear(at + "attention.query_key_value", 3 * all_heads, width, d.qkv_bias, third(0));
            b.k = linear(at + "attention.query_key_value", 3 * all_heads, width, d.qkv_bias, third(1));
            b.v = linear(at + "attention.query_key_value", 3 * all_heads, width, d.qkv_bias, third(2));
            b.o = linear(at + "attention.dense", width, all_heads, d.out_bias);
            b.norm2 = norm(at + "post_attention_layernorm");
            b.up = linear(at + "mlp.dense_h_to_4h", d.d_mlp, width, d.mlp_bias);
            b.down = linear(at + "mlp.dense_4h_to_h", width, d.d_mlp, d.mlp_bias);
            w.blocks.push_back(std::move(b));
        }
        w.final_norm = norm("gpt_neox.final_layer_norm");
        w.unembedding = read.linear({.weight = d.tied_unembedding ? "gpt_neox.embed_in.weight" : "embed_out.weight",
                                     .out = output_vocab(d),
                                     .in = width});
        return w;
    }

    /// Causal masks and frequencies, which old checkpoints carry, and the unembedding where it is the embedding.
    static derived_tensor derived(description const& d, std::string_view name) {
        using content = derived_tensor::content;
        if (name.ends_with(".attention.bias"))
            return {content::causal_mask};
        if (name.ends_with(".attention.masked_bias"))
            return {content::masked_score};
        if (name.ends_with(".rotary_emb.inv_freq"))
            return {content::frequencies};
        if (d.tied_unembedding && name == "embed_out.weight")
            return {content::copy, "gpt_neox.embed_in.weight"};
        return {};
    }
};

} // namespace engraft::families
