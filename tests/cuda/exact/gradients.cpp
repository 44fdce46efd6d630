// The reference's part of tests/cuda/gradients.hpp: compiled once, and not by nvcc, which takes several times as long.

#include "cuda/gradients.hpp"

namespace gradients {

std::map<std::string, checks::numbers> const& exact() {
    static auto const found = through_policies(checks::random_model<small, eg::reference>(1));
    return found;
}

std::vector<eg::dcm_result> const& exactly_trained() {
    static auto const found = trained(checks::random_model<small, eg::reference>(1));
    return found;
}

} // namespace gradients
