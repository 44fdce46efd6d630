#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include <engraft/backend/cpu/vector.hpp>

/// Attention of one row at a time. What a query makes of a key is the same sum in the same order wherever the key lies
/// and whoever else asks, so that a row that is computed again from the same numbers has the same bits.
namespace engraft::detail {

/// The keys and values that a row sees, by position.
template <class T>
struct key_value_rows {
    std::vector<T const*> keys, values;
};

template <std::size_t... I, class F>
inline void unrolled(std::index_sequence<I...>, F const& f) {
    (f(std::integral_constant<std::size_t, I>{}), ...);
}

/// line[m][j] = q[m] . key[j] for Q queries and K keys.
template <std::size_t Q, std::size_t K, class T>
inline void dot_tile(std::array<T const*, Q> const& queries, T const* const* keys, std::size_t width, T* line,
                     std::size_t line_stride) {
    lanes<T> sums[Q][K] = {};
    auto const step = [&](auto const& get) {
        lanes<T> q[Q];
        unrolled(std::make_index_sequence<Q>{}, [&](auto m) { get(q[m], queries[m]); });
        unrolled(std::make_index_sequence<K>{}, [&](auto j) {
            lanes<T> k;
            get(k, keys[j]);
            unrolled(std::make_index_sequence<Q>{}, [&](auto m) { add_product<T>(sums[m][j], q[m], k); });
        });
    };
    std::size_t d = 0;
    for (; d + lane_count <= width; d += lane_count)
        step([d](lanes<T>& to, T const* from) { load<T>(to, from + d); });
    if (d < width)
        step([d, width](lanes<T>& to, T const* from) { load<T>(to, from + d, width - d); });
    unrolled(std::make_index_sequence<Q>{}, [&](auto m) {
        unrolled(std::make_index_sequence<K>{}, [&](auto j) { line[m * line_stride + j] = sum_of<T>(sums[m][j]); });
    });
}

/// Products of Q queries with the keys [first, last].
template <std::size_t Q, class T>
void dots(std::array<T const*, Q> const& queries, T const* const* keys, std::size_t first, std::size_t last,
          std::size_t width, T* line, std::size_t line_stride) {
    constexpr std::size_t wide = Q == 1 ? 4 : 3;
    std::size_t j = first;
    for (; j + wide <= last + 1; j += wide)
        dot_tile<Q, wide>(queries, keys + j, width, line + j, line_stride);
    for (; j <= last; ++j)
        dot_tile<Q, 1>(queries, keys + j, width, line + j, line_stride);
}

/// Columns [d, d + C lanes) of `mix_values`.
template <std::size_t Q, std::size_t C, class T, class Get, class Put>
inline void mix_columns(std::array<T*, Q> const& out, T const* const* values, std::size_t first, std::size_t last,
                        std::size_t d, T const* line, std::size_t line_stride, Get const& get, Put const& put) {
    lanes<T> sums[C][Q] = {};
    for (std::size_t j = first; j <= last; ++j) {
        lanes<T> share[Q];
        unrolled(std::make_index_sequence<Q>{}, [&](auto m) { share[m] = lanes<T>{} + line[m * line_stride + j]; });
        unrolled(std::make_index_sequence<C>{}, [&](auto c) {
            lanes<T> v;
            get(v, values[j] + d + c * lane_count);
            unrolled(std::make_index_sequence<Q>{}, [&](auto m) { add_product<T>(sums[c][m], v, share[m]); });
        });
    }
    unrolled(std::make_index_sequence<C>{}, [&](auto c) {
        unrolled(std::make_index_sequence<Q>{}, [&](auto m) { put(out[m] + d + c * lane_count, sums[c][m]); });
    });
}

/// out[m] = sum over [first, last] of line[m][j] value[j], in the order of j.
template <std::size_t Q, class T>
void mix_values(std::array<T*, Q> const& out, T const* const* values, std::size_t first, std::size_t last,
                std::size_t width, T const* line, std::size_t line_stride) {
    auto const columns = [&](auto count, std::size_t d, auto const& get, auto const& put) {
        mix_columns<Q, count>(out, values, first, last, d, line, line_stride, get, put);
    };
    auto const get = [](lanes<T>& to, T const* from) { load<T>(to, from); };
    auto const put = [](T* to, lanes<T> const& from) { store<T>(to, from); };
    constexpr std::integral_constant<std::size_t, 4> four; // as many sums as registers
    constexpr std::integral_constant<std::size_t, 1> one;
    std::size_t d = 0;
    for (; d + four * lane_count <= width; d += four * lane_count)
        columns(four, d, get, put);
    for (; d + lane_count <= width; d += lane_count)
        columns(one, d, get, put);
    if (auto const rest = width - d)
        columns(
            one, d, [rest](lanes<T>& to, T const* from) { load<T>(to, from, rest); },
            [rest](T* to, lanes<T> const& from) { store<T>(to, from, rest); });
}

/// Scales and caps the scores of [first, last] and hides the rest of the line, `size` long.
template <class T>
void finish_scores(T* line, std::size_t first, std::size_t last, std::size_t size, double scale, double softcap) {
    auto const factor = static_cast<T>(scale), cap = static_cast<T>(softcap);
    for (std::size_t j = first; j <= last; ++j)
        line[j] *= factor;
    if (cap > 0)
        for (std::size_t j = first; j <= last; ++j)
            line[j] = cap * std::tanh(line[j] / cap);
    std::fill(line, line + first, -std::numeric_limits<T>::infinity());
    std::fill(line + last + 1, line + size, -std::numeric_limits<T>::infinity());
}

/// Softmax of a line; places at minus infinity become 0 and change no bit of the others.
template <class T>
void softmax_line(T* line, std::size_t size) {
    T largest = line[0];
    for (std::size_t j = 1; j < size; ++j)
        largest = line[j] > largest ? line[j] : largest;
    lanes<T> sums{};
    auto const exponentials = [&](lanes<T>& x) {
        x -= largest;
        exponential(x);
    };
    std::size_t j = 0;
    for (; j + lane_count <= size; j += lane_count) {
        lanes<T> x;
        load<T>(x, line + j);
        exponentials(x);
        sums += x;
        store<T>(line + j, x);
    }
    if (j < size) {
        lanes<T> x = lanes<T>{} - std::numeric_limits<T>::infinity();
        std::memcpy(&x, line + j, (size - j) * sizeof(T));
        exponentials(x);
        sums += x;
        store<T>(line + j, x, size - j);
    }
    T const sum = sum_of<T>(sums);
    for (std::size_t i = 0; i < size; ++i)
        line[i] /= sum;
}

/// Calls f with Q = 1, 2 or 3 query heads at a time until all `count` are done: f(std::integral_constant<Q>, first).
template <class F>
void in_threes(std::size_t count, F const& f) {
    std::size_t h = 0;
    for (; h + 3 <= count; h += 3)
        f(std::integral_constant<std::size_t, 3>{}, h);
    if (count - h == 2)
        f(std::integral_constant<std::size_t, 2>{}, h);
    else if (count - h == 1)
        f(std::integral_constant<std::size_t, 1>{}, h);
}

} // namespace engraft::detail
