#pragma once

#include <engraft/backend/cuda/kernels/warp.hpp>
#include <engraft/backend/slice.hpp>

/// Kernels of slices. Most are run by a warp for each slice; a user's functor by one lane.
namespace engraft::kernels {

template <class T>
struct copied_slices {
    T* to;
    T const* from;
    row_slice const* list;

    template <class Warp>
    ENGRAFT_DEVICE void operator()(Warp const& warp, std::size_t i) const {
        row_slice const s = list[i];
        warp.each(s.width, [&](std::size_t k) { to[s.to + k] = from[s.from + k]; });
    }
};

template <class T>
struct filled_slices {
    T* to;
    T value;
    row_slice const* list;

    template <class Warp>
    ENGRAFT_DEVICE void operator()(Warp const& warp, std::size_t i) const {
        row_slice const s = list[i];
        warp.each(s.width, [&](std::size_t k) { to[s.to + k] = value; });
    }
};

template <class T>
struct scaled_slices {
    T* x;
    T factor;
    row_slice const* list;

    template <class Warp>
    ENGRAFT_DEVICE void operator()(Warp const& warp, std::size_t i) const {
        row_slice const s = list[i];
        warp.each(s.width, [&](std::size_t k) { x[s.to + k] *= factor; });
    }
};

/// to += factor * from
template <class T>
struct added_slices {
    T* to;
    T const* from;
    T factor;
    row_slice const* list;

    template <class Warp>
    ENGRAFT_DEVICE void operator()(Warp const& warp, std::size_t i) const {
        row_slice const s = list[i];
        warp.each(s.width, [&](std::size_t k) { to[s.to + k] = fused(factor, from[s.from + k], to[s.to + k]); });
    }
};

/// to = w to + (1 - w) from; exact at 0 and at 1. weights [heads, 1 or width]
template <class T>
struct blended_slices {
    T* to;
    T const* from;
    matrix<T const> weights;
    row_slice const* list;

    template <class Warp>
    ENGRAFT_DEVICE void operator()(Warp const& warp, std::size_t i) const {
        row_slice const s = list[i];
        warp.each(s.width, [&](std::size_t k) {
            T const w = at(weights, s.head, weights.columns == 1 ? 0 : k);
            T& x = to[s.to + k];
            if (w != T(1))
                x = w == T(0) ? from[s.from + k] : fused(w, x, (T(1) - w) * from[s.from + k]);
        });
    }
};

/// along[slice, b] = basis[b] . (from - x), or basis[b] . x where there is no `from`; a warp for each of them.
template <class T, class Sum = T>
struct projections {
    Sum* along;
    T const *x, *from;
    matrix<T const> basis;
    row_slice const* list;

    template <class Warp>
    ENGRAFT_DEVICE void operator()(Warp const& warp, std::size_t i) const {
        auto const [slice, b] = cell_of(i, basis.rows);
        row_slice const s = list[slice];
        T const* const direction = &at(basis, b, 0);
        Sum const dot = warp.template sum<Sum>(s.width, [&](Sum sum, std::size_t k) {
            T const difference = from ? from[s.from + k] - x[s.to + k] : x[s.to + k];
            return fused(static_cast<Sum>(direction[k]), static_cast<Sum>(difference), sum);
        });
        warp.once([&] { along[i] = dot; });
    }
};

/// to += sign times the sum over b of along[slice, b] basis[b]
template <class T, class Sum = T>
struct moved_along {
    T* to;
    Sum const* along;
    matrix<T const> basis;
    row_slice const* list;
    T sign = T(1);

    template <class Warp>
    ENGRAFT_DEVICE void operator()(Warp const& warp, std::size_t i) const {
        row_slice const s = list[i];
        Sum const* const mine = along + i * basis.rows;
        warp.each(s.width, [&](std::size_t k) {
            T x = to[s.to + k];
            for (std::size_t b = 0; b < basis.rows; ++b)
                x = fused(sign * static_cast<T>(mine[b]), at(basis, b, k), x);
            to[s.to + k] = x;
        });
    }
};

/// f(row) or f(row, place); on the GPU only, so that nvcc refuses a functor that is not marked for it.
template <class F, class T>
ENGRAFT_DEVICE decltype(auto) called(F const& f, activation_row<T> row, row_place const& place) {
    if constexpr (std::is_invocable_v<F const&, activation_row<T>, row_place>)
        return f(row, place);
    else
        return f(row);
}

/// f(row) or f(row, place) of slice i.
template <class T, class F>
struct edited_slices {
    T* x;
    int layer;
    row_slice const* list;
    F f;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        row_slice const s = list[i];
        called(f, activation_row<T>(x + s.to, s.width), engraft::detail::place_of(s, layer));
    }
};

/// chosen[i]: whether the condition holds for slice i.
template <class T, class F>
struct tested_slices {
    std::uint8_t* chosen;
    T const* x;
    int layer;
    row_slice const* list;
    F condition;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        row_slice const s = list[i];
        chosen[i] =
            called(condition, activation_row<T const>(x + s.to, s.width), engraft::detail::place_of(s, layer)) ? 1 : 0;
    }
};

/// out[i] = list[index[i]]
struct picked_slices {
    row_slice* out;
    row_slice const* list;
    std::uint32_t const* index;

    ENGRAFT_DEVICE void operator()(std::size_t i) const { out[i] = list[index[i]]; }
};

} // namespace engraft::kernels
