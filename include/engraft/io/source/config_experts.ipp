#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include <engraft/io/json.hpp>
#include <engraft/io/source/config_layers.ipp>
#include <engraft/io/source/config_llama_like.ipp>
#include <engraft/io/source/config_object.ipp>
#include <engraft/io/source/config_rope.ipp>
#include <engraft/model/description.hpp>

/// Configs of mixtures of experts.
namespace engraft::detail {

/// Of the training and of what a forward pass gives back.
inline constexpr std::string_view mixture_without_effect[] = {"output_router_logits", "router_aux_loss_coef",
                                                              "router_jitter_noise"};
inline constexpr std::string_view qwen3_moe_without_effect[] = {"max_window_layers", "output_router_logits",
                                                                "router_aux_loss_coef", "sliding_window"};

/// Experts in all layers, of the size that the config gives their MLPs.
inline void read_experts(config_object& config, description& d, int experts, int per_token) {
    auto const named = agreed({{&config, "num_experts"}, {&config, "num_local_experts"}});
    d.experts = named ? config.dimension(named->key) : experts;
    d.experts_per_token = config.dimension_or("num_experts_per_tok", per_token);
    d.d_expert = d.d_mlp;
    d.d_mlp = 0;
}

inline description read_mixtral_config(config_object& config) {
    auto d = read_llama_sizes(config, family::mixtral, 8);
    read_rope(config, d, 1000000);
    require_activation(config, "hidden_act", "silu");
    d.norm_eps = config.positive_or("rms_norm_eps", 1e-5);
    if (config.find("sliding_window"))
        d.window = config.dimension("sliding_window");
    read_experts(config, d, 8, 2);
    d.normalized_experts = true;
    return d;
}

/// Layer l has experts if l + 1 is a multiple of `decoder_sparse_step` and `mlp_only_layers` does not name it.
inline std::vector<bool> read_sparse_layers(config_object& config, int layers) {
    int const step = config.dimension_or("decoder_sparse_step", 1);
    std::vector<bool> sparse;
    for (int layer = 0; layer < layers; ++layer)
        sparse.push_back((layer + 1) % step == 0);
    if (auto const* plain = config.find("mlp_only_layers"))
        for (auto const& layer : as_array(*plain, "mlp_only_layers", config.path()))
            sparse[static_cast<std::size_t>(as_int(layer, "mlp_only_layers", config.path(), 0, layers - 1))] = false;
    return sparse;
}

inline description read_qwen3_moe_config(config_object& config) {
    auto d = read_llama_like(config, family::qwen3_moe, 4);
    require_activation(config, "hidden_act", "silu");
    d.qk_norm = true;
    d.qkv_bias = d.out_bias = config.flag_or("attention_bias", false);
    config.require_same("use_sliding_window", false);
    require_full_attention(config, d);
    auto const sparse = read_sparse_layers(config, d.layers);
    int const d_mlp = d.d_mlp, d_expert = config.dimension_or("moe_intermediate_size", 768);
    read_experts(config, d, 128, 8);
    d.normalized_experts = config.flag_or("norm_topk_prob", false);
    d.d_expert = d_expert;
    if (!has_any(sparse)) { // then there is no router
        d.experts = d.experts_per_token = d.d_expert = 0;
        d.normalized_experts = false;
    } else {
        d.expert_layers = pattern_of(sparse, "mlp_only_layers", config);
    }
    if (std::find(sparse.begin(), sparse.end(), false) != sparse.end())
        d.d_mlp = d_mlp;
    return d;
}

inline description read_olmoe_config(config_object& config) {
    auto d = read_llama_like(config, family::olmoe);
    require_activation(config, "hidden_act", "silu");
    d.norm_eps = config.positive_or("rms_norm_eps", 1e-5);
    d.qk_norm = d.qk_norm_wide = true;
    d.qkv_bias = d.out_bias = config.flag_or("attention_bias", false);
    config.require_same("clip_qkv", nullptr);
    read_experts(config, d, 64, 8);
    d.normalized_experts = config.flag_or("norm_topk_prob", false);
    return d;
}

} // namespace engraft::detail
