#pragma once

#include <cstddef>
#include <utility>

namespace engraft::detail {

template <std::size_t I, class T>
struct pack_item {
    T value;
};

template <class Indices, class... T>
struct pack_items;

/// A tuple that is quick to compile: an aggregate, `pack<A, B>{{a}, {b}}`, without constructors to choose from.
template <std::size_t... I, class... T>
struct pack_items<std::index_sequence<I...>, T...> : pack_item<I, T>... {
    /// f(values...)
    template <class F>
    constexpr decltype(auto) apply(F&& f) & {
        return f(static_cast<pack_item<I, T>&>(*this).value...);
    }
    template <class F>
    constexpr decltype(auto) apply(F&& f) const& {
        return f(static_cast<pack_item<I, T> const&>(*this).value...);
    }
    template <class F>
    constexpr decltype(auto) apply(F&& f) && {
        return f(static_cast<pack_item<I, T>&&>(*this).value...);
    }
};

template <class... T>
using pack = pack_items<std::index_sequence_for<T...>, T...>;

/// The value at a place.
template <std::size_t I, class T>
constexpr T& pack_at(pack_item<I, T>& item) {
    return item.value;
}

} // namespace engraft::detail
