#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <engraft/core/linkage.hpp>
#include <engraft/io/stored_tensor.hpp>

namespace engraft {

/// A stored tensor as a model's family knows it, where a file format has another order of rows, the transposed matrix
/// or a constant added. Somebody else owns the stored tensor.
struct arranged_tensor {
    stored_tensor const* stored = nullptr;
    std::vector<std::uint32_t> rows{}; ///< the stored row of each row; none: as they are stored
    bool transposed = false;           ///< a matrix that is stored as [columns, rows]
    bool one_added = false;            ///< 1 is taken from each element

    std::vector<std::size_t> shape() const;
    std::size_t size() const { return stored->size(); }
};

/// Reads elements first .. first + out.size(), in the family's order, out of a mapped file, whose bytes are released
/// piece by piece: a large tensor is not in memory twice. throws as `read_elements` of a stored tensor
template <readable_number T>
void read_elements(arranged_tensor const& tensor, std::size_t first, std::span<T> out, std::string const& label,
                   element_check check = element_check::none);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/arranged_tensor.ipp>
#endif
