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
    std::uint64_t const* begins;          ///< of the examples' rows
    std::uint8_t const* hidden = nullptr; ///< for each clean row, whether no query sees its key; null: none is hidden

    ENGRAFT_DEVICE bool hides(attention_row const& r, std::size_t position) const {
        return hidden && hidden[begins[r.example] + position];
    }

    /// The first of a row's own that stands at a position or behind it.
    ENGRAFT_DEVICE std::uint32_t own_from(attention_row const& r, std::size_t position) const {
        std::uint32_t low = r.own_first, high = r.own_first + r.own_count;
        while (low < high) {
            auto const middle = (low + high) / 2;
            (own_positions[middle] < position ? low : high) = own_positions[middle] < position ? middle + 1 : middle;
        }
        return low;
    }
    /// Whether one of a row's own stands at a position, if it is that one or none.
    ENGRAFT_DEVICE bool is_own(attention_row const& r, std::uint32_t one, std::size_t position) const {
        return one < r.own_first + r.own_count && own_positions[one] == position;
    }
    ENGRAFT_DEVICE std::size_t length(std::size_t example) const { return begins[example + 1] - begins[example]; }

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

/// The positions [first, end) of an example of so many that a row sees; window and bidirectional as in attention_shape.
struct span {
    std::size_t first, end;
};
struct sight {
    std::size_t window;
    bool bidirectional;

    ENGRAFT_DEVICE span of(attention_row const& r, std::size_t length) const {
        std::size_t const end = r.position + std::size_t(1);
        return {window > 0 && end > window ? end - window : 0, bidirectional ? length : end};
    }
};

/// Rows that stand beside each other and the heads that share one head of keys are a block's task. It takes the clean
/// keys or values of that head into shared memory, some positions at a time, once for all cases of the example that its
/// rows are of.
template <class T>
struct tile_of_positions {
    static constexpr std::size_t rows_together = 32, positions = 32, gap = 1; ///< the gap: see scored_rows
    static constexpr std::size_t elements = (positions + gap) * 256;          ///< heads of up to 256 have whole tiles

    static std::size_t tasks(std::size_t rows, std::size_t kv_heads) {
        return (rows + rows_together - 1) / rows_together * kv_heads;
    }
    ENGRAFT_DEVICE static std::size_t of_width(std::size_t width) {
        auto const fit = elements / width - gap;
        return fit < positions ? fit : positions;
    }

    /// Calls f(first, end) for the task's rows of each example. All threads do.
    template <class F>
    ENGRAFT_DEVICE static void each_example(std::size_t block, attention_row const* queried, std::size_t count,
                                            F const& f) {
        std::size_t const begin = block * rows_together,
                          last = begin + rows_together < count ? begin + rows_together : count;
        for (std::size_t first = begin, end; first < last; first = end) {
            for (end = first + 1; end < last && queried[end].example == queried[first].example;)
                ++end;
            f(first, end);
        }
    }
};

/// Four elements beside each other, which a GPU reads at once.
template <class T>
struct alignas(4 * sizeof(T)) four {
    T of[4];

    /// Whether those of all rows and heads, every fourth one the first of four, stand so.
    static bool fit(matrix<T const> const& rows, std::size_t width) {
        return reinterpret_cast<std::uintptr_t>(rows.data) % sizeof(four) == 0 && rows.stride % 4 == 0 &&
               width % 4 == 0;
    }
    /// From p; `count`: as many as there are, if not four. aligned: they stand as `fit` says
    ENGRAFT_DEVICE static four at(T const* p, std::size_t count, bool aligned) {
        if (aligned)
            return *reinterpret_cast<four const*>(p);
        return at_every(p, 1, count);
    }
    /// From p, p + step, ...
    ENGRAFT_DEVICE static four at_every(T const* p, std::size_t step, std::size_t count) {
        four found{};
        for (std::size_t k = 0; k < 4; ++k)
            if (k < count)
                found.of[k] = p[k * step];
        return found;
    }
};

/// line[t] = query . key[t], scaled and capped; `hidden` where the row does not see the position. A lane has a position
/// and goes through its key by itself, so that the sum is the same whatever else is computed. See tile_of_positions.
template <class T>
struct scored_rows {
    using tile = tile_of_positions<T>;
    using shared_type = T;
    static constexpr std::size_t shared_elements = tile::elements;

    line_places<T> lines;
    matrix<T const> queries;
    attention_row const* queried;
    std::size_t count; ///< of queried rows
    seen_rows<T> keys;
    std::size_t group, width; ///< as in attention_shape
    sight sees;
    T scale, softcap;
    T hidden = static_cast<T>(-INFINITY);
    bool visible_only = true; ///< otherwise the row sees all positions of its example
    bool aligned_queries = four<T>::fit(queries, width), aligned_own = four<T>::fit(keys.own, width);

    template <class Block>
    ENGRAFT_DEVICE void operator()(Block const& block, std::size_t task) const {
        auto const [rows, kv_head] = cell_of(task, lines.heads / group);
        std::size_t const head = kv_head; // a name that lambdas can take
        tile::each_example(rows, queried, count, [&](std::size_t first, std::size_t end) {
            span seen = of(queried[first]); // by any of the rows
            for (std::size_t i = first + 1; i < end; ++i) {
                span const one = of(queried[i]);
                seen = {one.first < seen.first ? one.first : seen.first, one.end > seen.end ? one.end : seen.end};
            }
            std::size_t const whole = tile::of_width(width), stride = whole + tile::gap;
            T const* const clean = keys.clean.data + keys.begins[queried[first].example] * keys.clean.stride;
            for (std::size_t begin = seen.first; begin < seen.end; begin += whole) {
                std::size_t const n = seen.end - begin < whole ? seen.end - begin : whole;
                // Column after column: neighbours in memory are written, and neighbouring lanes read, in other banks.
                block.each(n * width, [&](std::size_t i) {
                    auto const at = cell_of(i, width);
                    block.shared[at.column * stride + at.row] =
                        clean[(begin + at.row) * keys.clean.stride + head * width + at.column];
                });
                block.each_warp((end - first) * group, [&](auto const& warp, std::size_t i) {
                    score(warp, first + i / group, head, i % group, begin, n, block.shared, stride);
                });
            }
            block.each_warp((end - first) * group, [&](auto const& warp, std::size_t i) {
                auto const line = lines.of(first + i / group, queried[first + i / group], head * group + i % group);
                T* const data = line.data;
                warp.each(line.size, [&](std::size_t t) {
                    if (t < seen.first || t >= seen.end)
                        data[t] = hidden;
                });
            });
        });
    }

private:
    ENGRAFT_DEVICE span of(attention_row const& r) const {
        std::size_t const length = keys.length(r.example);
        return visible_only ? sees.of(r, length) : span{0, length};
    }

    /// Of one row and head, the positions of a tile.
    template <class Warp>
    ENGRAFT_DEVICE void score(Warp const& warp, std::size_t row, std::size_t kv_head, std::size_t of_group,
                              std::size_t begin, std::size_t n, T const* shared, std::size_t stride) const {
        attention_row const r = queried[row];
        auto const head = kv_head * group + of_group;
        auto const line = lines.of(row, r, head);
        span const seen = of(r);
        T const* const query = queries.data + r.query * queries.stride + head * width;
        warp.each(n, [&](std::size_t t) {
            std::size_t const position = begin + t;
            if (position < seen.first || position >= seen.end || (visible_only && keys.hides(r, position))) {
                line.data[position] = hidden;
                return;
            }
            auto const own = keys.own_from(r, position);
            bool const is_own = keys.is_own(r, own, position);
            T const* const own_key = is_own ? keys.own.data + own * keys.own.stride + kv_head * width : nullptr;
            T sums[4] = {};
            for (std::size_t c = 0; c < width; c += 4) {
                auto const x = four<T>::at(query + c, width - c, aligned_queries);
                auto const y = is_own ? four<T>::at(own_key + c, width - c, aligned_own)
                                      : four<T>::at_every(shared + c * stride + t, stride, width - c);
                for (std::size_t k = 0; k < 4; ++k)
                    if (c + k < width)
                        sums[k] = fused(x.of[k], y.of[k], sums[k]);
            }
            line.data[position] = capped(((sums[0] + sums[1]) + (sums[2] + sums[3])) * scale, softcap);
        });
    }
};

/// Softmax of each line, in place; places at minus infinity become 0. A warp for each line.
template <class T>
struct softmax_lines {
    line_places<T> lines;

    template <class Warp>
    ENGRAFT_DEVICE void operator()(Warp const& warp, std::size_t i) const {
        auto const line = lines.number(i);
        T const best = warp.template best<T>(line.size, [&](std::size_t t) { return line.data[t]; }).value;
        T const largest = best == static_cast<T>(-INFINITY) ? T(0) : best; // where no key is seen, all become 0
        T const sum = warp.template sum<T>(line.size, [&](T s, std::size_t t) {
            T const e = std::exp(line.data[t] - largest);
            line.data[t] = e;
            return s + e;
        });
        warp.each(line.size, [&](std::size_t t) { line.data[t] /= sum == T(0) ? T(1) : sum; });
    }
};

/// z = sum over the positions of line[t] value[t], in their order; weights of 0 are passed over. A lane has columns; a
/// tile goes on from what the one before has left in z. See tile_of_positions.
template <class T>
struct mixed_rows {
    using tile = tile_of_positions<T>;
    using shared_type = T;
    static constexpr std::size_t shared_elements = tile::elements;
    static constexpr std::size_t columns_together = 4; ///< of one lane

    matrix<T> out;
    line_places<T> lines;
    attention_row const* queried;
    std::size_t count;
    seen_rows<T> values;
    std::size_t group, width;
    bool up_to_itself; ///< nothing behind the row's own position has a weight

    template <class Block>
    ENGRAFT_DEVICE void operator()(Block const& block, std::size_t task) const {
        auto const [rows, kv_head] = cell_of(task, lines.heads / group);
        std::size_t const head = kv_head;
        tile::each_example(rows, queried, count, [&](std::size_t first, std::size_t end) {
            std::size_t most = 0;
            for (std::size_t i = first; i < end; ++i)
                most = end_of(queried[i]) > most ? end_of(queried[i]) : most;
            std::size_t const whole = tile::of_width(width);
            T const* const clean = values.clean.data + values.begins[queried[first].example] * values.clean.stride;
            for (std::size_t begin = 0; begin < most; begin += whole) {
                std::size_t const n = most - begin < whole ? most - begin : whole;
                block.each(n * width, [&](std::size_t i) {
                    auto const at = cell_of(i, width);
                    block.shared[i] = clean[(begin + at.row) * values.clean.stride + head * width + at.column];
                });
                block.each_warp((end - first) * group, [&](auto const& warp, std::size_t i) {
                    mix(warp, first + i / group, head, i % group, begin, n, block.shared);
                });
            }
        });
    }

private:
    ENGRAFT_DEVICE std::size_t end_of(attention_row const& r) const {
        return up_to_itself ? r.position + std::size_t(1) : values.length(r.example);
    }

    /// Of one row and head, the positions of a tile.
    template <class Warp>
    ENGRAFT_DEVICE void mix(Warp const& warp, std::size_t row, std::size_t kv_head, std::size_t of_group,
                            std::size_t begin, std::size_t n, T const* shared) const {
        attention_row const r = queried[row];
        std::size_t const all = end_of(r), end = begin + n < all ? begin + n : all;
        if (begin >= end)
            return;
        auto const head = kv_head * group + of_group;
        auto const line = lines.of(row, r, head);
        T* const z = out.data + r.out * out.stride + head * width;
        constexpr std::size_t block = warp_lanes * columns_together;
        warp.each((width + block - 1) / block * warp_lanes, [&](std::size_t i) {
            std::size_t const column = i / warp_lanes * block + i % warp_lanes; // and 32, 64, 96 columns behind it
            T sums[columns_together] = {};
            for (std::size_t k = 0; k < columns_together; ++k)
                if (begin > 0 && column + k * warp_lanes < width)
                    sums[k] = z[column + k * warp_lanes];
            auto own = values.own_from(r, begin);
            for (std::size_t t = begin; t < end; ++t) {
                bool const is_own = values.is_own(r, own, t);
                T const* const value =
                    is_own ? values.own.data + own * values.own.stride + kv_head * width : shared + (t - begin) * width;
                own += is_own;
                T const weight = line.data[t];
                if (weight == T(0))
                    continue;
                for (std::size_t k = 0; k < columns_together; ++k)
                    if (column + k * warp_lanes < width)
                        sums[k] = fused(weight, value[column + k * warp_lanes], sums[k]);
            }
            for (std::size_t k = 0; k < columns_together; ++k)
                if (column + k * warp_lanes < width)
                    z[column + k * warp_lanes] = sums[k];
        });
    }
};

} // namespace engraft::kernels
