#pragma once

#include <cstddef>

#include <engraft/backend/cpu/packed.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/core/view.hpp>

/// Products of rows with packed weights. The caches and the number of threads decide how a product is cut, which
/// changes no bit of the result (see tile_job).
namespace engraft::detail {

/// What a product does besides in W^T.
struct product_options {
    std::size_t first_input = 0; ///< the column of the weights at which W begins
    float const* bias = nullptr; ///< one number per output, added at the end
    bool add = false;            ///< the product is added to `out`
};

/// out = in W^T
void multiply(int threads, matrix<float> out, matrix<float const> in, packed_matrix const& weights,
              product_options const& options = {});

} // namespace engraft::detail

#ifndef ENGRAFT_COMPILED
#include <engraft/backend/cpu/source/product.ipp>
#endif
