#include "law/families.hpp"
#include "law/sweeps.hpp"

TEST_CASE("sweeps of Gemma 2 models are what whole runs give", "[sweeps]") {
    sweeps::check_models<sweeps::exchanged, families::gemma2, eg::reference>(100, 6, 12);
    sweeps::check_models<sweeps::plain, families::gemma2, eg::cpu<eg::fp32>>(200, 6, 12);
}
