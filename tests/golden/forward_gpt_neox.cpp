#include <sstream>

#include "catch.hpp"
#include "golden/parity.hpp"

namespace eg = engraft;

namespace {
inline constexpr eg::description gpt_neox{.name = "gpt_neox",
                                          .family = eg::family::gpt_neox,
                                          .layers = 3,
                                          .d_model = 32,
                                          .heads = 2,
                                          .kv_heads = 2,
                                          .d_head = 16,
                                          .d_mlp = 64,
                                          .vocab = 57,
                                          .norm = eg::norm::layer,
                                          .norm_eps = 1e-5,
                                          .d_rotary = 4,
                                          .mlp = eg::mlp::gelu,
                                          .residual = eg::residual::parallel,
                                          .qkv_bias = true,
                                          .out_bias = true,
                                          .mlp_bias = true};

template <class Backend>
void check(Backend const& backend) {
    std::ostringstream lines;
    bool const passed = parity::check<gpt_neox>(ENGRAFT_TEST_DATA "/data/gpt_neox", backend, lines);
    INFO(lines.str());
    CHECK(passed);
}
} // namespace

TEST_CASE("every site of gpt_neox is Hugging Face's, on the reference backend") { check(eg::reference{}); }

TEST_CASE("every site of gpt_neox is Hugging Face's, on the cpu backend") { check(eg::cpu<eg::fp32>(2)); }
