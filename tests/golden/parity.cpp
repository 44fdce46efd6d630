// Compares every site of the model in a folder with the numbers of another implementation, on both backends. The model
// is what engraft_describe(... NAME n) made of the folder, and ENGRAFT_MODEL=n says so.
// usage: parity FOLDER, with config.json, model.safetensors and expected.safetensors as data/README.md describes it
// Prints a line per site and layer: site, layer, largest difference, and that as a share of the largest number.
// exit code 0: all are within the tolerance; 1: some are not; 2: the folder can't be used

#include <exception>
#include <iostream>

#include "parity.hpp"

#define ENGRAFT_TEXT_OF(x) #x
// clang-format off
#define ENGRAFT_HEADER_OF(x) ENGRAFT_TEXT_OF(engraft_models/x.hpp)
// clang-format on
#include ENGRAFT_HEADER_OF(ENGRAFT_MODEL)

int main(int count, char** arguments) try {
    if (count != 2) {
        std::cerr << "usage: parity FOLDER\n";
        return 2;
    }
    bool const reference = parity::check<ENGRAFT_MODEL>(arguments[1], engraft::reference{}, std::cout);
    bool const cpu = parity::check<ENGRAFT_MODEL>(arguments[1], engraft::cpu<engraft::fp32>(), std::cout);
    std::cout << (reference && cpu ? "# every site agrees\n" : "# lines with FAILED differ\n");
    return reference && cpu ? 0 : 1;
} catch (std::exception const& e) {
    std::cerr << "parity: " << e.what() << '\n';
    return 2;
}
