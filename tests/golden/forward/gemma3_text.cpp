#include "catch.hpp"
#include "golden/models.hpp"
#include "golden/parity.hpp"

namespace eg = engraft;

TEST_CASE("every site of gemma3_text is Hugging Face's, on the reference backend") {
    auto const [passed, lines] =
        parity::check<golden::gemma3_text>(ENGRAFT_TEST_DATA "/data/gemma3_text", eg::reference{});
    INFO(lines);
    CHECK(passed);
}

TEST_CASE("every site of gemma3_text is Hugging Face's, on the cpu backend") {
    auto const [passed, lines] =
        parity::check<golden::gemma3_text>(ENGRAFT_TEST_DATA "/data/gemma3_text", eg::cpu<eg::fp32>(2));
    INFO(lines);
    CHECK(passed);
}
