#include "law/families.hpp"
#include "law/properties.hpp"

TEST_CASE("laws of policies hold for any Qwen2 model", "[properties]") {
    properties::check_cases<families::qwen2>(100, properties::cases_of_each);
}
TEST_CASE("laws of policies hold for any Qwen3 model", "[properties]") {
    properties::check_cases<families::qwen3>(200, properties::cases_of_each);
}
