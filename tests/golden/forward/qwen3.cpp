#include "catch.hpp"
#include "golden/models.hpp"
#include "golden/parity.hpp"

namespace eg = engraft;

TEST_CASE("every site of qwen3 is Hugging Face's, on the cpu backend") {
    auto const [passed, lines] = parity::check<golden::qwen3>(ENGRAFT_TEST_DATA "/data/qwen3", eg::cpu<eg::fp32>(2));
    INFO(lines);
    CHECK(passed);
    CHECK(lines.find("not compared") == lines.npos);
}
