#pragma once

#include <engraft/backend/cuda/kernels/adjoint_elements.hpp>
#include <engraft/backend/cuda/kernels/attention.hpp>

/// Attention backwards. What a row's weights get is a score of dz with the values, and what its query gets a mix of the
/// keys: kernels/attention.hpp. Here is what a line gets, and what a key or value gets from the rows that see it.
namespace engraft::kernels {

/// The queried rows [first, first + count) may see the key or value at a position.
struct seen_key {
    std::uint32_t position = 0, first = 0, count = 0;
};

/// Who sees the cases' own keys; called for each queried row, of which the first of a case does the work for all.
struct own_seen_keys {
    seen_key* keys;
    attention_row const* queried;
    std::size_t count;
    std::uint32_t const* positions;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        attention_row const r = queried[i];
        auto const same = [&](std::size_t j) {
            return queried[j].own_count > 0 && queried[j].own_first == r.own_first;
        };
        if (i > 0 && same(i - 1))
            return;
        std::size_t end = i + 1;
        while (end < count && same(end))
            ++end;
        for (std::uint32_t o = r.own_first; o < r.own_first + r.own_count; ++o)
            keys[o] = {positions[o], static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(end - i)};
    }
};

/// out[i] = queried[i] with the rows of its query and its result exchanged.
struct turned_rows {
    attention_row* out;
    attention_row const* queried;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        attention_row r = queried[i];
        auto const query = r.query;
        r.query = r.out;
        r.out = query;
        out[i] = r;
    }
};

/// dp = p (dp - sum of p dp) of each line, in place. A warp for each line.
template <class T>
struct softmax_lines_back {
    line_places<T> slopes, lines;

    template <class Warp>
    ENGRAFT_DEVICE void operator()(Warp const& warp, std::size_t i) const {
        auto const d = slopes.number(i), p = lines.number(i);
        T const sum = warp.template sum<T>(d.size, [&](T s, std::size_t t) { return fused(p.data[t], d.data[t], s); });
        warp.each(d.size, [&](std::size_t t) { d.data[t] = p.data[t] * (d.data[t] - sum); });
    }
};

/// From the gradient of a row's scores to that of its products with the keys, in place; 0 where the row does not see
/// the position. A warp for each row and head.
template <class T>
struct score_slopes {
    line_places<T> slopes;
    matrix<T const> queries;
    attention_row const* queried;
    std::size_t count; ///< of queried rows
    seen_rows<T> keys;
    std::size_t group, width; ///< as in attention_shape
    sight sees;
    T scale, softcap;

    template <class Warp>
    ENGRAFT_DEVICE void operator()(Warp const& warp, std::size_t task) const {
        auto const mine = queried_task::number(task, slopes.heads);
        if (mine.row >= count)
            return;
        attention_row const r = queried[mine.row];
        auto const line = slopes.of(mine.row, r, mine.head);
        span const seen = sees.of(r, keys.length(r.example));
        std::size_t const first = seen.first, end = seen.end; // names that lambdas can take
        warp.each(line.size, [&](std::size_t t) {
            line.data[t] = t < first || t >= end || keys.hides(r, t) ? T(0) : scale * line.data[t];
        });
        if (!(softcap > T(0)))
            return;
        T const* const query = queries.data + r.query * queries.stride + mine.head * width;
        auto walk = keys.of(r);
        // A lane has the same places as before, those in front of the first one included.
        warp.collect(
            end,
            [&](std::size_t t) {
                if (t < first)
                    return T(0);
                T const* const key = walk.at(t) + mine.head / group * width;
                return warp.template sum<T>(width, [&](T s, std::size_t c) { return fused(query[c], key[c], s); });
            },
            [&](std::size_t t, T dot) { line.data[t] *= cap_slope(capped(dot * scale, softcap), softcap); });
    }
};

/// to[key] = sum over the queried rows that see it, and over their heads that share it, of line[position of the key]
/// from[row, head], in this order; weights of 0 are passed over. A warp for each key and head of keys.
template <class T>
struct spread_lines {
    static constexpr std::size_t columns_together = 4; ///< of one lane
    matrix<T> to;
    seen_key const* keys;
    std::size_t count; ///< of keys
    line_places<T> lines;
    matrix<T const> from;         ///< the row of `query`
    attention_row const* queried; ///< rows [first, end) of those that the keys speak of
    std::size_t first, end;
    std::size_t group, width;
    bool added; ///< to what earlier rows have made of it, otherwise to 0

    template <class Warp>
    ENGRAFT_DEVICE void operator()(Warp const& warp, std::size_t task) const {
        auto const mine = queried_task::number(task, lines.heads / group);
        if (mine.row >= count)
            return;
        seen_key const key = keys[mine.row];
        std::size_t const stop = std::size_t(key.first) + key.count;
        T* const sum = to.data + mine.row * to.stride + mine.head * width;
        constexpr std::size_t block = warp_lanes * columns_together;
        warp.each((width + block - 1) / block * warp_lanes, [&](std::size_t i) {
            std::size_t const column = i / warp_lanes * block + i % warp_lanes; // and 32, 64, 96 columns behind it
            T sums[columns_together] = {};
            for (std::size_t k = 0; k < columns_together; ++k)
                if (added && column + k * warp_lanes < width)
                    sums[k] = sum[column + k * warp_lanes];
            for (std::size_t j = key.first < first ? first : key.first; j < stop && j < end; ++j) {
                attention_row const r = queried[j - first];
                T const* row = from.data + r.query * from.stride + mine.head * group * width;
                for (std::size_t m = 0; m < group; ++m, row += width) {
                    T const weight = lines.of(j - first, r, mine.head * group + m).data[key.position];
                    if (weight == T(0))
                        continue;
                    for (std::size_t k = 0; k < columns_together; ++k)
                        if (column + k * warp_lanes < width)
                            sums[k] = fused(weight, row[column + k * warp_lanes], sums[k]);
                }
            }
            for (std::size_t k = 0; k < columns_together; ++k)
                if (column + k * warp_lanes < width)
                    sum[column + k * warp_lanes] = sums[k];
        });
    }
};

} // namespace engraft::kernels
