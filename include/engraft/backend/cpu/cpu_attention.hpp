#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <engraft/backend/attention_row.hpp>
#include <engraft/backend/attention_shape.hpp>
#include <engraft/backend/cpu/attention.hpp>
#include <engraft/backend/cpu/parallel.hpp>
#include <engraft/core/ragged.hpp>
#include <engraft/core/tensor.hpp>

namespace engraft {

/// The cpu backend's attention: tasks are the key/value heads of examples, or of blocks of single rows. `Backend` says
/// how many threads there are, and how rows are shared among them: backend().each_row(rows, task).
template <class Backend, class T>
class cpu_attention {
public:
    using value_type = T;
    using in_matrix = matrix<T const>;
    using out_matrix = matrix<T>;
    template <class E>
    using list = vector_tensor<E, host_memory>;

    void scores(value_type* out, in_matrix queries, in_matrix keys, attention_shape const& shape,
                ragged const& rows) const {
        each_key_head(rows, shape, keys, keys, [&](std::size_t e, std::size_t kv, seen const& from) {
            auto const n = rows.length(e);
            auto const lines = out + pattern_begin(rows, shape, e) + kv * shape.group() * n * n;
            for (std::size_t s = 0; s < n; ++s)
                score_lines(row(queries, rows.begin(e) + s), kv, s, from, shape, n, lines + s * n, n * n);
        });
    }

    void softmax(value_type* lines, attention_shape const& shape, ragged const& rows) const {
        for (std::size_t e = 0; e < rows.examples(); ++e) {
            auto const n = rows.length(e);
            backend().each_row(shape.heads * n, [&, first = lines + pattern_begin(rows, shape, e)](std::size_t i) {
                detail::softmax_line(first + i * n, n);
            });
        }
    }

    void mix(out_matrix out, value_type const* lines, in_matrix values, attention_shape const& shape,
             ragged const& rows) const {
        each_key_head(rows, shape, values, values, [&](std::size_t e, std::size_t kv, seen const& from) {
            auto const n = rows.length(e);
            auto const first = lines + pattern_begin(rows, shape, e) + kv * shape.group() * n * n;
            for (std::size_t s = 0; s < n; ++s)
                mix_lines(row(out, rows.begin(e) + s), kv, 0, n - 1, from, shape, first + s * n, n * n);
        });
    }

    void attention(out_matrix out, in_matrix queries, in_matrix keys, in_matrix values, attention_shape const& shape,
                   ragged const& rows) const {
        each_key_head(rows, shape, keys, values, [&](std::size_t e, std::size_t kv, seen const& from) {
            for (std::size_t s = 0; s < rows.length(e); ++s)
                attend(row(out, rows.begin(e) + s), row(queries, rows.begin(e) + s), kv, s, from, shape);
        });
    }

    void attention_rows(out_matrix out, in_matrix queries, list<attention_row> const& queried, in_matrix keys,
                        in_matrix values, in_matrix own_keys, in_matrix own_values,
                        list<std::uint32_t> const& own_positions, attention_shape const& shape,
                        ragged const& rows) const {
        each_queried(queried, keys, values, own_keys, own_values, own_positions, shape, rows,
                     [&](std::size_t, attention_row const& r, std::size_t kv, seen const& from) {
                         attend(row(out, r.out), row(queries, r.query), kv, r.position, from, shape);
                     });
    }

    void score_rows(out_matrix lines, in_matrix queries, list<attention_row> const& queried, in_matrix keys,
                    in_matrix own_keys, list<std::uint32_t> const& own_positions, attention_shape const& shape,
                    ragged const& rows) const {
        each_queried(queried, keys, keys, own_keys, own_keys, own_positions, shape, rows,
                     [&](std::size_t i, attention_row const& r, std::size_t kv, seen const& from) {
                         score_lines(row(queries, r.query), kv, r.position, from, shape, lines.columns,
                                     row(lines, i * shape.heads + kv * shape.group()), lines.stride);
                     });
    }

    void softmax_rows(out_matrix lines) const {
        backend().each_row(lines.rows, [&](std::size_t r) { detail::softmax_line(row(lines, r), lines.columns); });
    }

    void mix_rows(out_matrix out, in_matrix lines, list<attention_row> const& queried, in_matrix values,
                  in_matrix own_values, list<std::uint32_t> const& own_positions, attention_shape const& shape,
                  ragged const& rows) const {
        each_queried(queried, values, values, own_values, own_values, own_positions, shape, rows,
                     [&](std::size_t i, attention_row const& r, std::size_t kv, seen const& from) {
                         mix_lines(row(out, r.out), kv, 0, rows.length(r.example) - 1, from, shape,
                                   row(lines, i * shape.heads + kv * shape.group()), lines.stride);
                     });
    }

private:
    Backend const& backend() const { return static_cast<Backend const&>(*this); }

    template <class E>
    static E* row(matrix<E> m, std::size_t r) {
        return m.data + r * m.stride;
    }

    using seen = detail::key_value_rows<value_type>;

    /// One example's keys and values of a head.
    static seen rows_of(ragged const& rows, std::size_t e, std::size_t kv, std::size_t width, in_matrix keys,
                        in_matrix values) {
        seen from;
        for (std::size_t p = 0; p < rows.length(e); ++p) {
            from.keys.push_back(row(keys, rows.begin(e) + p) + kv * width);
            from.values.push_back(row(values, rows.begin(e) + p) + kv * width);
        }
        return from;
    }

    /// task(example, key/value head, its rows)
    template <class Task>
    void each_key_head(ragged const& rows, attention_shape const& shape, in_matrix keys, in_matrix values,
                       Task const& task) const {
        detail::parallel_for(backend().threads(), rows.examples() * shape.kv_heads, [&](std::size_t i) {
            auto const e = i / shape.kv_heads, kv = i % shape.kv_heads;
            task(e, kv, rows_of(rows, e, kv, keys.columns / shape.kv_heads, keys, values));
        });
    }

    /// task(number, row, key/value head, what the row sees of it)
    template <class Task>
    void each_queried(list<attention_row> const& queried, in_matrix keys, in_matrix values, in_matrix own_keys,
                      in_matrix own_values, list<std::uint32_t> const& own_positions, attention_shape const& shape,
                      ragged const& rows, Task const& task) const {
        constexpr std::size_t block = 64;
        auto const blocks = (queried.size() + block - 1) / block, width = shape.width;
        detail::parallel_for(backend().threads(), blocks * shape.kv_heads, [&](std::size_t part) {
            auto const kv = part % shape.kv_heads, begin = part / shape.kv_heads * block;
            seen from;
            attention_row now{.example = static_cast<std::uint32_t>(-1)}; // whose case's keys `from` has
            auto const use_own = [&](bool own) {
                for (std::size_t o = now.own_first; o < now.own_first + now.own_count; ++o) {
                    auto const p = own_positions.data()[o];
                    auto const clean = rows.begin(now.example) + p;
                    from.keys[p] = (own ? row(own_keys, o) : row(keys, clean)) + kv * width;
                    from.values[p] = (own ? row(own_values, o) : row(values, clean)) + kv * width;
                }
            };
            for (std::size_t i = begin; i < std::min(begin + block, queried.size()); ++i) {
                auto const& r = queried.data()[i];
                if (r.example != now.example) {
                    from = rows_of(rows, r.example, kv, width, keys, values);
                    now = r;
                    use_own(true);
                } else if (r.own_first != now.own_first || r.own_count != now.own_count) {
                    use_own(false);
                    now = r;
                    use_own(true);
                }
                task(i, r, kv, from);
            }
        });
    }

    /// Where an example's lines begin in a flat pattern.
    static std::size_t pattern_begin(ragged const& rows, attention_shape const& shape, std::size_t example) {
        std::size_t begin = 0;
        for (std::size_t e = 0; e < example; ++e)
            begin += shape.heads * rows.length(e) * rows.length(e);
        return begin;
    }

    /// Scores of the query heads that share a key/value head, over a whole line of keys.
    static void score_lines(value_type const* query, std::size_t kv, std::size_t position, seen const& from,
                            attention_shape const& shape, std::size_t size, value_type* lines, std::size_t stride) {
        auto const first = shape.first_visible(position), width = shape.width;
        detail::in_threes(shape.group(), [&](auto count, std::size_t h) {
            std::array<value_type const*, count> heads;
            for (std::size_t m = 0; m < count; ++m)
                heads[m] = query + (kv * shape.group() + h + m) * width;
            detail::dots<count>(heads, from.keys.data(), first, position, width, lines + h * stride, stride);
            for (std::size_t m = h; m < h + count; ++m)
                detail::finish_scores(lines + m * stride, first, position, size, shape.scale, shape.softcap);
        });
    }

    static void mix_lines(value_type* out, std::size_t kv, std::size_t first, std::size_t last, seen const& from,
                          attention_shape const& shape, value_type const* lines, std::size_t stride) {
        detail::in_threes(shape.group(), [&](auto count, std::size_t h) {
            std::array<value_type*, count> heads;
            for (std::size_t m = 0; m < count; ++m)
                heads[m] = out + (kv * shape.group() + h + m) * shape.width;
            detail::mix_values<count>(heads, from.values.data(), first, last, shape.width, lines + h * stride, stride);
        });
    }

    /// One row's z of the query heads that share a key/value head.
    static void attend(value_type* out, value_type const* query, std::size_t kv, std::size_t position, seen const& from,
                       attention_shape const& shape) {
        auto const size = position + 1;
        auto const lines = scratch(shape.group(), size);
        score_lines(query, kv, position, from, shape, size, lines.data, size);
        for (std::size_t m = 0; m < shape.group(); ++m)
            detail::softmax_line(lines.data + m * size, size);
        mix_lines(out, kv, shape.first_visible(position), position, from, shape, lines.data, size);
    }

    /// A matrix of this thread's own, overwritten by the next call.
    static out_matrix scratch(std::size_t rows, std::size_t columns) {
        thread_local std::vector<value_type> buffer;
        if (buffer.size() < rows * columns)
            buffer.resize(rows * columns);
        return {buffer.data(), rows, columns, columns};
    }
};

} // namespace engraft
