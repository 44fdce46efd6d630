#pragma once

#include <algorithm>
#include <cstddef>

#include <engraft/backend/cpu/packed.hpp>
#include <engraft/backend/cpu/parallel.hpp>
#include <engraft/backend/cpu/product_back.hpp>
#include <engraft/backend/cpu/source/tiles.ipp>
#include <engraft/core/linkage.hpp>
#include <engraft/core/tensor.hpp>

namespace engraft::detail {

/// Pieces of the turned weights.
struct back_piece {
    static constexpr std::size_t panels = 4; ///< of 16 inputs
    static constexpr std::size_t depth = 576;
};

/// to[o][16] = W[first output + o][first input + 0 ... 15] for o < depth, `inputs` of the 16, and zeros behind.
inline void turn_panel(float* to, packed_matrix const& weights, weights_part const& from, std::size_t depth,
                       std::size_t inputs) {
    constexpr auto wide = packed_matrix::panel;
    for (std::size_t o = 0, count; o < depth; o += count, to += count * wide) {
        auto const output = from.first_output + o, lane = output % wide;
        count = std::min(wide - lane, depth - o);
        auto const block = weights.at(output / wide, from.first_input) + lane;
        if (count == wide && inputs == wide) {
            for (std::size_t l = 0; l < wide; ++l)
                for (std::size_t i = 0; i < wide; ++i)
                    to[l * wide + i] = block[i * wide + l];
        } else {
            for (std::size_t l = 0; l < count; ++l)
                for (std::size_t i = 0; i < wide; ++i)
                    to[l * wide + i] = i < inputs ? block[i * wide + l] : 0.0f;
        }
    }
}

/// A few panels of inputs, on one thread.
inline void multiply_back_piece(matrix<float> dx, matrix<float const> dy, packed_matrix const& weights,
                                weights_part const& part, bool add) {
    constexpr auto wide = packed_matrix::panel;
    thread_local vector_tensor<float, host_memory> turned(
        extents<dynamic>(back_piece::panels * back_piece::depth * wide));
    for (std::size_t begin = 0, depth; begin < dy.columns; begin += depth) {
        depth = std::min(back_piece::depth, dy.columns - begin);
        for (std::size_t i = 0; i < dx.columns; i += wide)
            turn_panel(turned.data() + i * depth, weights, {part.first_output + begin, part.first_input + i}, depth,
                       std::min(wide, dx.columns - i));
        multiply_tiles({.in = dy.data + begin,
                        .in_stride = dy.stride,
                        .in_step = 1,
                        .weights = turned.data(),
                        .weight_step = wide,
                        .panel_step = depth * wide,
                        .depth = depth,
                        .out = dx.data,
                        .out_stride = dx.stride,
                        .go_on = add || begin > 0},
                       dy.rows, dx.columns);
    }
}

ENGRAFT_BODY void multiply_back(int threads, matrix<float> dx, matrix<float const> dy, packed_matrix const& weights,
                                weights_part const& part, bool add) {
    constexpr auto wide = back_piece::panels * packed_matrix::panel;
    auto const across = (dx.columns + wide - 1) / wide;
    auto const few = static_cast<std::size_t>(threads);
    auto const down = dy.rows >= 24 * few ? few : 1; // each turns the weights anew
    parallel_for(threads, down * across, [&](std::size_t task) {
        std::size_t const c = task / down * wide, y = task % down;
        std::size_t const r = dy.rows * y / down, rows = dy.rows * (y + 1) / down - r;
        multiply_back_piece(dx.row_range(r, rows).column_range(c, std::min(wide, dx.columns - c)),
                            dy.row_range(r, rows), weights, {part.first_output, part.first_input + c}, add);
    });
}

} // namespace engraft::detail
