#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

#include <engraft/core/error.hpp>
#include <engraft/io/json.hpp>
#include <engraft/model/description.hpp>

namespace engraft {

namespace detail {

/// Anything larger is no model, and could overflow sums of sizes later.
inline constexpr int largest_dimension = 1 << 24;

[[noreturn]] inline void unsupported(std::string const& path, std::string_view key, std::string const& value,
                                     std::string_view supported) {
    throw bad_file(path,
                   "unsupported: '" + std::string(key) + "' is " + value + "; supported: " + std::string(supported));
}

inline int dimension(nlohmann::json const& config, std::string_view key, std::string const& path) {
    return static_cast<int>(require_int(config, key, path, 1, largest_dimension));
}

inline double positive(nlohmann::json const& object, std::string_view key, std::string const& path) {
    double const value = require_number(object, key, path);
    if (value <= 0)
        throw bad_file(path,
                       "'" + std::string(key) + "' must be positive, but is " + shown(*find_value(object, key, path)));
    return value;
}

/// Refuses a feature that a config switches on: a key that is there, not null and not `off`.
inline void require_off(nlohmann::json const& config, std::string_view key, nlohmann::json const& off,
                        std::string const& path) {
    auto const* value = find_value(config, key, path);
    if (value && *value != off) unsupported(path, key, shown(*value), off.is_null() ? "none" : shown(off));
}

/// The same number under two keys, as configs written for old and new versions of a library have it.
inline double agreed(nlohmann::json const& a, nlohmann::json const& b, std::string_view key, std::string const& path,
                     double otherwise) {
    bool const in_a = find_value(a, key, path), in_b = find_value(b, key, path);
    if (!in_a && !in_b) return otherwise;
    double const value = positive(in_a ? a : b, key, path);
    if (in_a && in_b && positive(b, key, path) != value)
        throw bad_file(path, "'" + std::string(key) + "' stands twice, as " + shown(*find_value(a, key, path)) +
                                 " and as " + shown(*find_value(b, key, path)));
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
    for (auto const& object : {config, rope})
        if (number_or(object, "partial_rotary_factor", path, 1) != 1)
            unsupported(path, "partial_rotary_factor", shown(object["partial_rotary_factor"]), "1");

    auto const old_type = string_or(rope, "type", where, "default");
    auto const type = string_or(rope, "rope_type", where, old_type);
    if (find_value(rope, "type", where) && old_type != type)
        throw bad_file(where, "'type' is '" + printable(old_type) + "' and 'rope_type' is '" + printable(type) + "'");
    if (type == "default") return;
    if (type != "llama3") unsupported(where, "rope_type", "'" + printable(type) + "'", "'default', 'llama3'");
    d.rope_scaling = rope_scaling::llama3;
    d.rope_factor = positive(rope, "factor", where);
    d.rope_low_freq_factor = positive(rope, "low_freq_factor", where);
    d.rope_high_freq_factor = positive(rope, "high_freq_factor", where);
    d.rope_original_context = dimension(rope, "original_max_position_embeddings", where);
    if (d.rope_high_freq_factor <= d.rope_low_freq_factor)
        throw bad_file(where, "'high_freq_factor' must be larger than 'low_freq_factor'");
}

inline description read_llama_config(nlohmann::json const& config, std::string const& path) {
    description d;
    d.family = family::llama;
    d.norm = norm::rms;
    d.mlp = mlp::gated_silu;
    d.layers = dimension(config, "num_hidden_layers", path);
    d.d_model = dimension(config, "hidden_size", path);
    d.heads = dimension(config, "num_attention_heads", path);
    d.kv_heads =
        find_value(config, "num_key_value_heads", path) ? dimension(config, "num_key_value_heads", path) : d.heads;
    if (find_value(config, "head_dim", path))
        d.d_head = dimension(config, "head_dim", path);
    else if (d.d_model % d.heads == 0)
        d.d_head = d.d_model / d.heads;
    else
        throw bad_file(path, "'head_dim' is missing, and 'hidden_size' " + std::to_string(d.d_model) +
                                 " is not a multiple of 'num_attention_heads' " + std::to_string(d.heads));
    d.d_mlp = dimension(config, "intermediate_size", path);
    d.vocab = dimension(config, "vocab_size", path);
    d.norm_eps = find_value(config, "rms_norm_eps", path) ? positive(config, "rms_norm_eps", path) : 1e-6;
    d.tied_unembedding = bool_or(config, "tie_word_embeddings", path, false);
    read_rope(config, path, d);

    if (auto const act = string_or(config, "hidden_act", path, "silu"); act != "silu")
        unsupported(path, "hidden_act", "'" + printable(act) + "'", "'silu'");
    require_off(config, "attention_bias", false, path);
    require_off(config, "mlp_bias", false, path);
    if (bool_or(config, "use_sliding_window", path, true)) require_off(config, "sliding_window", nullptr, path);
    if (auto const* types = find_value(config, "layer_types", path))
        for (auto const& type : as_array(*types, "layer_types", path))
            if (as_string(type, "layer_types", path) != "full_attention")
                unsupported(path, "layer_types", shown(type), "'full_attention'");
    // `pretraining_tp` only splits matrix products, and dropout acts in training alone: neither changes what is
    // computed.
    return d;
}

/// How configs of one architecture are read. Another family is one more line in `config_families` and its function.
struct config_family {
    std::string_view model_type;
    std::string_view architecture;
    description (*read)(nlohmann::json const& config, std::string const& path);
};

inline constexpr config_family config_families[] = {
    {"llama", "LlamaForCausalLM", read_llama_config},
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
        if (names.size() > 1) unsupported(path, "architectures", shown(*all), "one architecture");
        if (!names.empty()) architecture = as_string(names[0], "architectures", path);
    }
    if (type.empty() && architecture.empty())
        throw bad_file(path, "neither 'model_type' nor 'architectures' says what model this is");
    for (auto const& f : config_families) {
        if (!type.empty() && type != f.model_type) continue;
        if (!architecture.empty() && architecture != f.architecture) {
            if (type.empty()) continue;
            unsupported(path, "architectures", "'" + printable(architecture) + "'", f.architecture);
        }
        return f;
    }
    if (!type.empty()) unsupported(path, "model_type", "'" + printable(type) + "'", known_types);
    unsupported(path, "architectures", "'" + printable(architecture) + "'", known_architectures);
}

inline std::string field_text(int value) { return std::to_string(value); }
inline std::string field_text(bool value) { return value ? "true" : "false"; }
inline std::string field_text(double value) { return number_text(value); }
inline std::string field_text(family value) {
    switch (value) {
    case family::llama: return "llama";
    }
    return "?";
}
inline std::string field_text(norm value) {
    switch (value) {
    case norm::rms: return "rms";
    }
    return "?";
}
inline std::string field_text(position value) {
    switch (value) {
    case position::rope: return "rope";
    }
    return "?";
}
inline std::string field_text(mlp value) {
    switch (value) {
    case mlp::gated_silu: return "gated_silu";
    }
    return "?";
}
inline std::string field_text(rope_scaling value) {
    switch (value) {
    case rope_scaling::none: return "none";
    case rope_scaling::llama3: return "llama3";
    }
    return "?";
}

} // namespace detail

/// What a Hugging Face config.json says about a model; `path` is that file or the folder it is in. The description's
/// name is the folder's. Keys that are missing have the values that the transformers library gives them.
/// throws bad_file when the file can't be read or is incomplete, when its numbers don't fit together, and, naming it,
///        for every feature that changes what the model computes and is not supported
inline description read_config(std::filesystem::path const& path) {
    std::error_code ignored;
    auto const file = std::filesystem::is_directory(path, ignored) ? path / "config.json" : path;
    std::string const where = file.string();
    auto const config = read_json(file);
    if (!config.is_object()) throw bad_file(where, "a config must be a JSON object");
    auto const& family = detail::config_family_of(config, where);
    detail::require_off(config, "quantization_config", nullptr, where);
    auto d = family.read(config, where);
    d.name = short_text(
        std::string_view(std::filesystem::absolute(file).lexically_normal().parent_path().filename().string()));
    if (auto const wrong = what_is_wrong(d); !wrong.empty()) throw bad_file(where, std::string(wrong));
    return d;
}

/// Checks that a checkpoint's config says what a program was compiled for. Names may differ; numbers that are not whole
/// are compared as floats, in which models compute.
/// throws bad_model with a list of every field that differs and both its values
inline void require_same(description const& expected, description const& read, std::string const& path) {
    std::string differences;
    auto aligned = read; // becomes equal to `expected` when the fields below are all there are
    aligned.name = expected.name;
    auto const compare = [&](char const* field, auto description::*member) {
        auto const& a = expected.*member;
        auto& b = aligned.*member;
        bool same = a == b;
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(a)>, double>)
            same = static_cast<float>(a) == static_cast<float>(b);
        if (!same)
            differences += std::string(differences.empty() ? "" : "; ") + field + " is " + detail::field_text(b) +
                           ", described as " + detail::field_text(a);
        b = a;
    };
    compare("family", &description::family);
    compare("layers", &description::layers);
    compare("d_model", &description::d_model);
    compare("heads", &description::heads);
    compare("kv_heads", &description::kv_heads);
    compare("d_head", &description::d_head);
    compare("d_mlp", &description::d_mlp);
    compare("vocab", &description::vocab);
    compare("norm", &description::norm);
    compare("norm_eps", &description::norm_eps);
    compare("position", &description::position);
    compare("rope_theta", &description::rope_theta);
    compare("rope_scaling", &description::rope_scaling);
    compare("rope_factor", &description::rope_factor);
    compare("rope_low_freq_factor", &description::rope_low_freq_factor);
    compare("rope_high_freq_factor", &description::rope_high_freq_factor);
    compare("rope_original_context", &description::rope_original_context);
    compare("mlp", &description::mlp);
    compare("tied_unembedding", &description::tied_unembedding);
    if (!(aligned == expected)) differences += differences.empty() ? "a field that has no name here" : "; and more";
    if (!differences.empty())
        throw bad_model(path + ": not the model '" + std::string(std::string_view(expected.name)) +
                        "' that this program describes: " + differences);
}

} // namespace engraft
