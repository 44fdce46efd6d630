#include "law/families.hpp"
#include "law/properties.hpp"

TEST_CASE("laws of policies hold for any Gemma 3 model", "[properties]") {
    properties::check_cases<families::gemma3, eg::cpu<eg::fp32>>(100);
}
TEST_CASE("laws of policies hold for any OLMo 2 model", "[properties]") {
    properties::check_cases<families::olmo2, eg::reference>(200);
}
TEST_CASE("laws of policies hold for any mixture of experts", "[properties]") {
    properties::check_cases<families::qwen3_moe, eg::cpu<eg::fp32>>(300);
}
TEST_CASE("laws of policies hold for any bidirectional model without norms", "[properties]") {
    properties::check_cases<families::bidirectional, eg::reference>(400);
}
