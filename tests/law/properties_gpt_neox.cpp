#include "law/families.hpp"
#include "law/properties.hpp"

TEST_CASE("laws of policies hold for any parallel GPT-NeoX model", "[properties]") {
    properties::check_cases<families::parallel, eg::cpu<eg::fp32>>(100);
}
TEST_CASE("laws of policies hold for any sequential GPT-NeoX model", "[properties]") {
    properties::check_cases<families::sequential, eg::reference>(200);
}
