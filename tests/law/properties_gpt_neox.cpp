#include "law/families.hpp"
#include "law/properties.hpp"

TEST_CASE("laws of policies hold for any parallel GPT-NeoX model", "[properties]") {
    properties::check_cases<families::parallel>(100, properties::cases_of_each);
}
TEST_CASE("laws of policies hold for any sequential GPT-NeoX model", "[properties]") {
    properties::check_cases<families::sequential>(200, properties::cases_of_each);
}
