#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

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
    constexpr activation_row(T* data, std::size_t size) : data_(data), size_(size) {}

    constexpr std::size_t size() const { return size_; }
    constexpr T* begin() const { return data_; }
    constexpr T* end() const { return data_ + size_; }
    constexpr T& operator[](std::size_t i) const { return data_[i]; }

    constexpr activation_row const& operator*=(std::remove_const_t<T> factor) const {
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

namespace detail {

inline row_place place_of(row_slice const& s, int layer) { return {layer, s.example, s.position, s.head}; }

template <class F, class T>
decltype(auto) call_with_row(F const& f, activation_row<T> row, row_place const& place) {
    if constexpr (std::is_invocable_v<F const&, activation_row<T>, row_place>)
        return f(row, place);
    else
        return f(row);
}

} // namespace detail
} // namespace engraft
