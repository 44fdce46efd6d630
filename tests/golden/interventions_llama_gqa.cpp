#include <sstream>

#include "catch.hpp"
#include "golden/interventions.hpp"
#include "golden/models.hpp"

namespace eg = engraft;

TEST_CASE("interventions in llama_gqa give the numbers of an independent implementation") {
    for (std::string const kind :
         {"activation_patching", "knockout", "mean_ablation", "path_patching", "gradients", "dcm"}) {
        auto const folder = ENGRAFT_TEST_DATA "/data/llama_gqa_" + kind;
        std::ostringstream lines;
        bool const reference =
            interventions::check<golden::llama_gqa, eg::reference, false>(folder, eg::reference{}, lines);
        bool const cpu = interventions::check<golden::llama_gqa>(folder, eg::cpu<eg::fp32>(2), lines);
        INFO(lines.str());
        CHECK(reference);
        CHECK(cpu);
    }
}
