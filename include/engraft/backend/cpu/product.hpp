#pragma once

#include <cstddef>

#include <engraft/backend/cpu/packed.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/core/view.hpp>

/// Products of rows with packed weights. How they are cut follows the caches and the number of threads; no bit of the
/// result does (see tile_job).
namespace engraft::detail {

/// What a product does besides in W^T.
struct product_options {
    std::size_t first_input = 0; ///< W is that many columns of the weights further on
    float const* bias = nullptr;     ///< of each output, added at the end
    bool add = false;            ///< to what `out` holds
};

/// Rows times the panels [first, last) of weights, on one thread; the last panel may reach beyond the columns of `out`.
void multiply_piece(matrix<float> out, matrix<float const> in, packed_matrix const& weights, std::size_t first,
                    std::size_t last, product_options const& options);

/// out = in W^T
void multiply(int threads, matrix<float> out, matrix<float const> in, packed_matrix const& weights,
              product_options const& options = {});

} // namespace engraft::detail

#ifndef ENGRAFT_COMPILED
#include <engraft/backend/cpu/source/product.ipp>
#endif
