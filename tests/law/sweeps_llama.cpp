#include "law/sweeps.hpp"

namespace {
inline constexpr eg::description llama{
    .name = "llama", .layers = 3, .d_model = 16, .heads = 4, .kv_heads = 2, .d_head = 4, .d_mlp = 24, .vocab = 31};
} // namespace

TEST_CASE("sweeps of Llama models are what whole runs give", "[sweeps]") {
    sweeps::check_models<sweeps::exchanged, llama, eg::reference>(100, 8, 12);
}
