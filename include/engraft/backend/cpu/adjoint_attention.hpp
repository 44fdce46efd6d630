#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include <engraft/backend/attention_shape.hpp>
#include <engraft/backend/cpu/attention.hpp>
#include <engraft/core/view.hpp>

/// Attention backwards, for the query heads that share a key/value head of one example: one thread does it, query by
/// query, so that what a key gets is added up in one order.
namespace engraft::detail {

/// to[j] += sum over m of line[m][j] from[m], for the rows [first, last].
template <std::size_t Q, class T>
void spread(T* const* to, std::array<T const*, Q> const& from, std::size_t first, std::size_t last, std::size_t width,
            T const* line, std::size_t line_stride) {
    auto const columns = [&](std::size_t d, auto const& get, auto const& put) {
        lanes<T> f[Q];
        unrolled(std::make_index_sequence<Q>{}, [&](auto m) { get(f[m], from[m] + d); });
        for (std::size_t j = first; j <= last; ++j) {
            lanes<T> sum;
            get(sum, to[j] + d);
            unrolled(std::make_index_sequence<Q>{}, [&](auto m) { sum += f[m] * line[m * line_stride + j]; });
            put(to[j] + d, sum);
        }
    };
    std::size_t d = 0;
    for (; d + lane_count <= width; d += lane_count)
        columns(
            d, [](lanes<T>& x, T const* p) { load<T>(x, p); }, [](T* p, lanes<T> const& x) { store<T>(p, x); });
    if (auto const rest = width - d)
        columns(
            d, [rest](lanes<T>& x, T const* p) { load<T>(x, p, rest); },
            [rest](T* p, lanes<T> const& x) { store<T>(p, x, rest); });
}

/// dp = p (dp - sum of p dp)
template <class T>
void softmax_line_adjoint(T* dp, T const* p, std::size_t size) {
    lanes<T> sums{}, x, y;
    std::size_t j = 0;
    for (; j + lane_count <= size; j += lane_count) {
        load<T>(x, dp + j);
        load<T>(y, p + j);
        sums += x * y;
    }
    if (j < size) {
        load<T>(x, dp + j, size - j);
        load<T>(y, p + j, size - j);
        sums += x * y;
    }
    T const sum = sum_of<T>(sums);
    for (std::size_t i = 0; i < size; ++i)
        dp[i] = p[i] * (dp[i] - sum);
}

/// Rows of the queries, keys and values of one example and the query heads [head, head + group) of a key/value head,
/// and of their gradients.
template <class T>
struct attention_adjoint {
    attention_shape const& shape;
    std::size_t head, length;
    matrix<T const> dz, q; ///< rows of the example
    matrix<T> dq;
    std::vector<T const*> keys, values;
    std::vector<T*> dkeys, dvalues;

    attention_adjoint(attention_shape const& s, std::size_t kv, std::size_t n)
        : shape(s), head(kv * s.group()), length(n) {}

    void take(std::vector<T const*>& to, matrix<T const> rows) const {
        for (std::size_t t = 0; t < length; ++t)
            to.push_back(rows.data + t * rows.stride + head / shape.group() * shape.width);
    }
    /// Rows of a gradient, which become 0.
    void take(std::vector<T*>& to, matrix<T> rows) const {
        for (std::size_t t = 0; t < length; ++t) {
            to.push_back(rows.data + t * rows.stride + head / shape.group() * shape.width);
            std::fill_n(to.back(), shape.width, T(0));
        }
    }

    /// The heads' elements of a row, Q of them from the m-th.
    template <std::size_t Q, class U>
    std::array<U*, Q> heads_of(matrix<U> rows, std::size_t row, std::size_t m) const {
        std::array<U*, Q> all;
        for (std::size_t i = 0; i < Q; ++i)
            all[i] = rows.data + row * rows.stride + (head + m + i) * shape.width;
        return all;
    }

    /// dp[m][t] = dz[m] . v[t] and dv[t] += p[m][t] dz[m], for t of [first, last].
    void mix(std::size_t s, std::size_t first, std::size_t last, T* dp, T const* p, std::size_t stride) const {
        in_threes(shape.group(), [&](auto count, std::size_t m) {
            auto const of_z = heads_of<count>(dz, s, m);
            dots<count>(of_z, values.data(), first, last, shape.width, dp + m * stride, stride);
            spread<count>(dvalues.data(), of_z, first, last, shape.width, p + m * stride, stride);
        });
    }

    /// dq[m] = sum of ds[m][t] k[t] and dk[t] += ds[m][t] q[m], for the visible t; ds becomes that of the products.
    /// capped: the scores, where there is a cap, lines of `size`.
    void scores(std::size_t s, T* ds, std::size_t stride, T const* capped, std::size_t size) const {
        auto const first = shape.first_visible(s);
        auto const scale = static_cast<T>(shape.scale), cap = static_cast<T>(shape.softcap);
        for (std::size_t m = 0; m < shape.group(); ++m)
            for (std::size_t t = first; t <= s; ++t) {
                T& slope = ds[m * stride + t];
                slope *= scale;
                if (cap > 0) {
                    T const share = capped[m * size + t] / cap;
                    slope *= 1 - share * share;
                }
            }
        in_threes(shape.group(), [&](auto count, std::size_t m) {
            mix_values<count>(heads_of<count>(dq, s, m), keys.data(), first, s, shape.width, ds + m * stride, stride);
            spread<count>(dkeys.data(), heads_of<count>(q, s, m), first, s, shape.width, ds + m * stride, stride);
        });
    }

    /// Scores of the heads of a query over the first `size` keys.
    void make_scores(std::size_t s, T* lines, std::size_t size) const {
        auto const first = shape.first_visible(s);
        in_threes(shape.group(), [&](auto count, std::size_t m) {
            dots<count>(heads_of<count>(q, s, m), keys.data(), first, s, shape.width, lines + m * size, size);
            for (std::size_t i = m; i < m + count; ++i)
                finish_scores(lines + i * size, first, s, size, shape.scale, shape.softcap);
        });
    }

    /// From dz of the query at position s to its dq, and to what it adds to dk and dv; lines: [3 * group, length] to
    /// work in.
    void query(std::size_t s, T* lines) const {
        auto const size = s + 1, first = shape.first_visible(s), step = shape.group() * size;
        auto const p = lines, dp = lines + step, capped = lines + 2 * step;
        make_scores(s, p, size);
        if (shape.softcap > 0)
            std::copy_n(p, step, capped);
        std::fill_n(dp, step, T(0));
        for (std::size_t m = 0; m < shape.group(); ++m)
            softmax_line(p + m * size, size);
        mix(s, first, s, dp, p, size);
        for (std::size_t m = 0; m < shape.group(); ++m)
            softmax_line_adjoint(dp + m * size, p + m * size, size);
        scores(s, dp, size, capped, size);
    }

    /// Of all queries.
    void all(T* lines) const {
        for (std::size_t s = 0; s < length; ++s)
            query(s, lines);
    }
};

} // namespace engraft::detail
