#pragma once

#include <algorithm>
#include <cstddef>

#include <engraft/run/chunk.hpp>
#include <engraft/run/workspace.hpp>

namespace engraft::detail {

/// What the engine writes to, used again by every layer of every chunk. `chunk_size` knows how much it takes.
template <class T, class Memory>
struct engine_tables {
    using table = workspace<T, Memory>;
    table streams[2], gathered, normalized, q, k, v, z, out, attn, gate, up, mlp, made, lines, results, before, last;

    /// Makes tables grow once in a chunk and not with its layers.
    void expect(chunk_rows const& chunk) {
        each_step<std::size_t> most;
        for (auto const& l : chunk.layers)
            most.each(l, [](std::size_t& rows, row_list const& step) { rows = std::max(rows, step.size()); });
        auto const each = [](std::size_t rows, auto&... tables) { (tables.expect(rows), ...); };
        each(most.all, streams[0], streams[1]);
        each(std::max({most.first_norm, most.keys, most.query, most.neurons}), gathered, normalized);
        each(most.query, q);
        each(most.keys, k, v);
        each(most.z, z, out);
        each(most.onward, attn, mlp);
        each(most.neurons, gate, up, made);
    }
};

} // namespace engraft::detail
