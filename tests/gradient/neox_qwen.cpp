#include "gradient/family.hpp"

namespace {
inline constexpr eg::description gpt_neox{.name = "gpt_neox",
                                          .family = eg::family::gpt_neox,
                                          .layers = 2,
                                          .d_model = 12,
                                          .heads = 2,
                                          .kv_heads = 2,
                                          .d_head = 6,
                                          .d_mlp = 20,
                                          .vocab = 19,
                                          .norm = eg::norm::layer,
                                          .d_rotary = 2,
                                          .mlp = eg::mlp::gelu,
                                          .residual = eg::residual::parallel,
                                          .qkv_bias = true,
                                          .out_bias = true,
                                          .mlp_bias = true};
inline constexpr eg::description qwen3{.name = "qwen3",
                                       .family = eg::family::qwen3,
                                       .layers = 2,
                                       .d_model = 12,
                                       .heads = 4,
                                       .kv_heads = 2,
                                       .d_head = 4,
                                       .d_mlp = 20,
                                       .vocab = 19,
                                       .norm_eps = 1e-6,
                                       .qk_norm = true};
} // namespace

TEST_CASE("gradients of a log-probability in a GPT-NeoX model") {
    checks::check_family<gpt_neox>({eg::log_probability({3, 1, 4}), {-1, 0, -1}, {1, 3, 1}});
}
TEST_CASE("gradients of a logit in a Qwen3 model") {
    checks::check_family<qwen3>({eg::logit({3, 1, 4}), {-1, 0, 3}, {1, 1, 1}});
}
