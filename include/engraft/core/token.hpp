#pragma once

#include <cstdint>

namespace engraft {

/// Index of a token in a vocabulary.
using token = std::int32_t;

} // namespace engraft
