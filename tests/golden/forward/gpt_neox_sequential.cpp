#include "catch.hpp"
#include "golden/models.hpp"
#include "golden/parity.hpp"

namespace eg = engraft;

TEST_CASE("every site of gpt_neox_sequential is Hugging Face's, on the cpu backend") {
    auto const [passed, lines] =
        parity::check<golden::gpt_neox_sequential>(ENGRAFT_TEST_DATA "/data/gpt_neox_sequential", eg::cpu<eg::fp32>(2));
    INFO(lines);
    CHECK(passed);
    CHECK(lines.find("not compared") == lines.npos);
}
