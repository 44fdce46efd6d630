#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <engraft/core/host_device.hpp>

namespace engraft {

/// One contiguous piece of an activation that a policy works on: a head of a row, a row of a stream, a query position's
/// line of a pattern, or a part of it. Offsets and width count elements; `from` is where its counterpart lies in
/// another activation, and unused where there is none.
struct row_slice {
    std::uint64_t to = 0;
    std::uint64_t from = 0;
    std::uint32_t width = 0;
    std::uint32_t example = 0;
    std::uint32_t position = 0;
    std::uint32_t head = 0; ///< 0 where the site is not divided into heads
};

/// Rows [first, first + count) of a list of source rows whose mean makes one row: see backend `mean_rows`.
struct row_group {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
};

/// Where a row that a user's functor is called with stands. Everything counts from 0.
struct row_place {
    int layer = 0;
    std::size_t example = 0;
    std::size_t position = 0;
    std::size_t head = 0; ///< 0 where the site is not divided into heads
};

/// The elements of one head of one row, or of the whole row where the site is not divided into heads.
template <class T>
class activation_row {
public:
    ENGRAFT_HOST_DEVICE constexpr activation_row(T* data, std::size_t size) : data_(data), size_(size) {}

    ENGRAFT_HOST_DEVICE constexpr std::size_t size() const { return size_; }
    ENGRAFT_HOST_DEVICE constexpr T* begin() const { return data_; }
    ENGRAFT_HOST_DEVICE constexpr T* end() const { return data_ + size_; }
    ENGRAFT_HOST_DEVICE constexpr T& operator[](std::size_t i) const { return data_[i]; }

    ENGRAFT_HOST_DEVICE constexpr activation_row const& operator*=(std::remove_const_t<T> factor) const {
        for (auto& x : *this)
            x *= factor;
        return *this;
    }

private:
    T* data_;
    std::size_t size_;
};

/// A functor of a row, or of a row and its place.
template <class F, class T>
concept row_functor =
    std::is_invocable_v<F const&, activation_row<T>> || std::is_invocable_v<F const&, activation_row<T>, row_place>;

/// A functor of one number, which `edit`, `tap` and `when` do not call. Whether a functor that takes anything (`auto`)
/// is one cannot be known.
template <class F>
concept element_functor = requires {
    &F::operator();
}
&&(std::is_invocable_v<F const&, double&> || std::is_invocable_v<F const&, float&> ||
   std::is_invocable_v<F const&, double&, row_place> || std::is_invocable_v<F const&, float&, row_place>);

namespace detail {

ENGRAFT_HOST_DEVICE inline row_place place_of(row_slice const& s, int layer) {
    return {layer, s.example, s.position, s.head};
}

#if defined(__CUDACC__)
#pragma nv_exec_check_disable // a functor of a host backend is called on the host only
#endif
template <class F, class T>
ENGRAFT_HOST_DEVICE decltype(auto) call_with_row(F const& f, activation_row<T> row, row_place const& place) {
    if constexpr (std::is_invocable_v<F const&, activation_row<T>, row_place>)
        return f(row, place);
    else
        return f(row);
}

} // namespace detail
} // namespace engraft
