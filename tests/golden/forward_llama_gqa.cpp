#include <sstream>

#include "catch.hpp"
#include "golden/parity.hpp"

namespace eg = engraft;

namespace {
inline constexpr eg::description llama_gqa{.name = "llama_gqa",
                                           .layers = 3,
                                           .d_model = 32,
                                           .heads = 4,
                                           .kv_heads = 2,
                                           .d_head = 8,
                                           .d_mlp = 48,
                                           .vocab = 67,
                                           .norm_eps = 1e-5,
                                           .rope_theta = 500,
                                           .rope_scaling = eg::rope_scaling::llama3,
                                           .rope_factor = 8,
                                           .rope_low_freq_factor = 1,
                                           .rope_high_freq_factor = 4,
                                           .rope_original_context = 64,
                                           .tied_unembedding = true};

template <class Backend>
void check(Backend const& backend) {
    std::ostringstream lines;
    bool const passed = parity::check<llama_gqa>(ENGRAFT_TEST_DATA "/data/llama_gqa", backend, lines);
    INFO(lines.str());
    CHECK(passed);
}
} // namespace

TEST_CASE("every site of llama_gqa is Hugging Face's, on the reference backend") { check(eg::reference{}); }

TEST_CASE("every site of llama_gqa is Hugging Face's, on the cpu backend") { check(eg::cpu<eg::fp32>(2)); }
