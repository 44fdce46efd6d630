#pragma once

#include <vector>

#include "../json.hpp"

#include "experiment.hpp"

namespace paper {

/// Says what each experiment would take, as a table on standard output, without weights: the models' configurations are
/// enough. flops_per_second: what times are estimated with. Returns the same as JSON. throws as `plan_lab`
example::json plan(settings const& chosen, published const& numbers, std::vector<experiment const*> const& experiments,
                   double flops_per_second);

} // namespace paper
