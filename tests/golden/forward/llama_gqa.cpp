#include "catch.hpp"
#include "golden/models.hpp"
#include "golden/parity.hpp"

namespace eg = engraft;

TEST_CASE("every site of llama_gqa is Hugging Face's, on the reference backend") {
    auto const [passed, lines] = parity::check<golden::llama_gqa>(ENGRAFT_TEST_DATA "/data/llama_gqa", eg::reference{});
    INFO(lines);
    CHECK(passed);
}

TEST_CASE("every site of llama_gqa is Hugging Face's, on the cpu backend") {
    auto const [passed, lines] = parity::check<golden::llama_gqa>(ENGRAFT_TEST_DATA "/data/llama_gqa", eg::cpu<eg::fp32>(2));
    INFO(lines);
    CHECK(passed);
}
