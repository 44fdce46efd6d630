#pragma once

#include <array>
#include <cstddef>

#include <engraft/core/linkage.hpp>

/// The innermost part of products: a few rows times a few panels of weights. Each number of the result is one chain of
/// additions over the inputs, from the first to the last, whichever tile computes it; a tile that begins with what
/// another one left continues the chain. So the bits of a row depend neither on the rows beside it nor on how a product
/// is cut, and on x86 with fused multiply-add they do not depend on the width of its registers either.
namespace engraft::detail {

/// out[r][c] (+)= sum over i < depth of in[r][i] weights[i][c]; `panels` panels stand `panel_size` apart.
template <class T>
struct tile_job {
    T const* in;
    std::size_t in_stride;
    T const* weights;
    std::size_t panel_size;
    std::size_t depth;
    T* out;
    std::size_t out_stride;
    bool go_on; ///< from the numbers in `out`
};

/// Tiles of one instruction set by their number of rows, from 1 on.
template <class T>
struct tile_set {
    static constexpr std::size_t rows = 6;
    using tile = void (*)(tile_job<T> const&);

    std::size_t panels;            ///< of a wide tile
    std::array<tile, rows> wide;   ///< of so many panels
    std::array<tile, rows> single; ///< of one panel
};

/// The tiles for the processor that the program runs on, whatever it was compiled for.
template <class T>
tile_set<T> const& tiles();

} // namespace engraft::detail

#ifndef ENGRAFT_COMPILED
#include <engraft/backend/cpu/source/tile.ipp>
#endif
