#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <engraft/intervene/where.hpp>
#include <engraft/model/description.hpp>

namespace engraft {

/// A dimension of a sweep's results.
struct axis {
    std::string name;
    std::size_t size;
};

/// What a sweep goes through: one policy is made of each entry. The entries are in row-major order of the axes.
template <class Entry>
struct table {
    std::vector<axis> axes;
    std::vector<Entry> entries;
};

/// Each head of each layer. axes [layer, head]
template <description const& D>
table<node> each_head() {
    table<node> t{{{"layer", std::size_t(D.layers)}, {"head", std::size_t(D.heads)}}, {}};
    for (int l = 0; l < D.layers; ++l)
        for (int h = 0; h < D.heads; ++h)
            t.entries.push_back({l, h});
    return t;
}

/// Each layer. axes [layer]
template <description const& D>
table<int> each_layer() {
    table<int> t{{{"layer", std::size_t(D.layers)}}, {}};
    for (int l = 0; l < D.layers; ++l)
        t.entries.push_back(l);
    return t;
}

/// A layer and a position.
struct layer_position {
    int layer;
    std::size_t position;
};

/// Each layer and each of the first `positions` positions. axes [layer, position]
template <description const& D>
table<layer_position> each_layer_position(std::size_t positions) {
    table<layer_position> t{{{"layer", std::size_t(D.layers)}, {"position", positions}}, {}};
    for (int l = 0; l < D.layers; ++l)
        for (std::size_t p = 0; p < positions; ++p)
            t.entries.push_back({l, p});
    return t;
}

} // namespace engraft
