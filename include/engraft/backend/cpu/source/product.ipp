#pragma once

#include <algorithm>
#include <cstddef>

#include <engraft/backend/cpu/kernels.hpp>
#include <engraft/backend/cpu/parallel.hpp>
#include <engraft/backend/cpu/product.hpp>
#include <engraft/backend/cpu/source/tiles.ipp>
#include <engraft/core/linkage.hpp>

namespace engraft::detail {

/// The pieces that a product is cut into: their inputs stay in a second-level cache, and one panel of their weights in
/// a first-level one.
struct product_piece {
    static constexpr std::size_t depth = 576;
    static constexpr std::size_t cache = 16 << 20; ///< bytes

    std::size_t rows = 192, panels = 8;

    /// Smaller ones where there would be few for the threads, which wait for the last one of each product; their
    /// number is a multiple of that of the threads.
    static product_piece of(std::size_t rows, std::size_t panels, int threads) {
        product_piece piece;
        if (threads == 1 || rows == 0)
            return piece;
        auto const n = static_cast<std::size_t>(threads);
        auto const parts = [](std::size_t all, std::size_t one) { return (all + one - 1) / one; };
        auto const few = [&] { return parts(rows, piece.rows) * parts(panels, piece.panels) < 16 * n; };
        for (std::size_t half = 4; half >= 2 && few(); half /= 2)
            piece.panels = half;
        for (std::size_t half = 96; half >= 24 && few(); half /= 2)
            piece.rows = half;
        if (auto const down = parts(parts(rows, piece.rows), n) * n; rows >= 24 * down)
            piece.rows = parts(rows, down);
        return piece;
    }
};

/// Rows times the panels [first, last) of weights, on one thread; the last panel may reach beyond the columns of `out`.
inline void multiply_piece(matrix<float> out, matrix<float const> in, packed_matrix const& weights, std::size_t first,
                           std::size_t last, product_options const& options) {
    constexpr auto wide = packed_matrix::panel;
    auto const columns = std::min(last * wide, out.columns) - first * wide;
    auto const depths = (in.columns + product_piece::depth - 1) / product_piece::depth;
    for (std::size_t d = 0; d < depths; ++d) {
        std::size_t const begin = in.columns * d / depths, end = in.columns * (d + 1) / depths;
        multiply_tiles({.in = in.data + begin,
                        .in_stride = in.stride,
                        .in_step = 1,
                        .weights = weights.at(first, options.first_input + begin),
                        .weight_step = wide,
                        .panel_step = weights.panel_size(),
                        .depth = end - begin,
                        .out = out.data + first * wide,
                        .out_stride = out.stride,
                        .go_on = options.add || d > 0},
                       in.rows, columns);
    }
    if (options.bias)
        kernels().add_bias(out.column_range(first * wide, columns), options.bias + first * wide);
}

ENGRAFT_BODY void multiply(int threads, matrix<float> out, matrix<float const> in, packed_matrix const& weights,
                           product_options const& options) {
    auto const piece = product_piece::of(in.rows, weights.panels(), threads);
    auto const down = (in.rows + piece.rows - 1) / piece.rows,
               across = (weights.panels() + piece.panels - 1) / piece.panels;
    // Pieces behind one another share rows, or, where the weights are too many for a cache, those.
    bool const rows_first = weights.bytes() > product_piece::cache;
    parallel_for(threads, down * across, [&](std::size_t i) {
        std::size_t const y = rows_first ? i % down : i / across, x = rows_first ? i / down : i % across;
        std::size_t const r = in.rows * y / down, rows = in.rows * (y + 1) / down - r, p = x * piece.panels;
        multiply_piece(out.row_range(r, rows), in.row_range(r, rows), weights, p,
                       std::min(p + piece.panels, weights.panels()), options);
    });
}

} // namespace engraft::detail
