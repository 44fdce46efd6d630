#pragma once

#include <engraft/core/numeric.hpp>

namespace engraft {

template <numeric_policy Numbers>
class cpu;

/// What a model computes with where a program names nothing else.
using default_backend = cpu<fp32>;

} // namespace engraft
