#include "law/families.hpp"
#include "law/sweeps.hpp"

TEST_CASE("sweeps of Llama models are what whole runs give", "[sweeps]") {
    sweeps::check_models<sweeps::exchanged, families::llama, eg::reference>(100, 6, 12);
    sweeps::check_models<sweeps::altered, families::llama, eg::cpu<eg::fp32>>(150, 6, 12);
}
TEST_CASE("sweeps of Mistral models are what whole runs give", "[sweeps]") {
    sweeps::check_models<sweeps::plain, families::mistral, eg::reference>(200, 6, 8);
    sweeps::check_models<sweeps::plain, families::mistral, eg::cpu<eg::fp32>>(300, 6, 8);
}
