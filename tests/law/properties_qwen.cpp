#include "properties.hpp"

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
} // namespace

TEST_CASE("laws of policies hold for any Qwen2 model", "[properties]") {
    properties::check_cases<qwen2>(100, properties::cases_of_each);
}
TEST_CASE("laws of policies hold for any Qwen3 model", "[properties]") {
    properties::check_cases<qwen3>(200, properties::cases_of_each);
}
