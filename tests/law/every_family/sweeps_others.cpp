#include "law/sweeps.hpp"

namespace {
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
} // namespace

TEST_CASE("sweeps of Qwen2 models are what whole runs give", "[sweeps]") {
    sweeps::check_models<sweeps::plain, qwen2, eg::cpu<eg::fp32>>(200, 6, 8);
}
TEST_CASE("sweeps of Qwen3 models are what whole runs give", "[sweeps]") {
    sweeps::check_models<sweeps::plain, qwen3, eg::reference>(300, 6, 8);
    sweeps::check_models<sweeps::plain, qwen3, eg::cpu<eg::fp32>>(400, 6, 8);
}
TEST_CASE("sweeps of sequential GPT-NeoX models are what whole runs give", "[sweeps]") {
    sweeps::check_models<sweeps::plain, sequential, eg::cpu<eg::fp32>>(600, 6, 8);
}
