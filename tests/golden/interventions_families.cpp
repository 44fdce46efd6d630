#include <sstream>

#include "catch.hpp"
#include "golden/interventions.hpp"
#include "golden/models.hpp"

namespace eg = engraft;

namespace {

template <eg::description const& D>
void check_interventions(std::string const& model) {
    for (std::string const kind : {"activation_patching", "knockout", "mean_ablation", "path_patching", "gradients"}) {
        auto const folder = ENGRAFT_TEST_DATA "/data/" + model + "_" + kind;
        std::ostringstream lines;
        bool const reference = interventions::check<D>(folder, eg::reference{}, lines);
        bool const cpu = interventions::check<D, eg::cpu<eg::fp32>, false>(folder, eg::cpu<eg::fp32>(2), lines);
        INFO(lines.str());
        CHECK(reference);
        CHECK(cpu);
    }
}

} // namespace

TEST_CASE("interventions in gemma3_text give the numbers of an independent implementation") {
    check_interventions<golden::gemma3_text>("gemma3_text");
}

TEST_CASE("interventions in qwen3_moe give the numbers of an independent implementation") {
    check_interventions<golden::qwen3_moe>("qwen3_moe");
}
