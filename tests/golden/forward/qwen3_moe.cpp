#include "catch.hpp"
#include "golden/models.hpp"
#include "golden/parity.hpp"

namespace eg = engraft;

TEST_CASE("every site of qwen3_moe is Hugging Face's, on the reference backend") {
    auto const [passed, lines] = parity::check<golden::qwen3_moe>(ENGRAFT_TEST_DATA "/data/qwen3_moe", eg::reference{});
    INFO(lines);
    CHECK(passed);
}

TEST_CASE("every site of qwen3_moe is Hugging Face's, on the cpu backend") {
    auto const [passed, lines] =
        parity::check<golden::qwen3_moe>(ENGRAFT_TEST_DATA "/data/qwen3_moe", eg::cpu<eg::fp32>(2));
    INFO(lines);
    CHECK(passed);
}
