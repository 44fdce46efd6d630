#include <engraft/backend/planning.hpp>

#include "lab_circuits.hpp"
#include "lab_discovery.hpp"
#include "lab_masks.hpp"
#include "lab_sweeps.hpp"

#include "../described.hpp"

namespace paper {

std::unique_ptr<lab> plan_lab(settings const& chosen) {
    return std::make_unique<lab_of<described, eg::planning>>(chosen);
}

} // namespace paper
