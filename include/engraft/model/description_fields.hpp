#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <type_traits>

#include <engraft/model/description.hpp>

namespace engraft {

/// Calls use(name, pointer to member) for every field of a description but its name, in their order.
template <class Use>
constexpr void for_each_field(Use const& use) {
    using d = description;
    use("family", &d::family);
    use("layers", &d::layers);
    use("d_model", &d::d_model);
    use("heads", &d::heads);
    use("kv_heads", &d::kv_heads);
    use("d_head", &d::d_head);
    use("d_mlp", &d::d_mlp);
    use("vocab", &d::vocab);
    use("vocab_out", &d::vocab_out);
    use("norm", &d::norm);
    use("norm_eps", &d::norm_eps);
    use("norm_gain", &d::norm_gain);
    use("qk_norm", &d::qk_norm);
    use("qk_norm_wide", &d::qk_norm_wide);
    use("pre_norms", &d::pre_norms);
    use("post_norms", &d::post_norms);
    use("position", &d::position);
    use("positions", &d::positions);
    use("d_rotary", &d::d_rotary);
    use("rope_theta", &d::rope_theta);
    use("rope_scaling", &d::rope_scaling);
    use("rope_factor", &d::rope_factor);
    use("rope_low_freq_factor", &d::rope_low_freq_factor);
    use("rope_high_freq_factor", &d::rope_high_freq_factor);
    use("rope_original_context", &d::rope_original_context);
    use("rope_beta_fast", &d::rope_beta_fast);
    use("rope_beta_slow", &d::rope_beta_slow);
    use("rope_whole_pairs", &d::rope_whole_pairs);
    use("rope_attention_factor", &d::rope_attention_factor);
    use("window_rope_theta", &d::window_rope_theta);
    use("bidirectional", &d::bidirectional);
    use("pad_token", &d::pad_token);
    use("window", &d::window);
    use("window_layers", &d::window_layers);
    use("attention_scalar", &d::attention_scalar);
    use("attention_softcap", &d::attention_softcap);
    use("final_softcap", &d::final_softcap);
    use("scaled_embedding", &d::scaled_embedding);
    use("mlp", &d::mlp);
    use("experts", &d::experts);
    use("experts_per_token", &d::experts_per_token);
    use("d_expert", &d::d_expert);
    use("normalized_experts", &d::normalized_experts);
    use("expert_layers", &d::expert_layers);
    use("residual", &d::residual);
    use("qkv_bias", &d::qkv_bias);
    use("out_bias", &d::out_bias);
    use("mlp_bias", &d::mlp_bias);
    use("unembedding_bias", &d::unembedding_bias);
    use("tied_unembedding", &d::tied_unembedding);
}

/// The names of an enumeration that stands in descriptions, as C++ has them.
template <class Choice>
struct choice;

template <>
struct choice<family> {
    static constexpr std::string_view type = "family";
    static constexpr std::array<std::string_view, 14> names{
        "llama",  "mistral", "qwen2", "qwen3",   "gemma2",    "gpt2",  "gpt_neox",
        "gemma3", "olmo2",   "phi3",  "mixtral", "qwen3_moe", "olmoe", "hooked_transformer"};
};
template <>
struct choice<norm> {
    static constexpr std::string_view type = "norm";
    static constexpr std::array<std::string_view, 3> names{"rms", "layer", "none"};
};
template <>
struct choice<position> {
    static constexpr std::string_view type = "position";
    static constexpr std::array<std::string_view, 2> names{"rope", "learned"};
};
template <>
struct choice<mlp> {
    static constexpr std::string_view type = "mlp";
    static constexpr std::array<std::string_view, 6> names{"gated_silu", "gated_gelu_tanh", "gelu", "gelu_tanh", "relu",
                                                           "none"};
};
template <>
struct choice<residual> {
    static constexpr std::string_view type = "residual";
    static constexpr std::array<std::string_view, 2> names{"sequential", "parallel"};
};
template <>
struct choice<rope_scaling> {
    static constexpr std::string_view type = "rope_scaling";
    static constexpr std::array<std::string_view, 4> names{"none", "llama3", "linear", "yarn"};
};

template <class Choice>
    requires std::is_enum_v<Choice>
constexpr std::string_view name_of(Choice value) {
    auto const& names = choice<Choice>::names;
    auto const at = static_cast<std::size_t>(value);
    return at < names.size() ? names[at] : "?";
}

} // namespace engraft
