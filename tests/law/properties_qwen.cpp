#include "law/families.hpp"
#include "law/properties.hpp"

TEST_CASE("laws of policies hold for any Qwen2 model", "[properties]") {
    properties::check_cases<families::qwen2, eg::cpu<eg::fp32>>(100);
}
TEST_CASE("laws of policies hold for any Qwen3 model", "[properties]") {
    properties::check_cases<families::qwen3, eg::reference>(200);
}
