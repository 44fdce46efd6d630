#pragma once

#include <charconv>
#include <string>
#include <string_view>
#include <utility>

#include <engraft/model/derived_tensor.hpp>
#include <engraft/model/stored_map.hpp>
#include <engraft/model/weights.hpp>

/// State dicts of TransformerLens' HookedTransformer (Nanda and Bloom 2022): maps stored as [in, out], those of heads
/// as [heads, in, d_head], and all of them with biases. Norms that only centre and scale get gains of 1 and biases of
/// 0.
namespace engraft::families {

struct hooked_transformer {
    template <class Weights, class Reader>
    static Weights read(description const& d, Reader& read) {
        using norm_weights = typename Weights::block::norm;
        auto const norm = [&](std::string const& name) {
            norm_weights w;
            if (d.norm == norm::none)
                return w;
            w.gain = d.norm_gain ? read.vector(name + ".w", d.d_model) : read.constant(d.d_model, 1);
            if (d.norm == norm::layer)
                w.bias = d.norm_gain ? read.vector(name + ".b", d.d_model) : read.constant(d.d_model, 0);
            return w;
        };
        auto const linear = [&](std::string const& at, char const* name, int out, int in) {
            return read.linear(
                {.weight = at + "W_" + name, .bias = at + "b_" + name, .out = out, .in = in, .transposed = true});
        };
        Weights w;
        w.embedding = read.table("embed.W_E", d.vocab, d.d_model);
        if (d.position == position::learned)
            w.position_embedding = read.table("pos_embed.W_pos", d.positions, d.d_model);
        for (int layer = 0; layer < d.layers; ++layer) {
            std::string const at = "blocks." + std::to_string(layer) + ".";
            auto const of_heads = [&](char const* name) {
                return read.linear({.weight = at + "attn.W_" + name,
                                    .bias = at + "attn.b_" + name,
                                    .out = d.heads * d.d_head,
                                    .in = d.d_model,
                                    .out_heads = d.heads});
            };
            typename Weights::block b;
            b.norm1 = norm(at + "ln1");
            b.q = of_heads("Q");
            b.k = of_heads("K");
            b.v = of_heads("V");
            b.o = read.linear({.weight = at + "attn.W_O",
                               .bias = at + "attn.b_O",
                               .out = d.d_model,
                               .in = d.heads * d.d_head,
                               .in_heads = d.heads});
            if (d.mlp != mlp::none) {
                b.norm2 = norm(at + "ln2");
                b.up = linear(at + "mlp.", "in", d.d_mlp, d.d_model);
                b.down = linear(at + "mlp.", "out", d.d_model, d.d_mlp);
            }
            w.blocks.push_back(std::move(b));
        }
        w.final_norm = norm("ln_final");
        w.unembedding = linear("unembed.", "U", output_vocab(d), d.d_model);
        return w;
    }

    /// Buffers, which a state dict has beside the parameters. A mask has no future in it whatever the direction is.
    static derived_tensor derived(description const& d, std::string_view name) {
        using content = derived_tensor::content;
        if (name.ends_with(".attn.mask"))
            return {.holds = content::causal_mask, .window = has_window(d, layer_of(name)) ? d.window : 0};
        if (name.ends_with(".attn.IGNORE"))
            return {content::masked_score};
        if (d.position == position::rope && name.ends_with(".attn.rotary_cos"))
            return {content::cosines};
        if (d.position == position::rope && name.ends_with(".attn.rotary_sin"))
            return {content::sines};
        return {};
    }

private:
    /// "blocks.3.attn.mask": 3
    static int layer_of(std::string_view name) {
        int layer = 0;
        name.remove_prefix(name.find('.') + 1);
        std::from_chars(name.data(), name.data() + name.size(), layer);
        return layer;
    }
};

} // namespace engraft::families
