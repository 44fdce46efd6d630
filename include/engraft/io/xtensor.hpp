#pragma once

#include <array>
#include <cstddef>
#include <type_traits>

#include <xtensor/xtensor.hpp>

#include <engraft/core/view.hpp>

namespace engraft {

/// A copy on the host of what a view shows, for arithmetic with xtensor: as many dimensions, of the same sizes.
///
///     xt::xtensor<float, 3> z = to_xtensor(run[eg::z].whole(4));   // [rows, heads, d_head]
template <class T, memory Memory, class Extents>
auto to_xtensor(view<T, Memory, Extents> const& from) {
    using value = std::remove_const_t<T>;
    std::array<std::size_t, Extents::rank> shape{};
    for (std::size_t d = 0; d < Extents::rank; ++d)
        shape[d] = from.shape()[d];
    auto copy = xt::xtensor<value, Extents::rank>::from_shape(shape);
    Memory::to_host(copy.data(), from.data(), from.size() * sizeof(value));
    return copy;
}

} // namespace engraft
