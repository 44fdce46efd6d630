#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/config.hpp>
#include <engraft/io/gguf.hpp>
#include <engraft/io/gguf_model.hpp>
#include <engraft/io/json.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/model/description.hpp>

namespace engraft {

namespace detail {

/// Anything larger is no model, and could overflow sums of sizes later.
inline constexpr int largest_dimension = 1 << 24;

[[noreturn]] inline void unsupported(std::string const& path, std::string_view key, std::string const& value,
                                     std::string_view supported) {
    throw bad_file(path, {"unsupported: '", key, "' is ", value, "; supported: ", supported});
}

inline int dimension(nlohmann::json const& config, std::string_view key, std::string const& path) {
    return static_cast<int>(require_int(config, key, path, 1, largest_dimension));
}

inline double positive(nlohmann::json const& object, std::string_view key, std::string const& path) {
    double const value = require_number(object, key, path);
    if (value <= 0)
        throw bad_file(path, {"'", key, "' must be positive, but is ", shown(*find_value(object, key, path))});
    return value;
}

/// A key that is not there has its family's default, which null can switch off: the two differ.
inline bool is_missing(nlohmann::json const& config, std::string_view key) {
    return !config.contains(std::string(key));
}

/// Refuses a feature that a config switches on: a key that is there, not null and not `off`.
inline void require_off(nlohmann::json const& config, std::string_view key, nlohmann::json const& off,
                        std::string const& path) {
    auto const* value = find_value(config, key, path);
    if (value && *value != off)
        unsupported(path, key, shown(*value), off.is_null() ? "none" : shown(off));
}

/// The same number under two keys, as configs written for old and new versions of a library have it.
inline double agreed(nlohmann::json const& a, nlohmann::json const& b, std::string_view key, std::string const& path,
                     double otherwise) {
    bool const in_a = find_value(a, key, path), in_b = find_value(b, key, path);
    if (!in_a && !in_b)
        return otherwise;
    double const value = positive(in_a ? a : b, key, path);
    if (in_a && in_b && positive(b, key, path) != value)
        throw bad_file(path, {"'", key, "' stands twice, as ", shown(*find_value(a, key, path)), " and as ",
                              shown(*find_value(b, key, path))});
    return value;
}

/// Rotary embedding, old style (`rope_theta` and `rope_scaling` at the top) or new style (both in `rope_parameters`).
inline void read_rope(nlohmann::json const& config, std::string const& path, description& d) {
    auto const none = nlohmann::json::object();
    auto const* parameters = find_value(config, "rope_parameters", path);
    auto const* scaling = find_value(config, "rope_scaling", path);
    if (parameters && scaling && *parameters != *scaling)
        throw bad_file(path, "'rope_parameters' and 'rope_scaling' are both there and differ");
    auto const& rope = parameters ? *parameters : scaling ? *scaling : none;
    std::string const where = path + (parameters ? ": rope_parameters" : scaling ? ": rope_scaling" : "");

    d.position = position::rope;
    d.rope_theta = agreed(config, as_object(rope, "rope", where).empty() ? none : rope, "rope_theta", where, 10000);
    if (d.family == family::gpt_neox && find_value(config, "rotary_emb_base", path))
        d.rope_theta = positive(config, "rotary_emb_base", path);
    double share = d.family == family::gpt_neox ? number_or(config, "rotary_pct", path, 0.25) : 1;
    for (auto const* object : {&config, &rope})
        share = number_or(*object, "partial_rotary_factor", path, share);
    if (!(share > 0 && share <= 1))
        throw bad_file(path,
                       {"the rotated share of a head must be above 0 and at most 1, but is ", number_text(share)});
    if (share != 1)
        d.d_rotary = static_cast<int>(d.d_head * share);

    auto const old_type = string_or(rope, "type", where, "default");
    auto const type = string_or(rope, "rope_type", where, old_type);
    if (find_value(rope, "type", where) && old_type != type)
        throw bad_file(where, {"'type' is '", printable(old_type), "' and 'rope_type' is '", printable(type), "'"});
    if (type == "default")
        return;
    if (type != "llama3")
        unsupported(where, "rope_type", "'" + printable(type) + "'", "'default', 'llama3'");
    d.rope_scaling = rope_scaling::llama3;
    d.rope_factor = positive(rope, "factor", where);
    d.rope_low_freq_factor = positive(rope, "low_freq_factor", where);
    d.rope_high_freq_factor = positive(rope, "high_freq_factor", where);
    d.rope_original_context = dimension(rope, "original_max_position_embeddings", where);
    if (d.rope_high_freq_factor <= d.rope_low_freq_factor)
        throw bad_file(where, "'high_freq_factor' must be larger than 'low_freq_factor'");
}

/// Which layers have the sliding window, from `layer_types` where it stands: all of them, or 0, n, 2n, ...
/// Without that list the window is of every `otherwise`-th layer.
/// The window is 4096 where a config has no such key, and off where it is null.
inline void read_window(nlohmann::json const& config, std::string const& path, int otherwise, description& d) {
    bool const window = is_missing(config, "sliding_window") || find_value(config, "sliding_window", path);
    auto const* types = find_value(config, "layer_types", path);
    std::vector<bool> slides;
    if (types)
        for (auto const& type : as_array(*types, "layer_types", path)) {
            auto const& name = as_string(type, "layer_types", path);
            if (name != "full_attention" && name != "sliding_attention")
                unsupported(path, "layer_types", shown(type), "'full_attention', 'sliding_attention'");
            slides.push_back(name == "sliding_attention");
        }
    if (types && slides.size() != static_cast<std::size_t>(d.layers))
        throw bad_file(path, {"'layer_types' has ", slides.size(), " entries for ", d.layers, " layers"});
    bool const none = types ? std::find(slides.begin(), slides.end(), true) == slides.end() : !window;
    if (none)
        return;
    if (!window)
        throw bad_file(path, "'layer_types' names sliding_attention, but there is no 'sliding_window'");
    d.window = is_missing(config, "sliding_window") ? 4096 : dimension(config, "sliding_window", path);
    d.window_every = otherwise;
    if (!types)
        return;
    auto const second = std::find(slides.begin() + 1, slides.end(), true);
    d.window_every = second == slides.end() ? d.layers : static_cast<int>(second - slides.begin());
    for (int layer = 0; layer < d.layers; ++layer)
        if (slides[static_cast<std::size_t>(layer)] != (layer % d.window_every == 0))
            unsupported(path, "layer_types", "another order",
                        "sliding_attention in every layer or in every n-th from 0");
}

/// Of families that know no window, a list of layers may say only that.
inline void require_full_attention(nlohmann::json const& config, std::string const& path) {
    if (auto const* types = find_value(config, "layer_types", path))
        for (auto const& type : as_array(*types, "layer_types", path))
            if (as_string(type, "layer_types", path) != "full_attention")
                unsupported(path, "layer_types", shown(type), "'full_attention'");
}

/// What Llama and the families after its pattern share. `kv_heads` is for configs that do not name them; 0 means as
/// many as query heads.
inline description read_llama_like(nlohmann::json const& config, std::string const& path, family f, int kv_heads = 0) {
    description d;
    d.family = f;
    d.layers = dimension(config, "num_hidden_layers", path);
    d.d_model = dimension(config, "hidden_size", path);
    d.heads = dimension(config, "num_attention_heads", path);
    d.kv_heads = kv_heads > 0 && is_missing(config, "num_key_value_heads") ? kv_heads
                 : find_value(config, "num_key_value_heads", path) ? dimension(config, "num_key_value_heads", path)
                                                                   : d.heads;
    if (find_value(config, "head_dim", path))
        d.d_head = dimension(config, "head_dim", path);
    else if (d.d_model % d.heads == 0)
        d.d_head = d.d_model / d.heads;
    else
        throw bad_file(path, {"'head_dim' is missing, and 'hidden_size' ", d.d_model,
                              " is not a multiple of 'num_attention_heads' ", d.heads});
    d.d_mlp = dimension(config, "intermediate_size", path);
    d.vocab = dimension(config, "vocab_size", path);
    d.norm_eps = find_value(config, "rms_norm_eps", path) ? positive(config, "rms_norm_eps", path) : 1e-6;
    d.tied_unembedding = bool_or(config, "tie_word_embeddings", path, false);
    read_rope(config, path, d);
    // `pretraining_tp` only splits matrix products, and dropout acts in training alone: neither changes what is
    // computed.
    return d;
}

inline void require_activation(nlohmann::json const& config, std::string_view key, std::string const& path,
                               std::string_view supported) {
    if (auto const act = string_or(config, key, path, std::string(supported)); act != supported)
        unsupported(path, key, "'" + printable(act) + "'", "'" + std::string(supported) + "'");
}

inline description read_llama_config(nlohmann::json const& config, std::string const& path) {
    auto d = read_llama_like(config, path, family::llama);
    require_activation(config, "hidden_act", path, "silu");
    d.qkv_bias = d.out_bias = bool_or(config, "attention_bias", path, false);
    d.mlp_bias = bool_or(config, "mlp_bias", path, false);
    require_off(config, "sliding_window", nullptr, path);
    require_full_attention(config, path);
    return d;
}

inline description read_mistral_config(nlohmann::json const& config, std::string const& path) {
    auto d = read_llama_like(config, path, family::mistral, 8);
    require_activation(config, "hidden_act", path, "silu");
    read_window(config, path, 1, d);
    return d;
}

inline description read_qwen2_config(nlohmann::json const& config, std::string const& path) {
    auto d = read_llama_like(config, path, family::qwen2, 32);
    require_activation(config, "hidden_act", path, "silu");
    d.qkv_bias = true;
    require_off(config, "use_sliding_window", false, path);
    require_full_attention(config, path);
    return d;
}

inline description read_qwen3_config(nlohmann::json const& config, std::string const& path) {
    auto d = read_llama_like(config, path, family::qwen3, 32);
    require_activation(config, "hidden_act", path, "silu");
    if (!find_value(config, "head_dim", path))
        d.d_head = 128;
    d.qk_norm = true;
    d.qkv_bias = d.out_bias = bool_or(config, "attention_bias", path, false);
    require_off(config, "use_sliding_window", false, path);
    require_full_attention(config, path);
    return d;
}

inline description read_gemma2_config(nlohmann::json const& config, std::string const& path) {
    auto d = read_llama_like(config, path, family::gemma2, 4);
    require_activation(config, find_value(config, "hidden_activation", path) ? "hidden_activation" : "hidden_act", path,
                       "gelu_pytorch_tanh");
    require_off(config, "attention_bias", false, path);
    if (!find_value(config, "head_dim", path))
        d.d_head = 256;
    d.mlp = mlp::gated_gelu_tanh;
    d.post_norms = d.scaled_embedding = true;
    d.tied_unembedding = bool_or(config, "tie_word_embeddings", path, true);
    d.attention_scalar =
        find_value(config, "query_pre_attn_scalar", path) ? positive(config, "query_pre_attn_scalar", path) : 256;
    auto const softcap = [&](std::string_view key, double otherwise) {
        return is_missing(config, key) ? otherwise : find_value(config, key, path) ? positive(config, key, path) : 0;
    };
    d.attention_softcap = softcap("attn_logit_softcapping", 50);
    d.final_softcap = softcap("final_logit_softcapping", 30);
    read_window(config, path, 2, d);
    return d;
}

inline description read_gpt2_config(nlohmann::json const& config, std::string const& path) {
    description d;
    d.family = family::gpt2;
    d.layers = dimension(config, "n_layer", path);
    d.d_model = dimension(config, "n_embd", path);
    d.heads = d.kv_heads = dimension(config, "n_head", path);
    if (d.d_model % d.heads != 0)
        throw bad_file(path, {"'n_embd' ", d.d_model, " is not a multiple of 'n_head' ", d.heads});
    d.d_head = d.d_model / d.heads;
    d.d_mlp = find_value(config, "n_inner", path) ? dimension(config, "n_inner", path) : 4 * d.d_model;
    d.vocab = dimension(config, "vocab_size", path);
    d.norm = norm::layer;
    d.norm_eps = find_value(config, "layer_norm_epsilon", path) ? positive(config, "layer_norm_epsilon", path) : 1e-5;
    d.position = position::learned;
    d.positions = find_value(config, "n_positions", path) ? dimension(config, "n_positions", path) : 1024;
    d.mlp = mlp::gelu_tanh;
    d.qkv_bias = d.out_bias = d.mlp_bias = true;
    d.tied_unembedding = bool_or(config, "tie_word_embeddings", path, true);
    auto const act = string_or(config, "activation_function", path, "gelu_new");
    if (act == "gelu")
        d.mlp = mlp::gelu;
    else if (act != "gelu_new" && act != "gelu_pytorch_tanh")
        unsupported(path, "activation_function", "'" + printable(act) + "'", "'gelu_new', 'gelu_pytorch_tanh', 'gelu'");
    require_off(config, "add_cross_attention", false, path);
    require_off(config, "scale_attn_by_inverse_layer_idx", false, path);
    require_off(config, "scale_attn_weights", true, path);
    return d;
}

inline description read_gpt_neox_config(nlohmann::json const& config, std::string const& path) {
    description d;
    d.family = family::gpt_neox;
    d.layers = dimension(config, "num_hidden_layers", path);
    d.d_model = dimension(config, "hidden_size", path);
    d.heads = d.kv_heads = dimension(config, "num_attention_heads", path);
    if (d.d_model % d.heads != 0)
        throw bad_file(path, {"'hidden_size' ", d.d_model, " is not a multiple of 'num_attention_heads' ", d.heads});
    d.d_head = d.d_model / d.heads;
    d.d_mlp = dimension(config, "intermediate_size", path);
    d.vocab = dimension(config, "vocab_size", path);
    d.norm = norm::layer;
    d.norm_eps = find_value(config, "layer_norm_eps", path) ? positive(config, "layer_norm_eps", path) : 1e-5;
    d.residual = bool_or(config, "use_parallel_residual", path, true) ? residual::parallel : residual::sequential;
    d.qkv_bias = d.out_bias = bool_or(config, "attention_bias", path, true);
    d.mlp_bias = true;
    d.tied_unembedding = bool_or(config, "tie_word_embeddings", path, false);
    auto const act = string_or(config, "hidden_act", path, "gelu");
    if (act == "gelu")
        d.mlp = mlp::gelu;
    else if (act == "gelu_new" || act == "gelu_fast" || act == "gelu_pytorch_tanh")
        d.mlp = mlp::gelu_tanh;
    else
        unsupported(path, "hidden_act", "'" + printable(act) + "'", "'gelu', 'gelu_new', 'gelu_pytorch_tanh'");
    read_rope(config, path, d);
    return d;
}

/// How configs of one architecture are read. Another family is one more line in `config_families` and its function.
struct config_family {
    std::string_view model_type;
    std::string_view architecture;
    description (*read)(nlohmann::json const& config, std::string const& path);
};

inline constexpr config_family config_families[] = {
    {"llama", "LlamaForCausalLM", read_llama_config},         {"mistral", "MistralForCausalLM", read_mistral_config},
    {"qwen2", "Qwen2ForCausalLM", read_qwen2_config},         {"qwen3", "Qwen3ForCausalLM", read_qwen3_config},
    {"gemma2", "Gemma2ForCausalLM", read_gemma2_config},      {"gpt2", "GPT2LMHeadModel", read_gpt2_config},
    {"gpt_neox", "GPTNeoXForCausalLM", read_gpt_neox_config},
};

inline config_family const& config_family_of(nlohmann::json const& config, std::string const& path) {
    std::string known_types, known_architectures;
    for (auto const& f : config_families) {
        known_types += (known_types.empty() ? "'" : ", '") + std::string(f.model_type) + "'";
        known_architectures += (known_architectures.empty() ? "'" : ", '") + std::string(f.architecture) + "'";
    }
    auto const type = string_or(config, "model_type", path, "");
    std::string architecture;
    if (auto const* all = find_value(config, "architectures", path)) {
        auto const& names = as_array(*all, "architectures", path);
        if (names.size() > 1)
            unsupported(path, "architectures", shown(*all), "one architecture");
        if (!names.empty())
            architecture = as_string(names[0], "architectures", path);
    }
    if (type.empty() && architecture.empty())
        throw bad_file(path, "neither 'model_type' nor 'architectures' says what model this is");
    for (auto const& f : config_families) {
        if (!type.empty() && type != f.model_type)
            continue;
        if (!architecture.empty() && architecture != f.architecture) {
            if (type.empty())
                continue;
            unsupported(path, "architectures", "'" + printable(architecture) + "'", f.architecture);
        }
        return f;
    }
    if (!type.empty())
        unsupported(path, "model_type", "'" + printable(type) + "'", known_types);
    unsupported(path, "architectures", "'" + printable(architecture) + "'", known_architectures);
}

} // namespace detail

ENGRAFT_BODY description read_config(std::filesystem::path const& path) {
    if (is_gguf(path))
        return read_config(gguf_file(path));
    std::error_code ignored;
    auto const file = std::filesystem::is_directory(path, ignored) ? path / "config.json" : path;
    std::string const where = file.string();
    auto const config = read_json(file);
    if (!config.is_object())
        throw bad_file(where, "a config must be a JSON object");
    auto const& family = detail::config_family_of(config, where);
    detail::require_off(config, "quantization_config", nullptr, where);
    auto d = family.read(config, where);
    d.name = short_text(
        std::string_view(std::filesystem::absolute(file).lexically_normal().parent_path().filename().string()));
    if (auto const wrong = what_is_wrong(d); !wrong.empty())
        throw bad_file(where, std::string(wrong));
    return d;
}

} // namespace engraft
