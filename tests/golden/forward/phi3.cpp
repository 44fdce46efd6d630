#include "catch.hpp"
#include "golden/models.hpp"
#include "golden/parity.hpp"

namespace eg = engraft;

TEST_CASE("every site of phi3 is Hugging Face's, on the reference backend") {
    auto const [passed, lines] = parity::check<golden::phi3>(ENGRAFT_TEST_DATA "/data/phi3", eg::reference{});
    INFO(lines);
    CHECK(passed);
}

TEST_CASE("every site of phi3 is Hugging Face's, on the cpu backend") {
    auto const [passed, lines] = parity::check<golden::phi3>(ENGRAFT_TEST_DATA "/data/phi3", eg::cpu<eg::fp32>(2));
    INFO(lines);
    CHECK(passed);
}
