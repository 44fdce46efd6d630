#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include <engraft/core/error.hpp>
#include <engraft/io/config.hpp>
#include <engraft/io/linkage.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/model/description.hpp>

namespace engraft {

namespace detail {

inline std::string field_text(int value) { return std::to_string(value); }
inline std::string field_text(bool value) { return value ? "true" : "false"; }
inline std::string field_text(double value) { return number_text(value); }
inline std::string field_text(family value) {
    switch (value) {
    case family::llama:
        return "llama";
    case family::mistral:
        return "mistral";
    case family::qwen2:
        return "qwen2";
    case family::qwen3:
        return "qwen3";
    case family::gemma2:
        return "gemma2";
    case family::gpt2:
        return "gpt2";
    case family::gpt_neox:
        return "gpt_neox";
    }
    return "?";
}
inline std::string field_text(norm value) {
    switch (value) {
    case norm::rms:
        return "rms";
    case norm::layer:
        return "layer";
    }
    return "?";
}
inline std::string field_text(position value) {
    switch (value) {
    case position::rope:
        return "rope";
    case position::learned:
        return "learned";
    }
    return "?";
}
inline std::string field_text(mlp value) {
    switch (value) {
    case mlp::gated_silu:
        return "gated_silu";
    case mlp::gated_gelu_tanh:
        return "gated_gelu_tanh";
    case mlp::gelu:
        return "gelu";
    case mlp::gelu_tanh:
        return "gelu_tanh";
    }
    return "?";
}
inline std::string field_text(residual value) {
    switch (value) {
    case residual::sequential:
        return "sequential";
    case residual::parallel:
        return "parallel";
    }
    return "?";
}
inline std::string field_text(rope_scaling value) {
    switch (value) {
    case rope_scaling::none:
        return "none";
    case rope_scaling::llama3:
        return "llama3";
    }
    return "?";
}

} // namespace detail

ENGRAFT_IO void require_same(description const& expected, description const& read, std::string const& path) {
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
    compare("qk_norm", &description::qk_norm);
    compare("post_norms", &description::post_norms);
    compare("position", &description::position);
    compare("positions", &description::positions);
    compare("d_rotary", &description::d_rotary);
    compare("rope_theta", &description::rope_theta);
    compare("rope_scaling", &description::rope_scaling);
    compare("rope_factor", &description::rope_factor);
    compare("rope_low_freq_factor", &description::rope_low_freq_factor);
    compare("rope_high_freq_factor", &description::rope_high_freq_factor);
    compare("rope_original_context", &description::rope_original_context);
    compare("window", &description::window);
    compare("window_every", &description::window_every);
    compare("attention_scalar", &description::attention_scalar);
    compare("attention_softcap", &description::attention_softcap);
    compare("final_softcap", &description::final_softcap);
    compare("scaled_embedding", &description::scaled_embedding);
    compare("mlp", &description::mlp);
    compare("residual", &description::residual);
    compare("qkv_bias", &description::qkv_bias);
    compare("out_bias", &description::out_bias);
    compare("mlp_bias", &description::mlp_bias);
    compare("tied_unembedding", &description::tied_unembedding);
    if (!(aligned == expected))
        differences += differences.empty() ? "a field that has no name here" : "; and more";
    if (!differences.empty())
        throw bad_model({path, ": not the model '", std::string_view(expected.name),
                         "' that this program describes: ", differences});
}

} // namespace engraft
