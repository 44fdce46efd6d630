#include "catch.hpp"
#include "golden/models.hpp"
#include "golden/parity.hpp"

namespace eg = engraft;

TEST_CASE("every site of mixtral is Hugging Face's, on the reference backend") {
    auto const [passed, lines] = parity::check<golden::mixtral>(ENGRAFT_TEST_DATA "/data/mixtral", eg::reference{});
    INFO(lines);
    CHECK(passed);
}

TEST_CASE("every site of mixtral is Hugging Face's, on the cpu backend") {
    auto const [passed, lines] =
        parity::check<golden::mixtral>(ENGRAFT_TEST_DATA "/data/mixtral", eg::cpu<eg::fp32>(2));
    INFO(lines);
    CHECK(passed);
}
