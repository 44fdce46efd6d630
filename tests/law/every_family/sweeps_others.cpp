#include "law/families.hpp"
#include "law/sweeps.hpp"

TEST_CASE("sweeps of Qwen2 models are what whole runs give", "[sweeps]") {
    sweeps::check_models<sweeps::plain, families::qwen2, eg::cpu<eg::fp32>>(200, 6, 8);
}
TEST_CASE("sweeps of Qwen3 models are what whole runs give", "[sweeps]") {
    sweeps::check_models<sweeps::plain, families::qwen3, eg::reference>(300, 6, 8);
    sweeps::check_models<sweeps::plain, families::qwen3, eg::cpu<eg::fp32>>(400, 6, 8);
}
TEST_CASE("sweeps of sequential GPT-NeoX models are what whole runs give", "[sweeps]") {
    sweeps::check_models<sweeps::plain, families::sequential, eg::cpu<eg::fp32>>(600, 6, 8);
}
