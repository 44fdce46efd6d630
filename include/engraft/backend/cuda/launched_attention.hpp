#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <engraft/backend/attention_shape.hpp>
#include <engraft/backend/cuda/kernels/attention.hpp>
#include <engraft/core/error.hpp>
#include <engraft/core/ragged.hpp>
#include <engraft/core/tensor.hpp>

namespace engraft {

/// The kernels of attention launched over queried rows, and what they need to know of a batch. `Launch` is said in
/// `launched`.
template <class T, class Launch>
class launched_attention {
public:
    using memory = typename Launch::memory_type;
    using line_places = kernels::line_places<T>;
    using seen_rows = kernels::seen_rows<T>;
    template <class E>
    using list = vector_tensor<E, memory>;

    /// Queried rows beside each other in a list; those that a kernel works on together.
    struct queried_rows {
        attention_row const* rows;
        std::size_t count;

        queried_rows from(std::size_t first, std::size_t most) const {
            return {rows + first, std::min(most, count - first)};
        }
    };

    explicit launched_attention(Launch const& launch) : launch_(launch) {}

    /// Where the rows of each example begin, and where the last one's end.
    static list<std::uint64_t> begins_of(ragged const& rows) { return upload<memory>(begins(rows)); }

    /// For each row whether its key is hidden; empty if none is.
    static list<std::uint8_t> hidden_of(ragged const& rows, attention_shape const& shape) {
        if (shape.hidden.empty())
            return {};
        std::vector<std::uint8_t> all(rows.rows());
        for (auto const row : shape.hidden)
            all[row] = 1;
        return upload<memory>(all);
    }

    /// A batch as queried rows without keys of their own.
    struct every_row {
        every_row(ragged const& rows, attention_shape const& shape)
            : begins(begins_of(rows)), hidden(hidden_of(rows, shape)), examples(rows.examples()) {
            std::vector<std::uint64_t> patterns{0};
            std::vector<attention_row> all;
            for (std::size_t e = 0; e < rows.examples(); ++e) {
                auto const n = rows.length(e);
                patterns.push_back(patterns.back() + shape.heads * n * n);
                for (std::size_t p = 0; p < n; ++p) {
                    auto const row = static_cast<std::uint32_t>(rows.begin(e) + p);
                    all.push_back({.query = row,
                                   .out = row,
                                   .example = static_cast<std::uint32_t>(e),
                                   .position = static_cast<std::uint32_t>(p)});
                }
            }
            pattern_begins = upload<memory>(patterns);
            queried = upload<memory>(all);
        }

        /// Lines of patterns.
        line_places lines(T* data, attention_shape const& shape) const {
            return {data, shape.heads, 0, 0, begins.data(), pattern_begins.data(), examples};
        }
        seen_rows seen(matrix<T const> all) const { return {all, {}, nullptr, begins.data(), hidden.data()}; }
        queried_rows rows() const { return {queried.data(), queried.size()}; }

        list<std::uint64_t> begins, pattern_begins;
        list<std::uint8_t> hidden;
        list<attention_row> queried;
        std::size_t examples;
    };

    /// Lines of a table [rows * heads, columns].
    static line_places table(matrix<T> all, std::size_t heads) {
        return {all.data, heads, all.columns, all.stride, nullptr, nullptr, 0};
    }

    /// How many queried rows have their lines in a table of tables_together / `tables` elements at one time.
    static std::size_t rows_together(attention_shape const& shape, std::size_t longest, std::size_t tables = 1) {
        constexpr auto together = kernels::queried_task::rows_together;
        auto const line = shape.heads * std::max<std::size_t>(longest, 1) * together * tables;
        return std::max<std::size_t>(1, Launch::lines_together / line) * together;
    }

    /// Of kernels that go through tiles of positions.
    static std::size_t tasks(queried_rows const& queried, attention_shape const& shape) {
        using tile = kernels::tile_of_positions<T>;
        if (shape.width > tile::elements / 2 - tile::gap)
            throw bad_input({"heads of ", shape.width, " elements are more than kernels of attention hold: at most ",
                             tile::elements / 2 - tile::gap});
        return tile::tasks(queried.count, shape.kv_heads);
    }

    void score(line_places const& to, matrix<T const> queries, queried_rows const& queried, seen_rows const& keys,
               attention_shape const& shape) const {
        launch_.each_block(tasks(queried, shape),
                           kernels::scored_rows<T>{to, queries, queried.rows, queried.count, keys, shape.group(),
                                                   shape.width, sight_of(shape), static_cast<T>(shape.scale),
                                                   static_cast<T>(shape.softcap)});
    }

    static kernels::sight sight_of(attention_shape const& shape) { return {shape.window, shape.bidirectional}; }

    void softmax(line_places const& all, std::size_t count) const {
        launch_.each_warp(count, kernels::softmax_lines<T>{all});
    }

    /// visible_only: nothing that a row does not see has a weight
    void mix(matrix<T> out, line_places const& weights, queried_rows const& queried, seen_rows const& values,
             attention_shape const& shape, bool visible_only) const {
        launch_.each_block(tasks(queried, shape),
                           kernels::mixed_rows<T>{out, weights, queried.rows, queried.count, values, shape.group(),
                                                  shape.width, visible_only && !shape.bidirectional});
    }

private:
    static std::vector<std::uint64_t> begins(ragged const& rows) {
        std::vector<std::uint64_t> all(rows.examples() + 1);
        for (std::size_t e = 0; e < rows.examples(); ++e)
            all[e + 1] = rows.begin(e) + rows.length(e);
        return all;
    }

    Launch const& launch_;
};

} // namespace engraft
