// Does the interventions of a case in both ways, in whole runs and in sweeps, and compares with the numbers of another
// implementation, on both backends. The model is what engraft_describe(... NAME n) made of the case's model, and
// ENGRAFT_MODEL=n says so.
// usage: interventions FOLDER, with case.json and expected.safetensors as data/README.md describes them
// Prints a line per tensor and way: name, largest difference, and that as a share of the largest number.
// exit code 0: all are within the tolerance; 1: some are not; 2: the folder can't be used

#include <exception>
#include <iostream>

#include "interventions.hpp"

#define ENGRAFT_TEXT_OF(x) #x
// clang-format off
#define ENGRAFT_HEADER_OF(x) ENGRAFT_TEXT_OF(engraft_models/x.hpp)
// clang-format on
#include ENGRAFT_HEADER_OF(ENGRAFT_MODEL)

int main(int count, char** arguments) try {
    if (count != 2) {
        std::cerr << "usage: interventions FOLDER\n";
        return 2;
    }
    bool const reference = interventions::check<ENGRAFT_MODEL>(arguments[1], engraft::reference{}, std::cout);
    bool const cpu = interventions::check<ENGRAFT_MODEL>(arguments[1], engraft::cpu<engraft::fp32>(), std::cout);
    std::cout << (reference && cpu ? "# every number agrees\n" : "# lines with FAILED differ\n");
    return reference && cpu ? 0 : 1;
} catch (std::exception const& e) {
    std::cerr << "interventions: " << e.what() << '\n';
    return 2;
}
