// Compares a small model with what is known of it, on both backends. The model is what engraft_describe(... NAME n) made
// of the folder, and ENGRAFT_MODEL=n says so.
// usage: ground_truth FOLDER, with config.json, model.safetensors, cases.json and expected.safetensors as
// ground_truth.hpp describes them
// Prints a line per claim: what is known, and what came out.
// exit code 0: every claim holds; 1: some do not; 2: the folder can't be used

#include <exception>
#include <iostream>

#include "ground_truth.hpp"

#define ENGRAFT_TEXT_OF(x) #x
// clang-format off
#define ENGRAFT_HEADER_OF(x) ENGRAFT_TEXT_OF(engraft_models/x.hpp)
// clang-format on
#include ENGRAFT_HEADER_OF(ENGRAFT_MODEL)

int main(int count, char** arguments) try {
    if (count != 2) {
        std::cerr << "usage: ground_truth FOLDER\n";
        return 2;
    }
    bool const reference = ground_truth::check<ENGRAFT_MODEL>(arguments[1], engraft::reference{}, std::cout);
    bool const cpu = ground_truth::check<ENGRAFT_MODEL>(arguments[1], engraft::cpu<engraft::fp32>(), std::cout);
    std::cout << (reference && cpu ? "# every claim holds\n" : "# lines with FAILED do not hold\n");
    return reference && cpu ? 0 : 1;
} catch (std::exception const& e) {
    std::cerr << "ground_truth: " << e.what() << '\n';
    return 2;
}
