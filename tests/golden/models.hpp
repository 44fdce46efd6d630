#pragma once

#include <engraft/model/description.hpp>

// The models of data/: small, with weights at random, and numbers that Hugging Face makes of them.
namespace golden {

namespace eg = engraft;

inline constexpr eg::description llama_mha{.name = "llama_mha",
                                           .layers = 4,
                                           .d_model = 32,
                                           .heads = 4,
                                           .kv_heads = 4,
                                           .d_head = 8,
                                           .d_mlp = 56,
                                           .vocab = 61,
                                           .norm_eps = 1e-6};

inline constexpr eg::description llama_gqa{.name = "llama_gqa",
                                           .layers = 3,
                                           .d_model = 32,
                                           .heads = 4,
                                           .kv_heads = 2,
                                           .d_head = 8,
                                           .d_mlp = 48,
                                           .vocab = 67,
                                           .norm_eps = 1e-5,
                                           .rope_theta = 500,
                                           .rope_scaling = eg::rope_scaling::llama3,
                                           .rope_factor = 8,
                                           .rope_low_freq_factor = 1,
                                           .rope_high_freq_factor = 4,
                                           .rope_original_context = 64,
                                           .tied_unembedding = true};

inline constexpr eg::description qwen2{.name = "qwen2",
                                       .family = eg::family::qwen2,
                                       .layers = 3,
                                       .d_model = 36,
                                       .heads = 6,
                                       .kv_heads = 2,
                                       .d_head = 6,
                                       .d_mlp = 52,
                                       .vocab = 53,
                                       .norm_eps = 1e-6,
                                       .rope_theta = 1e6,
                                       .qkv_bias = true};

inline constexpr eg::description gpt2{.name = "gpt2",
                                      .family = eg::family::gpt2,
                                      .layers = 3,
                                      .d_model = 32,
                                      .heads = 4,
                                      .kv_heads = 4,
                                      .d_head = 8,
                                      .d_mlp = 128,
                                      .vocab = 59,
                                      .norm = eg::norm::layer,
                                      .norm_eps = 1e-5,
                                      .position = eg::position::learned,
                                      .positions = 24,
                                      .mlp = eg::mlp::gelu_tanh,
                                      .qkv_bias = true,
                                      .out_bias = true,
                                      .mlp_bias = true,
                                      .tied_unembedding = true};

inline constexpr eg::description gpt_neox{.name = "gpt_neox",
                                          .family = eg::family::gpt_neox,
                                          .layers = 3,
                                          .d_model = 32,
                                          .heads = 2,
                                          .kv_heads = 2,
                                          .d_head = 16,
                                          .d_mlp = 64,
                                          .vocab = 57,
                                          .norm = eg::norm::layer,
                                          .norm_eps = 1e-5,
                                          .d_rotary = 4,
                                          .mlp = eg::mlp::gelu,
                                          .residual = eg::residual::parallel,
                                          .qkv_bias = true,
                                          .out_bias = true,
                                          .mlp_bias = true};

} // namespace golden
