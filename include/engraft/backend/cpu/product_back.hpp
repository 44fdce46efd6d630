#pragma once

#include <cstddef>

#include <engraft/backend/cpu/packed.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/core/view.hpp>

/// Products of rows with packed weights in the other direction: from outputs to inputs. Weights are transposed a piece
/// at a time, while they go into a second-level cache, and then multiplied as forwards. So each number is one chain of
/// additions over the outputs, however the product is cut.
namespace engraft::detail {

/// Where a part of the weights begins.
struct weights_part {
    std::size_t first_output = 0;
    std::size_t first_input = 0;
};

/// dx = dy W, or += that: as many outputs of W as dy has columns, and inputs as dx has.
void multiply_back(int threads, matrix<float> dx, matrix<float const> dy, packed_matrix const& weights,
                   weights_part const& part, bool add);

} // namespace engraft::detail

#ifndef ENGRAFT_COMPILED
#include <engraft/backend/cpu/source/product_back.ipp>
#endif
