#pragma once

#include <string>
#include <vector>

#include <engraft/model/families.hpp>

namespace engraft {

namespace detail {

/// Stands where a backend stands in `weights`: a linear map is the note where a checkpoint has it, all else is empty.
struct layout_backend {
    using value_type = float;
    using memory_type = host_memory;
    using linear_map = stored_map;
};

struct layout_reader {
    using vector_type = vector_tensor<float, host_memory>;

    bool contains(std::string const&) const { return true; }
    vector_type vector(std::string const&, int) const { return {}; }
    vector_type vector_plus_one(std::string const&, int) const { return {}; }
    vector_type constant(int, double) const { return {}; }
    matrix_tensor<float, host_memory> table(std::string const&, int, int) const { return {}; }
    stored_map linear(stored_map map) const { return map; }
};

} // namespace detail

/// Where checkpoints of a description's family have each linear map: `layout.blocks[3].q.weight` is a tensor's name.
template <description const& D>
using map_layout = weights<D, detail::layout_backend>;

template <description const& D>
map_layout<D> layout_of() {
    detail::layout_reader reader;
    return family_of<D>::template read<map_layout<D>>(D, reader);
}

/// All linear maps of a layout but an unembedding that is the embedding's own matrix.
template <description const& D>
std::vector<stored_map> maps_of(map_layout<D> const& layout) {
    std::vector<stored_map> maps;
    auto const add = [&](auto const&... map) { ((map.weight.empty() ? void() : maps.push_back(map)), ...); };
    for (auto const& block : layout.blocks) {
        add(block.q, block.k, block.v, block.o, block.gate, block.up, block.down, block.router);
        for (auto const& expert : block.experts)
            add(expert.gate, expert.up, expert.down);
    }
    if (!D.tied_unembedding)
        maps.push_back(layout.unembedding);
    return maps;
}

} // namespace engraft
