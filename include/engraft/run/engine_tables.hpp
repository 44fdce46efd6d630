#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include <engraft/run/chunk.hpp>
#include <engraft/run/table_rows.hpp>
#include <engraft/run/workspace.hpp>

namespace engraft::detail {

/// What the engine writes to, used again by every layer of every chunk. `chunk_size` knows how much it takes.
template <class T, class Memory>
struct engine_tables {
    using table = workspace<T, Memory>;
    table streams[2], gathered, normalized, q, k, v, z, out, attn, gate, up, mlp, made, lines, results, before, last;

    /// Makes tables grow once in a chunk and not with its layers. Where all together would then take more than any one
    /// chunk needs, what some have too much is given back; chunks that are nearly alike leave the tables as they are.
    void expect(chunk_rows const& chunk, int heads) {
        most_needed_ = std::max(most_needed_, expected_bytes()); // by the last chunk: tables know their columns now
        table_rows most;
        for (std::size_t l = 0; l < chunk.layers.size(); ++l) {
            each_step<double> rows;
            rows.each(chunk.layers[l], [](double& n, row_list const& list) { n = static_cast<double>(list.size()); });
            most.raise_to(rows, l + 1 == chunk.layers.size());
        }
        auto const each = [](double rows, auto&... tables) { (tables.expect(static_cast<std::size_t>(rows)), ...); };
        each(most.stream, streams[0], streams[1]);
        each(most.gathered, gathered);
        each(most.normalized, normalized);
        each(most.query, q);
        each(most.keys, k, v);
        each(most.z, z, out);
        each(most.attn, attn);
        each(most.onward, mlp);
        each(most.neurons, gate, up);
        each(most.made, made);
        each(most.attention * heads, lines);
        each(most.results, results, before);
        each(static_cast<double>(chunk.last.size()), last);
        most_needed_ = std::max(most_needed_, expected_bytes());
        std::size_t grown = 0;
        for (auto const* t : all(*this))
            grown += std::max(t->bytes(), t->expected_bytes());
        if (grown > most_needed_ + most_needed_ / 32)
            for (auto* t : all(*this))
                t->give_back_excess();
    }

    std::size_t bytes() const {
        std::size_t sum = 0;
        for (auto const* t : all(*this))
            sum += t->bytes();
        return sum;
    }

private:
    std::size_t most_needed_ = 0; ///< bytes, by one chunk

    std::size_t expected_bytes() const {
        std::size_t sum = 0;
        for (auto const* t : all(*this))
            sum += t->expected_bytes();
        return sum;
    }

    static auto all(auto& t) {
        return std::array{&t.streams[0], &t.streams[1], &t.gathered, &t.normalized, &t.q,      &t.k,
                          &t.v,          &t.z,          &t.out,      &t.attn,       &t.gate,   &t.up,
                          &t.mlp,        &t.made,       &t.lines,    &t.results,    &t.before, &t.last};
    }
};

} // namespace engraft::detail
