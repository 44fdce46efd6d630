#include "catch.hpp"
#include "golden/models.hpp"
#include "golden/parity.hpp"

namespace eg = engraft;

TEST_CASE("every site of olmo2 is Hugging Face's, on the reference backend") {
    auto const [passed, lines] = parity::check<golden::olmo2>(ENGRAFT_TEST_DATA "/data/olmo2", eg::reference{});
    INFO(lines);
    CHECK(passed);
}

TEST_CASE("every site of olmo2 is Hugging Face's, on the cpu backend") {
    auto const [passed, lines] = parity::check<golden::olmo2>(ENGRAFT_TEST_DATA "/data/olmo2", eg::cpu<eg::fp32>(2));
    INFO(lines);
    CHECK(passed);
}
