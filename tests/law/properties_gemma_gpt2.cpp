#include "law/families.hpp"
#include "law/properties.hpp"

TEST_CASE("laws of policies hold for any Gemma 2 model", "[properties]") {
    properties::check_cases<families::gemma2>(100, properties::cases_of_each);
}
TEST_CASE("laws of policies hold for any GPT-2 model", "[properties]") {
    properties::check_cases<families::gpt2>(200, properties::cases_of_each);
}
