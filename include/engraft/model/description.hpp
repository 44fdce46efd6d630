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

/// Which layers have something: a '1' for each that has it and a '0' for each that has not, repeated as often as the
/// layers need. "1" is all of them, "10" are 0, 2, 4 and so on; at most 128 characters are kept.
struct layer_pattern {
    char marks[129]{};

    constexpr layer_pattern() = default;
    constexpr layer_pattern(char const* text) : layer_pattern(std::string_view(text)) {}
    constexpr layer_pattern(std::string_view text) {
        for (std::size_t i = 0; i < text.size() && i + 1 < sizeof(marks); ++i)
            marks[i] = text[i];
    }
    constexpr operator std::string_view() const { return marks; }
    friend constexpr bool operator==(layer_pattern const&, layer_pattern const&) = default;

    constexpr bool contains(int layer) const {
        std::string_view const all = *this;
        return !all.empty() && all[static_cast<std::size_t>(layer) % all.size()] == '1';
    }
    constexpr bool well_formed() const {
        std::string_view const all = *this;
        return !all.empty() && all.find_first_not_of("01") == all.npos;
    }
};

/// How a checkpoint names and lays out its tensors (model/families/).
enum class family {
    llama,
    mistral,
    qwen2,
    qwen3,
    gemma2,
    gpt2,
    gpt_neox,
    gemma3,
    olmo2,
    phi3,
    mixtral,
    qwen3_moe,
    olmoe,
    hooked_transformer ///< TransformerLens
};
enum class norm {
    rms,   ///< x / sqrt(mean(x^2) + eps) * gain
    layer, ///< (x - mean(x)) / sqrt(var(x) + eps) * gain + bias
    none   ///< x: maps read the stream itself, the unembedding too
};
enum class position {
    rope,   ///< rotary embedding of queries and keys
    learned ///< one vector per position, added to the token embedding
};
enum class mlp {
    gated_silu,      ///< silu(gate) * up
    gated_gelu_tanh, ///< gelu_tanh(gate) * up
    gelu,            ///< gelu(up), with the error function
    gelu_tanh,       ///< gelu(up), with the tanh approximation ("gelu_new")
    relu,            ///< max(up, 0)
    none             ///< blocks are attention alone
};
enum class residual {
    sequential, ///< the MLP reads the stream with attention's output in it
    parallel    ///< attention and MLP both read the block's input; there is no `resid_mid`
};

/// Frequencies of rotary embedding for contexts longer than the trained one.
enum class rope_scaling {
    none,
    llama3, ///< low frequencies are divided by the factor, high ones kept, those between blended
    linear, ///< all are divided by the factor
    yarn    ///< as llama3, blended by the number of the pair, and cosines and sines are multiplied by a number
};

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
    int d_mlp = 0; ///< of the MLPs that have no experts; 0 if there are none
    int vocab = 0;
    int vocab_out = 0; ///< outputs of the unembedding; 0 means `vocab`

    engraft::norm norm = norm::rms;
    double norm_eps = 1e-5;
    bool norm_gain = true;     ///< otherwise norms have neither gain nor bias
    bool qk_norm = false;      ///< queries and keys of each head pass an RMS norm before rotary embedding
    bool qk_norm_wide = false; ///< that norm is one of all heads together
    bool pre_norms = true;     ///< attention and the MLP read the stream through a norm
    bool post_norms = false;   ///< attention's and the MLP's output pass a norm before they are added to the stream

    engraft::position position = position::rope;
    int positions = 0; ///< of a learned table; 0 with rotary embedding
    int d_rotary = 0;  ///< leading elements of a head that are rotated; 0 means all
    double rope_theta = 10000;
    engraft::rope_scaling rope_scaling = rope_scaling::none;
    double rope_factor = 1;
    double rope_low_freq_factor = 1;
    double rope_high_freq_factor = 4;
    int rope_original_context = 0;
    double rope_beta_fast = 32;       ///< yarn: pairs that turn more often in the original context are kept
    double rope_beta_slow = 1;        ///< yarn: those that turn less often are divided by the factor
    bool rope_whole_pairs = true;     ///< yarn: the ends of what is blended are rounded to whole pairs
    double rope_attention_factor = 0; ///< yarn: of cosines and sines; 0 means 0.1 ln(rope_factor) + 1
    double window_rope_theta = 0; ///< rope_theta of layers with a window, which then have no scaling; 0: as the others

    bool bidirectional = false;        ///< a query sees all positions of its example, not only those before it
    int pad_token = -1;                ///< keys at positions with this token are not seen; -1 means there is none
    int window = 0;                    ///< a query sees this many positions, its own included; 0 means all before it
    layer_pattern window_layers = "1"; ///< which have the window; the others see everything
    double attention_scalar = 0;       ///< scores are divided by its root; 0 means d_head
    double attention_softcap = 0;      ///< c: scores become c tanh(scores / c); 0 means they stay
    double final_softcap = 0;          ///< the same for the logits
    bool scaled_embedding = false;     ///< token embeddings are multiplied by sqrt(d_model)

    engraft::mlp mlp = mlp::gated_silu;
    int experts = 0;                 ///< MLPs of a layer that a router chooses from, row by row; 0: no router, one MLP
    int experts_per_token = 0;       ///< how many it chooses: those with the largest logits
    int d_expert = 0;                ///< d_mlp of an expert
    bool normalized_experts = false; ///< weights of the chosen sum to 1; otherwise they are those among all experts
    layer_pattern expert_layers = "1"; ///< which have experts; the others have a plain MLP
    engraft::residual residual = residual::sequential;
    bool qkv_bias = false;
    bool out_bias = false; ///< of attention's output projection
    bool mlp_bias = false;
    bool unembedding_bias = false;
    bool tied_unembedding = false;

    friend constexpr bool operator==(description const&, description const&) = default;
};

/// Elements of a head that rotary embedding turns.
constexpr int rotary_width(description const& d) { return d.d_rotary > 0 ? d.d_rotary : d.d_head; }

/// Whether attention and the MLP read the stream through a norm.
constexpr bool has_pre_norms(description const& d) { return d.norm != norm::none && d.pre_norms; }

/// Outputs of the unembedding.
constexpr int output_vocab(description const& d) { return d.vocab_out > 0 ? d.vocab_out : d.vocab; }

constexpr bool has_window(description const& d, int layer) { return d.window > 0 && d.window_layers.contains(layer); }

constexpr bool has_experts(description const& d, int layer) { return d.experts > 0 && d.expert_layers.contains(layer); }

/// Whether a layer has one MLP of d_mlp.
constexpr bool has_plain_mlp(description const& d, int layer) { return d.mlp != mlp::none && !has_experts(d, layer); }

namespace detail {

constexpr std::string_view what_is_wrong_with_mlps(description const& d) {
    bool plain = false;
    for (int layer = 0; layer < d.layers; ++layer)
        plain = plain || has_plain_mlp(d, layer);
    if (plain ? d.d_mlp <= 0 : d.d_mlp != 0)
        return plain ? "d_mlp must be positive" : "d_mlp must be 0 if no layer has an MLP without experts";
    if (d.experts == 0 && (d.experts_per_token != 0 || d.d_expert != 0 || d.normalized_experts))
        return "experts_per_token, d_expert and normalized_experts need the number of experts";
    if (d.experts < 0 || d.experts_per_token < 0 || d.experts_per_token > d.experts ||
        (d.experts > 0 && std::min(d.experts_per_token, d.d_expert) <= 0))
        return "experts_per_token and d_expert must be positive, and not more experts chosen than there are";
    if (d.experts > 0 && !is_gated(d.mlp))
        return "experts must be gated MLPs";
    if (d.mlp == mlp::none && d.residual == residual::parallel)
        return "blocks without MLP have nothing that could be parallel to attention";
    return {};
}

constexpr std::string_view what_is_wrong_with_positions(description const& d) {
    if (d.position == position::rope && (d.d_rotary < 0 || d.d_rotary > d.d_head || rotary_width(d) % 2 != 0))
        return "rotary embedding needs an even number of rotated elements, at most d_head";
    if (d.position == position::learned && d.positions <= 0)
        return "learned positions need the size of their table";
    if (d.rope_scaling == rope_scaling::yarn &&
        (d.rope_original_context <= 0 || d.rope_beta_slow <= 0 || d.rope_beta_fast <= d.rope_beta_slow))
        return "yarn needs rope_original_context, and rope_beta_fast larger than a positive rope_beta_slow";
    if (d.rope_scaling != rope_scaling::none && !(d.rope_factor > 0))
        return "rope_factor must be positive";
    if (d.rope_attention_factor < 0 || d.window_rope_theta < 0)
        return "rope_attention_factor and window_rope_theta must not be negative";
    if (d.window_rope_theta > 0 && (d.window == 0 || d.position != position::rope))
        return "window_rope_theta needs a window and rotary embedding";
    return {};
}

} // namespace detail

/// Whether the numbers of a description fit together; the reason is empty when they do.
constexpr std::string_view what_is_wrong(description const& d) {
    if (std::min({d.layers, d.d_model, d.heads, d.kv_heads, d.d_head, d.vocab}) <= 0)
        return "layers, d_model, heads, kv_heads, d_head and vocab must all be positive";
    if (d.heads % d.kv_heads != 0)
        return "kv_heads must divide heads";
    if (!d.window_layers.well_formed() || !d.expert_layers.well_formed())
        return "window_layers and expert_layers must be made of 0 and 1, one for each layer or a part that repeats";
    if (d.vocab_out < 0 || (d.tied_unembedding && output_vocab(d) != d.vocab))
        return "vocab_out must not be negative, and with a tied unembedding it is vocab";
    if (d.pad_token < -1 || d.pad_token >= d.vocab)
        return "pad_token must be a token, or -1";
    if (d.window < 0 || (d.window > 0 && d.bidirectional))
        return "window must not be negative, and attention in both directions has none";
    if (d.qk_norm_wide && !d.qk_norm)
        return "qk_norm_wide needs qk_norm";
    if (d.norm == norm::none ? !d.pre_norms || d.post_norms || !d.norm_gain : !d.pre_norms && !d.post_norms)
        return d.norm == norm::none ? "a model without norms has no pre_norms, post_norms or norm_gain to set"
                                    : "norms stand before attention and the MLP, after them, or both";
    if (auto const wrong = detail::what_is_wrong_with_positions(d); !wrong.empty())
        return wrong;
    return detail::what_is_wrong_with_mlps(d);
}

/// Whether models of a description can be made.
constexpr bool well_formed(description const& d) { return what_is_wrong(d).empty(); }

} // namespace engraft
