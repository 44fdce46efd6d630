#include "properties.hpp"

namespace {
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
} // namespace

TEST_CASE("laws of policies hold for any Llama model", "[properties]") {
    properties::check_cases<llama>(100, properties::cases_of_each);
}
TEST_CASE("laws of policies hold for any Mistral model", "[properties]") {
    properties::check_cases<mistral>(200, properties::cases_of_each);
}
