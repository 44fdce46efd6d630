#include "catch.hpp"
#include "golden/models.hpp"
#include "golden/parity.hpp"

namespace eg = engraft;

TEST_CASE("every site of llama_mha is Hugging Face's, on the reference backend") {
    auto const [passed, lines] = parity::check<golden::llama_mha>(ENGRAFT_TEST_DATA "/data/llama_mha", eg::reference{});
    INFO(lines);
    CHECK(passed);
}

TEST_CASE("every site of llama_mha is Hugging Face's, on the cpu backend") {
    auto const [passed, lines] = parity::check<golden::llama_mha>(ENGRAFT_TEST_DATA "/data/llama_mha", eg::cpu<eg::fp32>(2));
    INFO(lines);
    CHECK(passed);
}
