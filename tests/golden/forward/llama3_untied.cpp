#include "catch.hpp"
#include "golden/models.hpp"
#include "golden/parity.hpp"

namespace eg = engraft;

TEST_CASE("every site of llama3_untied is Hugging Face's, on the cpu backend") {
    auto const [passed, lines] =
        parity::check<golden::llama3_untied>(ENGRAFT_TEST_DATA "/data/llama3_untied", eg::cpu<eg::fp32>(2));
    INFO(lines);
    CHECK(passed);
    CHECK(lines.find("not compared") == lines.npos);
}
