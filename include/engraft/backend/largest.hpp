#pragma once

#include <algorithm>
#include <cstddef>

namespace engraft {

/// Where the largest of a row's elements stands, the first of equals; if the row has a NaN, where the first one stands.
template <class T>
std::size_t largest_column(T const* row, std::size_t columns) {
    auto const below = [](T a, T b) { return a < b || (b != b && a == a); };
    return static_cast<std::size_t>(std::max_element(row, row + columns, below) - row);
}

} // namespace engraft
