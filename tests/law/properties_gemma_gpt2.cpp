#include "law/families.hpp"
#include "law/properties.hpp"

TEST_CASE("laws of policies hold for any Gemma 2 model", "[properties]") {
    properties::check_cases<families::gemma2, eg::cpu<eg::fp32>>(100);
}
TEST_CASE("laws of policies hold for any GPT-2 model", "[properties]") {
    properties::check_cases<families::gpt2, eg::reference>(200);
}
