#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace engraft {

/// Text that can stand in a template argument; at most 47 characters are kept.
struct short_text {
    char characters[48]{};

    constexpr short_text() = default;
    constexpr short_text(char const* text) : short_text(std::string_view(text)) {}
    constexpr short_text(std::string_view text) {
        for (std::size_t i = 0; i < text.size() && i + 1 < sizeof(characters); ++i) characters[i] = text[i];
    }
    constexpr operator std::string_view() const { return characters; }
    friend constexpr bool operator==(short_text const&, short_text const&) = default;
};

/// How a checkpoint names and lays out its tensors (model/families/).
enum class family { llama };
enum class norm { rms };
enum class position { rope };
enum class mlp { gated_silu };

/// Frequencies of rotary embedding for contexts longer than the trained one.
enum class rope_scaling { none, llama3 };

/// Compile-time facts of an architecture. A structural aggregate, so that `model<llama_7b>` is a type: two models of
/// one description have the same hook points, and those of different descriptions are told apart by the compiler.
/// Numbers have the values, and most fields the meaning, of the checkpoint's config.json.
struct description {
    short_text name{};
    engraft::family family = family::llama;

    int layers = 0;
    int d_model = 0;
    int heads = 0;    ///< query heads
    int kv_heads = 0; ///< key/value heads; a divisor of `heads`, equal to it without grouped-query attention
    int d_head = 0;
    int d_mlp = 0;
    int vocab = 0;

    engraft::norm norm = norm::rms;
    double norm_eps = 1e-5;

    engraft::position position = position::rope;
    double rope_theta = 10000;
    engraft::rope_scaling rope_scaling = rope_scaling::none;
    double rope_factor = 1;
    double rope_low_freq_factor = 1;
    double rope_high_freq_factor = 4;
    int rope_original_context = 0;

    engraft::mlp mlp = mlp::gated_silu;
    bool tied_unembedding = false;

    friend constexpr bool operator==(description const&, description const&) = default;
};

/// Whether the numbers of a description fit together; the reason is empty when they do.
constexpr std::string_view what_is_wrong(description const& d) {
    if (std::min({d.layers, d.d_model, d.heads, d.kv_heads, d.d_head, d.d_mlp, d.vocab}) <= 0)
        return "layers, d_model, heads, kv_heads, d_head, d_mlp and vocab must all be positive";
    if (d.heads % d.kv_heads != 0) return "kv_heads must divide heads";
    if (d.position == position::rope && d.d_head % 2 != 0) return "rotary embedding needs an even d_head";
    return {};
}

constexpr bool well_formed(description const& d) { return what_is_wrong(d).empty(); }

} // namespace engraft
