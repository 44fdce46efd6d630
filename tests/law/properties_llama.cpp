#include "law/families.hpp"
#include "law/properties.hpp"

TEST_CASE("laws of policies hold for any Llama model", "[properties]") {
    properties::check_cases<families::llama>(100, properties::cases_of_each);
}
TEST_CASE("laws of policies hold for any Mistral model", "[properties]") {
    properties::check_cases<families::mistral>(200, properties::cases_of_each);
}
