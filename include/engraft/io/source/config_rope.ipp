#pragma once

#include <array>
#include <cmath>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <engraft/core/error.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/source/config_object.ipp>
#include <engraft/model/description.hpp>

/// Rotary embedding in a config.
namespace engraft::detail {

inline void read_llama3_scaling(config_object& rope, description& d) {
    d.rope_scaling = rope_scaling::llama3;
    d.rope_factor = rope.positive("factor");
    d.rope_low_freq_factor = rope.positive("low_freq_factor");
    d.rope_high_freq_factor = rope.positive("high_freq_factor");
    d.rope_original_context = rope.dimension("original_max_position_embeddings");
    if (d.rope_high_freq_factor <= d.rope_low_freq_factor)
        throw bad_file(rope.path(), "'high_freq_factor' must be larger than 'low_freq_factor'");
}

inline void read_yarn_scaling(config_object& config, config_object& rope, description& d) {
    d.rope_scaling = rope_scaling::yarn;
    d.rope_factor = rope.positive("factor");
    d.rope_beta_fast = rope.positive_or("beta_fast", 32);
    d.rope_beta_slow = rope.positive_or("beta_slow", 1);
    if (d.rope_beta_fast <= d.rope_beta_slow)
        throw bad_file(rope.path(), "'beta_fast' must be larger than 'beta_slow'");
    d.rope_whole_pairs = rope.flag_or("truncate", true);
    d.rope_original_context = rope.find("original_max_position_embeddings")
                                  ? rope.dimension("original_max_position_embeddings")
                                  : config.dimension("max_position_embeddings");
    auto const scale = [&](std::string_view key) {
        return d.rope_factor > 1 ? 0.1 * rope.positive(key) * std::log(d.rope_factor) + 1 : 1;
    };
    bool const scales = rope.find("mscale") && rope.find("mscale_all_dim");
    if (rope.find("attention_factor"))
        d.rope_attention_factor = rope.positive("attention_factor");
    else if (scales)
        d.rope_attention_factor = scale("mscale") / scale("mscale_all_dim");
}

/// The kind of rotary embedding and its numbers. Phi-3's other kinds have a factor for each pair, and of Gemma 3's
/// transformers reads yarn's `truncate` from another place.
inline void read_rope_type(config_object& config, config_object& rope, description& d) {
    auto const named = agreed({{&rope, "rope_type"}, {&rope, "type"}});
    auto const type = named ? rope.text_or(named->key, "") : "default";
    bool const phi3 = d.family == family::phi3, gemma3 = d.family == family::gemma3;
    if (type == "default")
        rope.pass_over(std::array{std::string_view("original_max_position_embeddings")});
    else if (type == "linear" && !phi3)
        d.rope_scaling = rope_scaling::linear, d.rope_factor = rope.positive("factor");
    else if (type == "llama3" && !phi3 && !gemma3)
        read_llama3_scaling(rope, d);
    else if (type == "yarn" && !phi3 && !gemma3)
        read_yarn_scaling(config, rope, d);
    else
        rope.unsupported(named->key, "'" + printable(type) + "'",
                         phi3     ? "'default'"
                         : gemma3 ? "'default', 'linear'"
                                  : "'default', 'llama3', 'linear', 'yarn'");
}

/// How much of each head is rotated. Only GPT-NeoX and Phi-3 rotate part of a head; for all other families transformers
/// rotates whole heads, whatever a config says.
inline void read_rotated_share(config_object& config, config_object& rope, description& d) {
    bool const neox = d.family == family::gpt_neox, partial = neox || d.family == family::phi3;
    auto const named =
        neox ? agreed({{&config, "rotary_pct"}, {&config, "partial_rotary_factor"}, {&rope, "partial_rotary_factor"}})
             : agreed({{&config, "partial_rotary_factor"}, {&rope, "partial_rotary_factor"}});
    double const share = named ? named->object->positive(named->key) : neox ? 0.25 : 1;
    if (!partial && share != 1)
        named->object->unsupported(named->key, number_text(share), "1, since models of this kind rotate whole heads");
    if (share > 1)
        throw bad_file(named->object->path(), {"the rotated share of a head, ", named->object->spelled(named->key),
                                               ", must be at most 1, but is ", number_text(share)});
    if (share != 1)
        d.d_rotary = static_cast<int>(d.d_head * share);
}

/// Rotary embedding, old style (`rope_theta` and `rope_scaling` at the top) or new style (both in `rope_parameters`).
inline void read_rope(config_object& config, description& d, double usual_theta = 10000) {
    auto const none = nlohmann::json::object();
    auto const named = agreed({{&config, "rope_parameters"}, {&config, "rope_scaling"}});
    std::string const name(named ? named->key : "");
    config_object rope(named ? config.require(name) : none, config.file(), name);
    for (std::string const layers : {"full_attention", "sliding_attention"})
        if (rope.has(layers)) // null too, which would leave such layers without rotary embedding
            rope.unsupported(layers, "set for its layers alone", "one set of numbers for all layers");

    d.position = position::rope;
    auto const theta = d.family == family::gpt_neox
                           ? agreed({{&config, "rotary_emb_base"}, {&config, "rope_theta"}, {&rope, "rope_theta"}})
                           : agreed({{&config, "rope_theta"}, {&rope, "rope_theta"}});
    d.rope_theta = theta ? theta->object->positive(theta->key) : usual_theta;
    read_rotated_share(config, rope, d);
    read_rope_type(config, rope, d);
    rope.require_rest_known();
}

/// Rotary embedding of layers with and without a window: old style with `rope_theta`, `rope_local_base_freq` and a
/// `rope_scaling` of the layers without one, new style with an object for each kind in `rope_parameters`.
inline void read_rope_of_two_kinds(config_object& config, description& d) {
    auto const none = nlohmann::json::object();
    auto const inside = [&](config_object& of, std::string const& key, std::string const& path) {
        auto const* found = of.find(key);
        return config_object(found ? *found : none, config.file(), path);
    };
    auto both = inside(config, "rope_parameters", "rope_parameters");
    auto whole = inside(both, "full_attention", "rope_parameters.full_attention");
    auto window = inside(both, "sliding_attention", "rope_parameters.sliding_attention");
    auto scaling = inside(config, "rope_scaling", "rope_scaling");
    bool const old_style = config.find("rope_scaling") != nullptr;
    if (old_style && both.find("full_attention"))
        throw bad_file(config.path(), "'rope_scaling' and 'rope_parameters.full_attention' both name the rotary "
                                      "embedding of layers without a window; take one of them out");

    d.position = position::rope;
    auto const theta = agreed({{&config, "rope_theta"}, {&whole, "rope_theta"}});
    d.rope_theta = theta ? theta->object->positive(theta->key) : 1000000;
    auto const of_window = agreed({{&config, "rope_local_base_freq"}, {&window, "rope_theta"}});
    double const window_theta = of_window ? of_window->object->positive(of_window->key) : 10000;
    read_rope_type(config, old_style ? scaling : whole, d);
    if (auto const named = agreed({{&window, "rope_type"}, {&window, "type"}}))
        window.require_same(named->key, "default");
    if (d.window > 0)
        d.window_rope_theta = window_theta;
    for (auto* object : {&config, &whole, &window, &scaling})
        object->require_same("partial_rotary_factor", 1.0);
    for (auto const* object : {&both, &whole, &window, &scaling})
        object->require_rest_known();
}

} // namespace engraft::detail
