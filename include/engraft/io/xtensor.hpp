#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <type_traits>
#include <vector>

#include <xtensor/xarray.hpp>
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

/// A metric of a sweep, with the axes of its result: those of the table, then the example.
///
///     xt::xarray<double> p = to_xtensor(found, "probability");   // [layer, head, example] for each_head
/// throws bad_input for a metric that was not asked for
template <class Result>
    requires requires(Result const& r, std::string const& metric) {
        r.axes().front().size;
        r.of(metric);
    }
xt::xarray<double> to_xtensor(Result const& found, std::string const& metric) {
    std::vector<std::size_t> shape;
    for (auto const& a : found.axes())
        shape.push_back(a.size);
    auto const& values = found.of(metric);
    auto copy = xt::xarray<double>::from_shape(shape);
    std::copy(values.begin(), values.end(), copy.begin());
    return copy;
}

} // namespace engraft
