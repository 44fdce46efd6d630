#include "law/families.hpp"
#include "law/properties.hpp"

TEST_CASE("laws of policies hold for any Llama model", "[properties]") {
    properties::check_cases<families::llama, eg::cpu<eg::fp32>>(100);
}
TEST_CASE("laws of policies hold for any Mistral model", "[properties]") {
    properties::check_cases<families::mistral, eg::reference>(200);
}
