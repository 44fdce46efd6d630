#include <sstream>

#include "catch.hpp"
#include "golden/interventions.hpp"
#include "golden/models.hpp"

namespace eg = engraft;

TEST_CASE("interventions in llama_mha give the numbers of an independent implementation") {
    for (std::string const kind :
         {"activation_patching", "knockout", "mean_ablation", "path_patching", "cross_model", "gradients", "dcm"}) {
        auto const folder = ENGRAFT_TEST_DATA "/data/llama_mha_" + kind;
        std::ostringstream lines;
        bool const reference = interventions::check<golden::llama_mha>(folder, eg::reference{}, lines);
        bool const cpu =
            interventions::check<golden::llama_mha, eg::cpu<eg::fp32>, false>(folder, eg::cpu<eg::fp32>(2), lines);
        INFO(lines.str());
        CHECK(reference);
        CHECK(cpu);
    }
}
