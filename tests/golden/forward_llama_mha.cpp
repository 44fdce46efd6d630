#include <sstream>

#include "catch.hpp"
#include "golden/parity.hpp"

namespace eg = engraft;

namespace {
inline constexpr eg::description llama_mha{.name = "llama_mha",
                                           .layers = 4,
                                           .d_model = 32,
                                           .heads = 4,
                                           .kv_heads = 4,
                                           .d_head = 8,
                                           .d_mlp = 56,
                                           .vocab = 61,
                                           .norm_eps = 1e-6};

template <class Backend>
void check(Backend const& backend) {
    std::ostringstream lines;
    bool const passed = parity::check<llama_mha>(ENGRAFT_TEST_DATA "/data/llama_mha", backend, lines);
    INFO(lines.str());
    CHECK(passed);
}
} // namespace

TEST_CASE("every site of llama_mha is Hugging Face's, on the reference backend") { check(eg::reference{}); }

TEST_CASE("every site of llama_mha is Hugging Face's, on the cpu backend") { check(eg::cpu<eg::fp32>(2)); }
