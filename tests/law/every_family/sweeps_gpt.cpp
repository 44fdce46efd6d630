#include "law/sweeps.hpp"

namespace {
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
} // namespace

TEST_CASE("sweeps of GPT-2 models are what whole runs give", "[sweeps]") {
    sweeps::check_models<sweeps::exchanged, gpt2, eg::cpu<eg::fp32>>(100, 6, 12);
}
TEST_CASE("sweeps of parallel GPT-NeoX models are what whole runs give", "[sweeps]") {
    sweeps::check_models<sweeps::exchanged, parallel, eg::reference>(200, 6, 12);
}
