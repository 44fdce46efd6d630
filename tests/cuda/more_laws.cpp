// Laws of more compositions: in the preset long only.

#include "law/families.hpp"
#include "law/sweeps.hpp"

TEST_CASE("sweeps of more policies are what whole runs give", "[cuda]") {
    sweeps::check_models<sweeps::exchanged, families::llama, eg::cuda<eg::fp32>>(700, 2, 12);
    sweeps::check_models<sweeps::altered, families::llama, eg::cuda<eg::fp32>>(750, 2, 12);
}
