#include "catch.hpp"
#include "golden/models.hpp"
#include "golden/parity.hpp"

namespace eg = engraft;

TEST_CASE("every site of gemma2 is Hugging Face's, on the cpu backend") {
    auto const [passed, lines] = parity::check<golden::gemma2>(ENGRAFT_TEST_DATA "/data/gemma2", eg::cpu<eg::fp32>(2));
    INFO(lines);
    CHECK(passed);
    CHECK(lines.find("not compared") == lines.npos);
}
