// Laws of more compositions, so in the preset long only.

#ifdef ENGRAFT_LONG_TESTS
#include "law/sweeps.hpp"

namespace {
inline constexpr eg::description llama{
    .name = "llama", .layers = 2, .d_model = 16, .heads = 4, .kv_heads = 2, .d_head = 4, .d_mlp = 24, .vocab = 31};
} // namespace

TEST_CASE("sweeps of more policies are what whole runs give", "[cuda]") {
    sweeps::check_models<sweeps::exchanged, llama, eg::cuda<eg::fp32>>(700, 2, 12);
    sweeps::check_models<sweeps::altered, llama, eg::cuda<eg::fp32>>(750, 2, 12);
}
#endif
