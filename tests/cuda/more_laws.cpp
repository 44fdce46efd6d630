// Laws of sweeps by the CUDA backend's kernels on the host: many compositions, so in the preset long only.

#ifdef ENGRAFT_LONG_TESTS
#include "cuda/host_launch.hpp"
#include "law/sweeps.hpp"

template <engraft::numeric_policy Numbers>
using on_host = engraft::launched<Numbers, host_launch>;

namespace {
inline constexpr eg::description llama{
    .name = "llama", .layers = 2, .d_model = 16, .heads = 4, .kv_heads = 2, .d_head = 4, .d_mlp = 24, .vocab = 31};
} // namespace

TEST_CASE("sweeps by kernels on the host are what whole runs give", "[cuda]") {
    sweeps::check_models<sweeps::exchanged, llama, on_host<eg::fp32>>(700, 2, 12);
    sweeps::check_models<sweeps::altered, llama, on_host<eg::fp32>>(750, 2, 12);
}
#endif
