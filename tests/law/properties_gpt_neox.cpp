#include "properties.hpp"

namespace {
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
} // namespace

TEST_CASE("laws of policies hold for any parallel GPT-NeoX model", "[properties]") {
    properties::check_cases<parallel>(100, properties::cases_of_each);
}
TEST_CASE("laws of policies hold for any sequential GPT-NeoX model", "[properties]") {
    properties::check_cases<sequential>(200, properties::cases_of_each);
}
