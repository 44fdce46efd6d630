#include "catch.hpp"
#include "golden/models.hpp"
#include "golden/parity.hpp"

namespace eg = engraft;

TEST_CASE("every site of olmoe is Hugging Face's, on the reference backend") {
    auto const [passed, lines] = parity::check<golden::olmoe>(ENGRAFT_TEST_DATA "/data/olmoe", eg::reference{});
    INFO(lines);
    CHECK(passed);
}

TEST_CASE("every site of olmoe is Hugging Face's, on the cpu backend") {
    auto const [passed, lines] = parity::check<golden::olmoe>(ENGRAFT_TEST_DATA "/data/olmoe", eg::cpu<eg::fp32>(2));
    INFO(lines);
    CHECK(passed);
}
