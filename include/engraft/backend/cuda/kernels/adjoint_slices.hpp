#pragma once

#include <engraft/backend/cuda/kernels/slices.hpp>
#include <engraft/backend/cuda/kernels/warp.hpp>
#include <engraft/backend/slice.hpp>

/// Kernels of adjoints on slices. Sums over slices are made in three steps, so that their order is that of the list
/// alone: within slices, by a warp for each; over `slices_together` of them; over these parts.
namespace engraft::kernels {

/// dx = w dx, w of [heads, 1 or width]
template <class T>
struct weighed_slices {
    T* dx;
    matrix<T const> weights;
    row_slice const* list;

    template <class Warp>
    ENGRAFT_DEVICE void operator()(Warp const& warp, std::size_t i) const {
        row_slice const s = list[i];
        warp.each(s.width, [&](std::size_t k) { dx[s.to + k] *= at(weights, s.head, weights.columns == 1 ? 0 : k); });
    }
};

/// f.derivative of slice i's gradient and of what was there: see `adjoints`.
template <class T, class F>
struct edited_slices_back {
    T* dx;
    T const* x;
    int layer;
    row_slice const* list;
    F f;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        row_slice const s = list[i];
        activation_row<T> const gradient(dx + s.to, s.width);
        activation_row<T const> const before(x + s.to, s.width);
        if constexpr (requires { f.derivative(gradient, before, row_place{}); })
            f.derivative(gradient, before, engraft::detail::place_of(s, layer));
        else
            f.derivative(gradient, before);
    }
};

/// What an element of a slice adds to a sum: dx, times x, or x - from, where they are given; a dx of 0 adds 0.
template <class T>
struct slice_terms {
    T const *dx, *x, *from;

    ENGRAFT_DEVICE double of(row_slice const& s, std::size_t k) const {
        double const d = static_cast<double>(dx[s.to + k]);
        if (d == 0)
            return 0;
        double const by = x ? static_cast<double>(x[s.to + k]) : 1;
        return d * (from ? by - static_cast<double>(from[s.from + k]) : by);
    }
};

/// sums[i] = the terms of slice i's elements. A warp for each slice.
template <class T>
struct summed_slices {
    double* sums;
    slice_terms<T> terms;
    row_slice const* list;

    template <class Warp>
    ENGRAFT_DEVICE void operator()(Warp const& warp, std::size_t i) const {
        row_slice const s = list[i];
        double const sum =
            warp.template sum<double>(s.width, [&](double all, std::size_t k) { return all + terms.of(s, k); });
        warp.once([&] { sums[i] = sum; });
    }
};

/// What slice i adds to sum j, for the sums of `adjoints`:
/// one sum, of what summed_slices has found
struct one_sum {
    double const* of_slices;

    ENGRAFT_DEVICE double operator()(row_slice const&, std::size_t i, std::size_t) const { return of_slices[i]; }
};
/// a sum for each head, likewise
struct head_sums {
    double const* of_slices;

    ENGRAFT_DEVICE double operator()(row_slice const& s, std::size_t i, std::size_t j) const {
        return s.head == j ? of_slices[i] : 0;
    }
};
/// a sum for each element of each head
template <class T>
struct element_sums {
    slice_terms<T> terms;
    std::size_t columns;

    ENGRAFT_DEVICE double operator()(row_slice const& s, std::size_t, std::size_t j) const {
        std::size_t const first = s.head * columns;
        return j >= first && j < first + s.width ? terms.of(s, j - first) : 0;
    }
};
/// a sum for each element of a direction, of which a slice has those from `from` on
template <class T>
struct direction_sums {
    T const* dx;
    double factor;

    ENGRAFT_DEVICE double operator()(row_slice const& s, std::size_t, std::size_t j) const {
        return j >= s.from && j < s.from + s.width ? factor * static_cast<double>(dx[s.to + (j - s.from)]) : 0;
    }
};
/// a sum for each element of a basis [directions, width]; of_difference, of_gradient: [slices, directions]
template <class T>
struct basis_sums {
    T const *dx, *x, *from;
    double const *of_difference, *of_gradient;
    std::size_t directions, width;

    ENGRAFT_DEVICE double operator()(row_slice const& s, std::size_t i, std::size_t j) const {
        auto const [b, k] = cell_of(j, width);
        T const difference = from[s.from + k] - x[s.to + k];
        return fused(of_difference[i * directions + b], static_cast<double>(dx[s.to + k]),
                     of_gradient[i * directions + b] * static_cast<double>(difference));
    }
};

inline constexpr std::size_t slices_together = 64;

/// parts[part, j] = what the part's slices add to sum j; called once for each of them.
template <class Adds>
struct part_sums {
    double* parts;
    std::size_t count; ///< of sums
    Adds adds;
    row_slice const* list;
    std::size_t slices;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        auto const [part, j] = cell_of(i, count);
        std::size_t const first = part * slices_together;
        double sum = 0;
        for (std::size_t n = first; n < first + slices_together && n < slices; ++n)
            sum += adds(list[n], n, j);
        parts[i] = sum;
    }
};

/// sums[j] += parts[part, j] of each part
struct sums_of_parts {
    double* sums;
    double const* parts;
    std::size_t count, part_count;

    ENGRAFT_DEVICE void operator()(std::size_t j) const {
        double sum = 0;
        for (std::size_t part = 0; part < part_count; ++part)
            sum += parts[part * count + j];
        sums[j] += sum;
    }
};

} // namespace engraft::kernels
