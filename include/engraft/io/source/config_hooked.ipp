#pragma once

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/io/json.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/source/config_layers.ipp>
#include <engraft/io/source/config_object.ipp>
#include <engraft/model/description.hpp>

/// Configs of TransformerLens' HookedTransformer: `model_type` "hooked_transformer", and fields of its
/// HookedTransformerConfig. source  TransformerLens 3, HookedTransformerConfig.py
namespace engraft::detail {

/// How a model was made, where it lies, what its hooks keep, and how it treats text.
inline constexpr std::string_view hooked_without_effect[] = {
    // clang-format off
    "checkpoint_index", "checkpoint_label_type", "checkpoint_value", "decoder_start_token_id", "default_prepend_bos",
    "device", "from_checkpoint", "init_mode", "init_weights", "model_name", "n_devices", "n_params",
    "original_architecture", "seed", "tokenizer_name", "tokenizer_prepends_bos", "trust_remote_code",
    "ungroup_grouped_query_attention", "use_attn_in", "use_attn_result", "use_hook_mlp_in", "use_hook_tokens",
    "use_split_qkv_input",
    // clang-format on
};

/// A size for which TransformerLens writes -1 if it follows from others.
inline int read_hooked_size(config_object& config, std::string_view key, int otherwise) {
    auto const* found = config.find(key);
    return found && *found != -1 ? config.dimension(key) : otherwise;
}

inline void read_hooked_norm(config_object& config, description& d) {
    auto const type = config.has("normalization_type") ? config.text_or("normalization_type", "null") : "LN";
    if (type == "LN" || type == "LNPre")
        d.norm = norm::layer;
    else if (type == "RMS" || type == "RMSPre")
        d.norm = norm::rms;
    else if (type == "null")
        d.norm = norm::none;
    else
        config.unsupported("normalization_type", "'" + printable(type) + "'", "null, 'LN', 'LNPre', 'RMS', 'RMSPre'");
    d.norm_gain = !type.ends_with("Pre");
    d.norm_eps = config.positive_or("eps", 1e-5);
}

inline void read_hooked_positions(config_object& config, description& d) {
    auto const type = config.text_or("positional_embedding_type", "standard");
    int const context = config.dimension("n_ctx");
    if (type == "standard") {
        d.position = position::learned;
        d.positions = context;
        config.pass_over(std::vector<std::string_view>{"rotary_adjacent_pairs", "rotary_base", "rotary_dim"});
    } else if (type == "rotary") {
        config.require_same("rotary_adjacent_pairs", false);
        d.rope_theta = config.positive_or("rotary_base", 10000);
        if (int const turned = read_hooked_size(config, "rotary_dim", d.d_head); turned != d.d_head)
            d.d_rotary = turned;
    } else {
        config.unsupported("positional_embedding_type", "'" + printable(type) + "'", "'standard', 'rotary'");
    }
}

inline void read_hooked_mlp(config_object& config, description& d) {
    if (config.flag_or("attn_only", false)) {
        d.mlp = mlp::none;
        config.pass_over(std::vector<std::string_view>{"act_fn", "d_mlp"});
        return;
    }
    d.d_mlp = read_hooked_size(config, "d_mlp", 4 * d.d_model);
    d.mlp_bias = true;
    auto const act = config.text_or("act_fn", "null");
    if (act == "relu")
        d.mlp = mlp::relu;
    else if (act == "gelu")
        d.mlp = mlp::gelu;
    else if (act == "gelu_new" || act == "gelu_fast" || act == "gelu_pytorch_tanh")
        d.mlp = mlp::gelu_tanh;
    else
        config.unsupported("act_fn", act == "null" ? act : "'" + printable(act) + "'",
                           "'relu', 'gelu', 'gelu_new', 'gelu_fast', 'gelu_pytorch_tanh'");
}

/// Scores are divided by `attn_scale`, or by nothing.
inline void read_hooked_scale(config_object& config, description& d) {
    double const usual = std::sqrt(d.d_head);
    auto const* found = config.find("attn_scale");
    double const scale = found && *found != -1 ? config.positive("attn_scale") : usual;
    if (!config.flag_or("use_attn_scale", true))
        d.attention_scalar = 1;
    else if (scale != usual)
        d.attention_scalar = scale * scale;
    auto const cap = [&](std::string_view key) {
        auto const* value = config.find(key);
        return value && *value != -1 ? config.positive(key) : 0;
    };
    d.attention_softcap = cap("attn_scores_soft_cap");
    d.final_softcap = cap("output_logits_soft_cap");
}

/// Which keys a query sees.
inline void read_hooked_attention(config_object& config, description& d) {
    auto const direction = config.text_or("attention_dir", "causal");
    if (direction != "causal" && direction != "bidirectional")
        config.unsupported("attention_dir", "'" + printable(direction) + "'", "'causal', 'bidirectional'");
    d.bidirectional = direction == "bidirectional";
    if (config.find("pad_token"))
        d.pad_token = static_cast<int>(as_int(config.require("pad_token"), "pad_token", config.path(), 0, d.vocab - 1));
    if (!config.flag_or("use_local_attn", false)) {
        config.pass_over(std::vector<std::string_view>{"attn_types", "window_size"});
        return;
    }
    std::vector<bool> local;
    for (auto const& type : as_array(config.require("attn_types"), "attn_types", config.path())) {
        auto const& name = as_string(type, "attn_types", config.path());
        if (name != "local" && name != "global")
            config.unsupported("attn_types", shown(type), "'local', 'global'");
        local.push_back(name == "local");
    }
    if (local.size() != static_cast<std::size_t>(d.layers))
        throw bad_file(config.path(), {"'attn_types' has ", local.size(), " entries for ", d.layers, " layers"});
    int const window = config.dimension("window_size");
    if (has_any(local))
        d.window = window, d.window_layers = pattern_of(local, "attn_types", config);
}

inline description read_hooked_config(config_object& config) {
    description d;
    d.family = family::hooked_transformer;
    d.layers = config.dimension("n_layers");
    d.d_model = config.dimension("d_model");
    d.d_head = config.dimension("d_head");
    d.heads = read_hooked_size(config, "n_heads", d.d_model / d.d_head);
    if (d.heads == 0)
        throw bad_file(config.path(), "'n_heads' is missing, and 'd_head' is larger than 'd_model'");
    d.kv_heads = d.heads;
    config.require_same("n_key_value_heads", config.find("n_key_value_heads") ? nlohmann::json(d.heads) : nullptr);
    d.vocab = config.dimension("d_vocab");
    if (int const out = read_hooked_size(config, "d_vocab_out", d.vocab); out != d.vocab)
        d.vocab_out = out;
    d.qkv_bias = d.out_bias = d.unembedding_bias = true;
    read_hooked_norm(config, d);
    read_hooked_positions(config, d);
    read_hooked_mlp(config, d);
    read_hooked_scale(config, d);
    read_hooked_attention(config, d);
    return d;
}

} // namespace engraft::detail
