#include "law/sweeps.hpp"

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

TEST_CASE("sweeps of Llama models are what whole runs give", "[sweeps]") {
    sweeps::check_models<sweeps::exchanged, llama, eg::reference>(100, 6, 12);
    sweeps::check_models<sweeps::altered, llama, eg::cpu<eg::fp32>>(150, 6, 12);
}
TEST_CASE("sweeps of Mistral models are what whole runs give", "[sweeps]") {
    sweeps::check_models<sweeps::plain, mistral, eg::reference>(200, 6, 8);
    sweeps::check_models<sweeps::plain, mistral, eg::cpu<eg::fp32>>(300, 6, 8);
}
