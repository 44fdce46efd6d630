#include <sstream>

#include "catch.hpp"
#include "golden/parity.hpp"

namespace eg = engraft;

namespace {
inline constexpr eg::description gpt2{.name = "gpt2",
                                      .family = eg::family::gpt2,
                                      .layers = 3,
                                      .d_model = 32,
                                      .heads = 4,
                                      .kv_heads = 4,
                                      .d_head = 8,
                                      .d_mlp = 128,
                                      .vocab = 59,
                                      .norm = eg::norm::layer,
                                      .norm_eps = 1e-5,
                                      .position = eg::position::learned,
                                      .positions = 24,
                                      .mlp = eg::mlp::gelu_tanh,
                                      .qkv_bias = true,
                                      .out_bias = true,
                                      .mlp_bias = true,
                                      .tied_unembedding = true};

template <class Backend>
void check(Backend const& backend) {
    std::ostringstream lines;
    bool const passed = parity::check<gpt2>(ENGRAFT_TEST_DATA "/data/gpt2", backend, lines);
    INFO(lines.str());
    CHECK(passed);
}
} // namespace

TEST_CASE("every site of gpt2 is Hugging Face's, on the reference backend") { check(eg::reference{}); }

TEST_CASE("every site of gpt2 is Hugging Face's, on the cpu backend") { check(eg::cpu<eg::fp32>(2)); }
