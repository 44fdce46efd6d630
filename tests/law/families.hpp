#pragma once

// A small model of each family, with what is its own: for laws that hold for any weights.

#include <engraft/model/description.hpp>

namespace families {

namespace eg = engraft;

inline constexpr eg::description llama{
    .name = "llama", .layers = 3, .d_model = 16, .heads = 4, .kv_heads = 2, .d_head = 4, .d_mlp = 24, .vocab = 31};

inline constexpr eg::description mistral{.name = "mistral",
                                         .family = eg::family::mistral,
                                         .layers = 2,
                                         .d_model = 16,
                                         .heads = 2,
                                         .kv_heads = 2,
                                         .d_head = 8,
                                         .d_mlp = 20,
                                         .vocab = 31,
                                         .window = 3};

inline constexpr eg::description qwen2{.name = "qwen2",
                                       .family = eg::family::qwen2,
                                       .layers = 2,
                                       .d_model = 16,
                                       .heads = 4,
                                       .kv_heads = 1,
                                       .d_head = 4,
                                       .d_mlp = 24,
                                       .vocab = 31,
                                       .norm_eps = 1e-6,
                                       .qkv_bias = true,
                                       .tied_unembedding = true};

inline constexpr eg::description qwen3{.name = "qwen3",
                                       .family = eg::family::qwen3,
                                       .layers = 2,
                                       .d_model = 12,
                                       .heads = 2,
                                       .kv_heads = 1,
                                       .d_head = 8,
                                       .d_mlp = 20,
                                       .vocab = 31,
                                       .norm_eps = 1e-6,
                                       .qk_norm = true};

inline constexpr eg::description gemma2{.name = "gemma2",
                                        .family = eg::family::gemma2,
                                        .layers = 3,
                                        .d_model = 16,
                                        .heads = 2,
                                        .kv_heads = 1,
                                        .d_head = 8,
                                        .d_mlp = 24,
                                        .vocab = 31,
                                        .norm_eps = 1e-6,
                                        .post_norms = true,
                                        .window = 4,
                                        .window_layers = "10",
                                        .attention_scalar = 8,
                                        .attention_softcap = 50,
                                        .final_softcap = 30,
                                        .scaled_embedding = true,
                                        .mlp = eg::mlp::gated_gelu_tanh,
                                        .tied_unembedding = true};

inline constexpr eg::description gpt2{.name = "gpt2",
                                      .family = eg::family::gpt2,
                                      .layers = 2,
                                      .d_model = 16,
                                      .heads = 4,
                                      .kv_heads = 4,
                                      .d_head = 4,
                                      .d_mlp = 32,
                                      .vocab = 31,
                                      .norm = eg::norm::layer,
                                      .position = eg::position::learned,
                                      .positions = 16,
                                      .mlp = eg::mlp::gelu_tanh,
                                      .qkv_bias = true,
                                      .out_bias = true,
                                      .mlp_bias = true,
                                      .tied_unembedding = true};

inline constexpr eg::description parallel{.name = "parallel",
                                          .family = eg::family::gpt_neox,
                                          .layers = 2,
                                          .d_model = 16,
                                          .heads = 2,
                                          .kv_heads = 2,
                                          .d_head = 8,
                                          .d_mlp = 32,
                                          .vocab = 31,
                                          .norm = eg::norm::layer,
                                          .d_rotary = 2,
                                          .mlp = eg::mlp::gelu,
                                          .residual = eg::residual::parallel,
                                          .qkv_bias = true,
                                          .out_bias = true,
                                          .mlp_bias = true};

inline constexpr eg::description sequential{.name = "sequential",
                                            .family = eg::family::gpt_neox,
                                            .layers = 2,
                                            .d_model = 16,
                                            .heads = 2,
                                            .kv_heads = 2,
                                            .d_head = 8,
                                            .d_mlp = 32,
                                            .vocab = 31,
                                            .norm = eg::norm::layer,
                                            .d_rotary = 4,
                                            .mlp = eg::mlp::gelu,
                                            .residual = eg::residual::sequential,
                                            .qkv_bias = true,
                                            .out_bias = true,
                                            .mlp_bias = true};

} // namespace families
