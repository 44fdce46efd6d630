#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace engraft {

/// What a run kept of a site, as one array on the host with labels for its axes. The rows are those that were captured,
/// ordered by example, then position. There is an axis `head` if the site has heads.
/// shape of `values` [layers, rows, heads, elements] or [layers, rows, elements]
template <class T>
struct kept_array {
    std::vector<std::string> axes;       ///< "layer", "row", "head", "element" ("key" of patterns)
    std::vector<std::int64_t> layers;    ///< the layer of each entry of axis `layer`
    std::vector<std::int64_t> examples;  ///< the example of each entry of axis `row`
    std::vector<std::int64_t> positions; ///< and its position there, from the beginning
    std::vector<std::size_t> shape;
    std::vector<T> values; ///< row-major
};

} // namespace engraft
