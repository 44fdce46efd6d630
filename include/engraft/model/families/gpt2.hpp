#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <engraft/model/derived_tensor.hpp>
#include <engraft/model/stored_map.hpp>
#include <engraft/model/weights.hpp>

/// GPT-2 (Radford et al. 2019): layer norms, learned positions, biases, matrices stored as [in, out], and queries, keys
/// and values side by side in one of them. Names may stand with or without the prefix "transformer.".
namespace engraft::families {

struct gpt2 {
    template <class Weights, class Reader>
    static Weights read(description const& d, Reader& read) {
        using block = typename Weights::block;
        std::string const root = read.contains("transformer.wte.weight") ? "transformer." : "";
        int const width = d.d_model, all_heads = d.heads * d.d_head;
        auto const norm = [&](std::string const& name) {
            return typename block::norm{read.vector(name + ".weight", width), read.vector(name + ".bias", width)};
        };
        auto const linear = [&](std::string const& name, int out, int in, std::vector<int> rows = {}) {
            return read.linear({.weight = name + ".weight",
                                .bias = name + ".bias",
                                .out = out,
                                .in = in,
                                .transposed = true,
                                .rows = std::move(rows)});
        };
        Weights w;
        if (!(d.tied_unembedding && Weights::shares_tied_embedding))
            w.embedding = read.table(root + "wte.weight", d.vocab, width);
        w.position_embedding = read.table(root + "wpe.weight", d.positions, width);
        for (int layer = 0; layer < d.layers; ++layer) {
            std::string const at = root + "h." + std::to_string(layer) + ".";
            block b;
            b.norm1 = norm(at + "ln_1");
            b.q = linear(at + "attn.c_attn", 3 * all_heads, width, row_range(0, all_heads));
            b.k = linear(at + "attn.c_attn", 3 * all_heads, width, row_range(all_heads, all_heads));
            b.v = linear(at + "attn.c_attn", 3 * all_heads, width, row_range(2 * all_heads, all_heads));
            b.o = linear(at + "attn.c_proj", width, all_heads);
            b.norm2 = norm(at + "ln_2");
            b.up = linear(at + "mlp.c_fc", d.d_mlp, width);
            b.down = linear(at + "mlp.c_proj", width, d.d_mlp);
            w.blocks.push_back(std::move(b));
        }
        w.final_norm = norm(root + "ln_f");
        w.unembedding = read.linear({.weight = d.tied_unembedding ? root + "wte.weight" : "lm_head.weight",
                                     .out = output_vocab(d),
                                     .in = width});
        return w;
    }

    /// Causal masks, which old checkpoints carry, and the unembedding where it is the embedding.
    static derived_tensor derived(description const& d, std::string_view name) {
        using content = derived_tensor::content;
        if (name.ends_with(".attn.bias"))
            return {content::causal_mask};
        if (name.ends_with(".attn.masked_bias"))
            return {content::masked_score};
        if (d.tied_unembedding && name == "lm_head.weight")
            return {content::copy, "wte.weight"};
        return {};
    }
};

} // namespace engraft::families
