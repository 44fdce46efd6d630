#pragma once

#include <cstddef>

namespace engraft {

/// Bytes [begin, end) of a text; none where both are equal.
struct byte_range {
    std::size_t begin = 0, end = 0;

    bool empty() const { return begin >= end; }

    friend bool operator==(byte_range const&, byte_range const&) = default;
};

} // namespace engraft
