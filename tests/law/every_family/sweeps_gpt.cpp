#include "law/families.hpp"
#include "law/sweeps.hpp"

TEST_CASE("sweeps of GPT-2 models are what whole runs give", "[sweeps]") {
    sweeps::check_models<sweeps::exchanged, families::gpt2, eg::cpu<eg::fp32>>(100, 6, 12);
}
TEST_CASE("sweeps of parallel GPT-NeoX models are what whole runs give", "[sweeps]") {
    sweeps::check_models<sweeps::exchanged, families::parallel, eg::reference>(200, 6, 12);
}
