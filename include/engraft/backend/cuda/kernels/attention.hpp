#pragma once

#include <engraft/backend/attention_row.hpp>
#include <engraft/backend/attention_shape.hpp>
#include <engraft/backend/cuda/kernels/warp.hpp>

/// Attention in three kernels: scores, softmax, mix. All forms of attention are these three, over single rows: a whole
/// batch is a list of rows without own keys. So a row that is computed again from the same numbers has the same bits,
/// whether a policy looks at its pattern or not.
namespace engraft::kernels {

/// Where the line of scores of a queried row and head lies, `size` long. Lines are those of a table [queried * heads,
/// size], or those of patterns, flat: [example][head][query position][key position].
template <class T>
struct line_places {
    T* data;
    std::size_t heads;
    std::size_t columns, stride;         ///< of a table
    std::uint64_t const* begins;         ///< of patterns: of the examples' rows, [examples + 1]; null for a table
    std::uint64_t const* pattern_begins; ///< of the examples' patterns
    std::size_t examples;

    struct line {
        T* data;
        std::size_t size;
    };

    /// Of row i of the queried ones.
    ENGRAFT_DEVICE line of(std::size_t i, attention_row const& r, std::size_t head) const {
        if (!begins)
            return {data + (i * heads + head) * stride, columns};
        std::size_t const n = begins[r.example + 1] - begins[r.example];
        return {data + pattern_begins[r.example] + (head * n + r.position) * n, n};
    }

    /// Line i of all.
    ENGRAFT_DEVICE line number(std::size_t i) const {
        if (!begins)
            return {data + i * stride, columns};
        std::size_t low = 0, high = examples; // the example whose lines have number i
        while (high - low > 1) {
            auto const middle = (low + high) / 2;
            (begins[middle] * heads <= i ? low : high) = middle;
        }
        std::size_t const n = begins[low + 1] - begins[low];
        return {data + pattern_begins[low] + (i - begins[low] * heads) * n, n};
    }
};

/// The keys or values that a row sees: the clean run's of its example, except where its case has its own.
template <class T>
struct seen_rows {
    matrix<T const> clean, own;
    std::uint32_t const* own_positions;
    std::uint64_t const* begins; ///< of the examples' rows

    /// Goes through the positions of one row in ascending order.
    struct walk {
        seen_rows const& from;
        std::uint64_t begin;
        std::uint32_t own, own_end;

        ENGRAFT_DEVICE T const* at(std::size_t position) {
            while (own < own_end && from.own_positions[own] < position)
                ++own;
            if (own < own_end && from.own_positions[own] == position)
                return from.own.data + own * from.own.stride;
            return from.clean.data + (begin + position) * from.clean.stride;
        }
    };

    ENGRAFT_DEVICE walk of(attention_row const& r) const {
        return {*this, begins[r.example], r.own_first, r.own_first + r.own_count};
    }
};

/// Which queried row and head a warp has. Warps of a block have one head of rows that stand beside each other, mostly
/// of one example, so that they read the same keys at the same time.
struct queried_task {
    static constexpr std::size_t rows_together = 8;
    std::size_t row, head;

    ENGRAFT_DEVICE static queried_task number(std::size_t task, std::size_t heads) {
        auto const [block, inside] = cell_of(task, rows_together * heads);
        return {block * rows_together + inside % rows_together, inside / rows_together};
    }
    /// Tasks of so many rows; those behind the last row do nothing.
    static std::size_t count(std::size_t rows, std::size_t heads) {
        return (rows + rows_together - 1) / rows_together * rows_together * heads;
    }
};

/// The positions [first, end) that a row sees; window as in attention_shape.
struct span {
    std::size_t first, end;
};
ENGRAFT_DEVICE inline span visible(attention_row const& r, std::size_t window) {
    std::size_t const end = r.position + std::size_t(1);
    return {window > 0 && end > window ? end - window : 0, end};
}

/// line[t] = query . key[t], scaled and capped; `hidden` where the row does not see the position. A warp for each row
/// and head.
template <class T>
struct scored_rows {
    line_places<T> lines;
    matrix<T const> queries;
    attention_row const* queried;
    std::size_t count; ///< of queried rows
    seen_rows<T> keys;
    std::size_t group, width, window; ///< as in attention_shape
    T scale, softcap;
    T hidden = static_cast<T>(-INFINITY);
    bool visible_only = true; ///< otherwise the row sees all positions of its example

    template <class Warp>
    ENGRAFT_DEVICE void operator()(Warp const& warp, std::size_t task) const {
        auto const mine = queried_task::number(task, lines.heads);
        if (mine.row >= count)
            return;
        attention_row const r = queried[mine.row];
        auto const line = lines.of(mine.row, r, mine.head);
        span const seen =
            visible_only ? visible(r, window) : span{0, keys.begins[r.example + 1] - keys.begins[r.example]};
        std::size_t const first = seen.first, end = seen.end; // names that lambdas can take
        T const* const query = queries.data + r.query * queries.stride + mine.head * width;
        auto walk = keys.of(r);
        warp.each(line.size, [&](std::size_t t) {
            if (t < first || t >= end)
                line.data[t] = hidden;
        });
        warp.collect(
            end - first,
            [&](std::size_t t) {
                T const* const key = walk.at(first + t) + mine.head / group * width;
                return warp.template sum<T>(width, [&](T s, std::size_t c) { return fused(query[c], key[c], s); });
            },
            [&](std::size_t t, T dot) { line.data[first + t] = capped(dot * scale, softcap); });
    }
};

/// Softmax of each line, in place; places at minus infinity become 0. A warp for each line.
template <class T>
struct softmax_lines {
    line_places<T> lines;

    template <class Warp>
    ENGRAFT_DEVICE void operator()(Warp const& warp, std::size_t i) const {
        auto const line = lines.number(i);
        T const largest = warp.template best<T>(line.size, [&](std::size_t t) { return line.data[t]; }).value;
        T const sum = warp.template sum<T>(line.size, [&](T s, std::size_t t) {
            T const e = std::exp(line.data[t] - largest);
            line.data[t] = e;
            return s + e;
        });
        warp.each(line.size, [&](std::size_t t) { line.data[t] /= sum; });
    }
};

/// z = sum over the positions of line[t] value[t], in their order; weights of 0 are passed over. A warp for each row
/// and head.
template <class T>
struct mixed_rows {
    static constexpr std::size_t columns_together = 4; ///< of one lane
    matrix<T> out;
    line_places<T> lines;
    attention_row const* queried;
    std::size_t count;
    seen_rows<T> values;
    std::size_t group, width;
    bool visible_only; ///< nothing behind the row's own position has a weight

    template <class Warp>
    ENGRAFT_DEVICE void operator()(Warp const& warp, std::size_t task) const {
        auto const mine = queried_task::number(task, lines.heads);
        if (mine.row >= count)
            return;
        attention_row const r = queried[mine.row];
        auto const line = lines.of(mine.row, r, mine.head);
        std::size_t const length = values.begins[r.example + 1] - values.begins[r.example];
        std::size_t const end = visible_only ? r.position + std::size_t(1) : length;
        T* const z = out.data + r.out * out.stride + mine.head * width;
        constexpr std::size_t block = warp_lanes * columns_together;
        warp.each((width + block - 1) / block * warp_lanes, [&](std::size_t i) {
            std::size_t const first = i / warp_lanes * block + i % warp_lanes; // and 32, 64, 96 columns behind it
            T sums[columns_together] = {};
            auto walk = values.of(r);
            for (std::size_t t = 0; t < end; ++t) {
                T const weight = line.data[t];
                if (weight == T(0))
                    continue;
                T const* const value = walk.at(t) + mine.head / group * width;
                for (std::size_t k = 0; k < columns_together; ++k)
                    if (first + k * warp_lanes < width)
                        sums[k] = fused(weight, value[first + k * warp_lanes], sums[k]);
            }
            for (std::size_t k = 0; k < columns_together; ++k)
                if (first + k * warp_lanes < width)
                    z[first + k * warp_lanes] = sums[k];
        });
    }
};

} // namespace engraft::kernels
