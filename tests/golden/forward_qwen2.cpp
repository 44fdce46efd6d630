#include <sstream>

#include "catch.hpp"
#include "golden/parity.hpp"

namespace eg = engraft;

namespace {
inline constexpr eg::description qwen2{.name = "qwen2",
                                       .family = eg::family::qwen2,
                                       .layers = 3,
                                       .d_model = 36,
                                       .heads = 6,
                                       .kv_heads = 2,
                                       .d_head = 6,
                                       .d_mlp = 52,
                                       .vocab = 53,
                                       .norm_eps = 1e-6,
                                       .rope_theta = 1e6,
                                       .qkv_bias = true};

template <class Backend>
void check(Backend const& backend) {
    std::ostringstream lines;
    bool const passed = parity::check<qwen2>(ENGRAFT_TEST_DATA "/data/qwen2", backend, lines);
    INFO(lines.str());
    CHECK(passed);
}
} // namespace

TEST_CASE("every site of qwen2 is Hugging Face's, on the reference backend") { check(eg::reference{}); }

TEST_CASE("every site of qwen2 is Hugging Face's, on the cpu backend") { check(eg::cpu<eg::fp32>(2)); }
