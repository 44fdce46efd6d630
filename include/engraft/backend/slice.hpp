#pragma once

#include <cstddef>
#include <cstdint>

namespace engraft {

/// One contiguous piece of an activation to be overwritten: a head of a row, a row of a stream, a query position's
/// line of a pattern. Offsets and width count elements; `from` is unused where the new value is a constant.
struct slice_copy {
    std::uint64_t to = 0;
    std::uint64_t from = 0;
    std::uint32_t width = 0;
};

/// Rows [first, first + count) of a list of source rows whose mean makes one row: see backend `mean_rows`.
struct row_group {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
};

} // namespace engraft
