#pragma once

#include <cstdint>

namespace engraft {

/// A row whose attention is computed beside a clean run: it sees the clean keys and values of its example, except at
/// the positions for which its case has rows of its own.
struct attention_row {
    std::uint32_t query = 0;     ///< its row of the queries
    std::uint32_t out = 0;       ///< its row of z
    std::uint32_t example = 0;   ///< of the clean run
    std::uint32_t position = 0;  ///< its own; what it sees from there is attention_shape's
    std::uint32_t own_first = 0; ///< of the case's own keys and values, one row behind the other by position
    std::uint32_t own_count = 0;
};

} // namespace engraft
