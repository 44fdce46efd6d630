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
        for (std::size_t i = 0; i < text.size() && i + 1 < sizeof(characters); ++i)
            characters[i] = text[i];
    }
    constexpr operator std::string_view() const { return characters; }
    friend constexpr bool operator==(short_text const&, short_text const&) = default;
};

/// How a checkpoint names and lays out its tensors (model/families/).
enum class family { llama, mistral, qwen2, qwen3, gemma2, gpt2, gpt_neox };
enum class norm {
    rms,  ///< x / sqrt(mean(x^2) + eps) * gain
    layer ///< (x - mean(x)) / sqrt(var(x) + eps) * gain + bias
};
enum class position {
    rope,   ///< rotary embedding of queries and keys
    learned ///< one vector per position, added to the token embedding
};
enum class mlp {
    gated_silu,      ///< silu(gate) * up
    gated_gelu_tanh, ///< gelu_tanh(gate) * up
    gelu,            ///< gelu(up), with the error function
    gelu_tanh        ///< gelu(up), with the tanh approximation ("gelu_new")
};
enum class residual {
    sequential, ///< the MLP reads the stream with attention's output in it
    parallel    ///< attention and MLP both read the block's input; there is no `resid_mid`
};

/// Frequencies of rotary embedding for contexts longer than the trained one.
enum class rope_scaling { none, llama3 };

constexpr bool is_gated(mlp m) { return m == mlp::gated_silu || m == mlp::gated_gelu_tanh; }

/// Compile-time facts of an architecture. A structural aggregate, so that `model<llama_7b>` is a type: two models of
/// one description have the same hook points, and those of different descriptions are told apart by the compiler.
/// Numbers have the values, and most fields the meaning, of the checkpoint's config.json. What is not named is off.
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
    bool qk_norm = false;    ///< queries and keys of each head pass an RMS norm before rotary embedding
    bool post_norms = false; ///< attention's and the MLP's output pass a norm before they are added to the stream

    engraft::position position = position::rope;
    int positions = 0; ///< of a learned table; 0 with rotary embedding
    int d_rotary = 0;  ///< leading elements of a head that are rotated; 0 means all
    double rope_theta = 10000;
    engraft::rope_scaling rope_scaling = rope_scaling::none;
    double rope_factor = 1;
    double rope_low_freq_factor = 1;
    double rope_high_freq_factor = 4;
    int rope_original_context = 0;

    int window = 0;                ///< a query sees this many positions, its own included; 0 means all before it
    int window_every = 1;          ///< layers 0, n, 2n, ... have the window, the others see everything
    double attention_scalar = 0;   ///< scores are divided by its root; 0 means d_head
    double attention_softcap = 0;  ///< c: scores become c tanh(scores / c); 0 means they stay
    double final_softcap = 0;      ///< the same for the logits
    bool scaled_embedding = false; ///< token embeddings are multiplied by sqrt(d_model)

    engraft::mlp mlp = mlp::gated_silu;
    engraft::residual residual = residual::sequential;
    bool qkv_bias = false;
    bool out_bias = false; ///< of attention's output projection
    bool mlp_bias = false;
    bool tied_unembedding = false;

    friend constexpr bool operator==(description const&, description const&) = default;
};

/// Elements of a head that rotary embedding turns.
constexpr int rotary_width(description const& d) { return d.d_rotary > 0 ? d.d_rotary : d.d_head; }

/// Whether the numbers of a description fit together; the reason is empty when they do.
constexpr std::string_view what_is_wrong(description const& d) {
    if (std::min({d.layers, d.d_model, d.heads, d.kv_heads, d.d_head, d.d_mlp, d.vocab}) <= 0)
        return "layers, d_model, heads, kv_heads, d_head, d_mlp and vocab must all be positive";
    if (d.heads % d.kv_heads != 0)
        return "kv_heads must divide heads";
    if (d.position == position::rope && (d.d_rotary < 0 || d.d_rotary > d.d_head || rotary_width(d) % 2 != 0))
        return "rotary embedding needs an even number of rotated elements, at most d_head";
    if (d.position == position::learned && d.positions <= 0)
        return "learned positions need the size of their table";
    if (d.window < 0 || d.window_every < 1)
        return "window must not be negative, and window_every at least 1";
    return {};
}

constexpr bool well_formed(description const& d) { return what_is_wrong(d).empty(); }

} // namespace engraft
