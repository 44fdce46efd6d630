#pragma once

#include <engraft/backend/cuda/kernels/arithmetic.hpp>
#include <engraft/backend/cuda/kernels/warp.hpp>

/// Kernels of adjoints: those that are called once for each element, and those that a warp runs for each row.
namespace engraft::kernels {

template <class T>
struct filled_elements {
    T* x;
    T value;

    ENGRAFT_DEVICE void operator()(std::size_t i) const { x[i] = value; }
};

/// out[r, p] = in[r] for each part p; `columns` of all parts
template <class T>
struct repeated_rows {
    matrix<T> out;
    matrix<T const> in;
    std::size_t columns;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        auto const [r, c] = cell_of(i, columns);
        at(out, r, c) = at(in, r, c % in.columns);
    }
};

/// dx = f'(x) dx
template <class T>
struct activated_rows_back {
    matrix<T> dx;
    matrix<T const> x;
    mlp kind;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        auto const [r, c] = cell_of(i, dx.columns);
        at(dx, r, c) *= activation_slope(at(x, r, c), kind);
    }
};

/// dgate = f'(gate) up dup, then dup = f(gate) dup
template <class T>
struct gated_rows_back {
    matrix<T> dup, dgate;
    matrix<T const> up, gate;
    mlp kind;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        auto const [r, c] = cell_of(i, dup.columns);
        T const g = at(gate, r, c), d = at(dup, r, c);
        at(dgate, r, c) = d * at(up, r, c) * activation_slope(g, kind);
        at(dup, r, c) = d * activation(g, kind);
    }
};

/// The derivative of c tanh(x / c) where it has come to y.
template <class T>
ENGRAFT_DEVICE inline T cap_slope(T y, T cap) {
    T const share = y / cap;
    return fused(-share, share, T(1));
}

/// dx = (1 - (y / cap)^2) dx
template <class T>
struct capped_rows_back {
    matrix<T> dx;
    matrix<T const> y;
    T cap;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        auto const [r, c] = cell_of(i, dx.columns);
        at(dx, r, c) *= cap_slope(at(y, r, c), cap);
    }
};

/// out[r] = shares[r] * exp(in[r] - log_sums[r]); a share of 0 makes 0 of any row
template <class T>
struct softmax_seeds {
    matrix<T> out;
    matrix<T const> in;
    double const *log_sums, *shares;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        auto const [r, c] = cell_of(i, out.columns);
        T const share = static_cast<T>(shares[r]);
        at(out, r, c) = share == T(0) ? T(0) : share * std::exp(at(in, r, c) - static_cast<T>(log_sums[r]));
    }
};

/// x[r, columns[r]] += numbers[r]
template <class T>
struct added_elements {
    matrix<T> x;
    std::int32_t const* columns;
    double const* numbers;

    ENGRAFT_DEVICE void operator()(std::size_t r) const {
        at(x, r, static_cast<std::size_t>(columns[r])) += static_cast<T>(numbers[r]);
    }
};

/// Of y = rms_norm(x), or +=; dx may be dy where not `add`. A warp for each row.
template <class T>
struct rms_normed_back {
    matrix<T> dx;
    matrix<T const> dy, x;
    T const* gain;
    T eps;
    bool add;

    template <class Warp>
    ENGRAFT_DEVICE void operator()(Warp const& warp, std::size_t r) const {
        T const *const in = &at(x, r, 0), *const d = &at(dy, r, 0);
        T* const to = &at(dx, r, 0);
        T const n = static_cast<T>(x.columns);
        T const squares = warp.template sum<T>(x.columns, [&](T s, std::size_t c) { return fused(in[c], in[c], s); });
        T const product =
            warp.template sum<T>(x.columns, [&](T s, std::size_t c) { return fused(gain[c] * d[c], in[c], s); });
        T const scale = T(1) / std::sqrt(squares / n + eps);
        T const back = scale * scale * scale * product / n;
        warp.each(x.columns, [&](std::size_t c) {
            T const of = fused(-in[c], back, scale * gain[c] * d[c]);
            to[c] = add ? to[c] + of : of;
        });
    }
};

/// Of y = layer_norm(x), likewise.
template <class T>
struct layer_normed_back {
    matrix<T> dx;
    matrix<T const> dy, x;
    T const* gain;
    T eps;
    bool add;

    template <class Warp>
    ENGRAFT_DEVICE void operator()(Warp const& warp, std::size_t r) const {
        T const *const in = &at(x, r, 0), *const d = &at(dy, r, 0);
        T* const to = &at(dx, r, 0);
        T const n = static_cast<T>(x.columns);
        T const mean = warp.template sum<T>(x.columns, [&](T s, std::size_t c) { return s + in[c]; }) / n;
        T const variance = warp.template sum<T>(x.columns, [&](T s, std::size_t c) {
            return fused(in[c] - mean, in[c] - mean, s);
        }) / n;
        T const level =
            warp.template sum<T>(x.columns, [&](T s, std::size_t c) { return fused(gain[c], d[c], s); }) / n;
        T const product =
            warp.template sum<T>(x.columns, [&](T s, std::size_t c) { return fused(gain[c] * d[c], in[c] - mean, s); });
        T const scale = T(1) / std::sqrt(variance + eps);
        T const back = scale * scale * scale * product / n;
        warp.each(x.columns, [&](std::size_t c) {
            T const of = fused(mean - in[c], back, scale * fused(gain[c], d[c], -level));
            to[c] = add ? to[c] + of : of;
        });
    }
};

} // namespace engraft::kernels
