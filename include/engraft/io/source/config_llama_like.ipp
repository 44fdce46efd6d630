#pragma once

#include <string>
#include <string_view>

#include <engraft/core/error.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/source/config_layers.ipp>
#include <engraft/io/source/config_object.ipp>
#include <engraft/io/source/config_rope.ipp>
#include <engraft/model/description.hpp>

/// Configs of families whose blocks are Llama's with other norms, windows or rotary embedding.
namespace engraft::detail {

/// What Llama and the families after its pattern share, but rotary embedding. `kv_heads` is for configs that do not
/// name them; 0 means as many as query heads.
inline description read_llama_sizes(config_object& config, family f, int kv_heads) {
    description d;
    d.family = f;
    d.layers = config.dimension("num_hidden_layers");
    d.d_model = config.dimension("hidden_size");
    d.heads = config.dimension("num_attention_heads");
    d.kv_heads = kv_heads > 0 && !config.has("num_key_value_heads")
                     ? kv_heads
                     : config.dimension_or("num_key_value_heads", d.heads);
    if (config.find("head_dim"))
        d.d_head = config.dimension("head_dim");
    else if (f == family::qwen3 || f == family::gemma2 || f == family::gemma3)
        d.d_head = f == family::qwen3 ? 128 : 256;
    else if (d.d_model % d.heads == 0)
        d.d_head = d.d_model / d.heads;
    else
        throw bad_file(config.path(), {"'head_dim' is missing, and 'hidden_size' ", d.d_model,
                                       " is not a multiple of 'num_attention_heads' ", d.heads});
    d.d_mlp = config.dimension("intermediate_size");
    d.vocab = config.dimension("vocab_size");
    d.norm_eps = config.positive_or("rms_norm_eps", 1e-6);
    d.tied_unembedding = config.flag_or("tie_word_embeddings", false);
    return d;
}

inline description read_llama_like(config_object& config, family f, int kv_heads = 0) {
    auto d = read_llama_sizes(config, f, kv_heads);
    read_rope(config, d);
    return d;
}

inline void require_activation(config_object& config, std::string_view key, std::string_view supported) {
    if (auto const act = config.text_or(key, std::string(supported)); act != supported)
        config.unsupported(key, "'" + printable(act) + "'", "'" + std::string(supported) + "'");
}

/// Scores or logits are bounded by this number; null switches it off, and so does a missing key where `otherwise` is 0.
inline double read_softcap(config_object& config, std::string_view key, double otherwise) {
    return config.has(key) && !config.find(key) ? 0 : config.positive_or(key, otherwise);
}

/// The released configs have the pattern of layers as a number, too, which transformers reads only without layer_types.
/// Nothing reads attn_logit_softcapping.
inline constexpr std::string_view gemma3_without_effect[] = {"_sliding_window_pattern", "attn_logit_softcapping",
                                                             "sliding_window_pattern"};

inline description read_gemma3_config(config_object& config) {
    auto d = read_llama_sizes(config, family::gemma3, 4);
    require_activation(config, "hidden_activation", "gelu_pytorch_tanh");
    require_activation(config, "hidden_act", "gelu_pytorch_tanh");
    config.require_same("use_bidirectional_attention", false);
    d.mlp = mlp::gated_gelu_tanh;
    d.qk_norm = d.post_norms = d.scaled_embedding = true;
    d.qkv_bias = d.out_bias = config.flag_or("attention_bias", false);
    d.tied_unembedding = config.flag_or("tie_word_embeddings", true);
    d.attention_scalar = config.positive_or("query_pre_attn_scalar", 256);
    d.final_softcap = read_softcap(config, "final_logit_softcapping", 0);

    auto slides = read_layer_types(config, d.layers);
    if (slides.empty()) {
        auto const pattern = agreed({{&config, "sliding_window_pattern"}, {&config, "_sliding_window_pattern"}});
        int const n = pattern ? config.dimension(pattern->key) : 6;
        for (int layer = 0; layer < d.layers; ++layer)
            slides.push_back((layer + 1) % n != 0);
    }
    if (has_any(slides)) {
        d.window = config.has("sliding_window") ? config.dimension("sliding_window") : 4096;
        d.window_layers = pattern_of(slides, "layer_types", config);
    } else {
        config.has("sliding_window"); // which no layer has
    }
    read_rope_of_two_kinds(config, d);
    return d;
}

// [olmo2]
inline description read_olmo2_config(config_object& config) {
    auto d = read_llama_like(config, family::olmo2);
    require_activation(config, "hidden_act", "silu");
    d.norm_eps = config.positive_or("rms_norm_eps", 1e-5);
    d.pre_norms = false;
    d.post_norms = d.qk_norm = d.qk_norm_wide = true;
    d.qkv_bias = d.out_bias = config.flag_or("attention_bias", false);
    require_full_attention(config, d);
    return d;
}
// [/olmo2]

/// What rotary embedding was trained with stands at the top, and changes nothing without a scaling.
inline constexpr std::string_view phi3_without_effect[] = {"original_max_position_embeddings"};

inline description read_phi3_config(config_object& config) {
    auto d = read_llama_like(config, family::phi3);
    require_activation(config, "hidden_act", "silu");
    d.norm_eps = config.positive_or("rms_norm_eps", 1e-5);
    config.require_same("attention_bias", false);
    if (config.find("sliding_window"))
        d.window = config.dimension("sliding_window");
    return d;
}

} // namespace engraft::detail
