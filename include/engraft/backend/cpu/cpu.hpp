#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include <engraft/backend/backend.hpp>
#include <engraft/backend/cpu/attention.hpp>
#include <engraft/backend/cpu/parallel.hpp>
#include <engraft/backend/cpu/product.hpp>
#include <engraft/backend/default.hpp>
#include <engraft/backend/dense_map.hpp>
#include <engraft/backend/host_slices.hpp>

namespace engraft {

/// Sizes that the cpu backend cuts its work into. They are constants, never a function of the batch or of the number
/// of threads: a row is multiplied in a panel of one height whatever company it has.
struct cpu_tiles {
    static constexpr std::size_t panel_rows = 64;       ///< of one product; the last panel is padded
    static constexpr std::size_t panel_columns = 1024;  ///< outputs of one product
    static constexpr std::size_t worth_threads = 32768; ///< elements of slices that several threads share
    static constexpr std::size_t row_block = 16;        ///< rows of one task in elementwise work
};

/// Ordinary processors: oneDNN's or Eigen's matrix products, OpenMP's threads over panels, rows and heads.
template <numeric_policy Numbers>
class cpu : public host_slices<cpu<Numbers>, typename Numbers::storage> {
public:
    using value_type = typename Numbers::storage;
    using memory_type = host_memory;
    using linear_map = dense_map<value_type, host_memory>;
    using in_matrix = matrix<value_type const>;
    using out_matrix = matrix<value_type>;
    template <class T>
    using list = vector_tensor<T, host_memory>;

    static char const* name() { return "cpu"; }

    /// threads 0 means as many as the machine has
    explicit cpu(int threads = 0) : threads_(threads > 0 ? threads : detail::hardware_threads()) {}

    int threads() const { return threads_; }

    linear_map make_linear(matrix_tensor<value_type, host_memory> weight, list<value_type> bias) const {
        return {std::move(weight), std::move(bias)};
    }

    void gather_rows(out_matrix out, in_matrix table, list<std::int32_t> const& index) const {
        each_row(out.rows, [&](std::size_t r) {
            std::copy_n(row(table, static_cast<std::size_t>(index.data()[r])), out.columns, row(out, r));
        });
    }

    void copy_rows(out_matrix out, list<std::int32_t> const& to, in_matrix in, list<std::int32_t> const& from) const {
        each_row(to.size(), [&](std::size_t r) {
            std::copy_n(row(in, static_cast<std::size_t>(from.data()[r])), in.columns,
                        row(out, static_cast<std::size_t>(to.data()[r])));
        });
    }

    void linear(out_matrix out, in_matrix in, linear_map const& map) const {
        auto const weight = as_matrix(map.weight);
        product(out, in, weight);
        if (!map.bias.empty())
            each_row(out.rows, [&](std::size_t r) {
                auto const y = row(out, r);
                for (std::size_t c = 0; c < out.columns; ++c)
                    y[c] += map.bias.data()[c];
            });
    }

    void head_results(out_matrix out, in_matrix in, linear_map const& map, std::size_t heads) const {
        auto const weight = as_matrix(map.weight);
        std::size_t const width = in.columns / heads, wide = weight.rows;
        for (std::size_t h = 0; h < heads; ++h)
            product(out.column_range(h * wide, wide), in.column_range(h * width, width),
                    weight.column_range(h * width, width));
    }

    void rms_norm(out_matrix out, in_matrix in, list<value_type> const& gain, double eps) const {
        each_row(in.rows, [&](std::size_t r) {
            auto const x = row(in, r);
            auto const y = row(out, r);
            auto const sum = sum_of(in.columns, [&](std::size_t c) { return x[c] * x[c]; });
            auto const scale =
                value_type(1) / std::sqrt(sum / static_cast<value_type>(in.columns) + static_cast<value_type>(eps));
            for (std::size_t c = 0; c < in.columns; ++c)
                y[c] = x[c] * scale * gain.data()[c];
        });
    }

    void layer_norm(out_matrix out, in_matrix in, list<value_type> const& gain, list<value_type> const& bias,
                    double eps) const {
        auto const n = static_cast<value_type>(in.columns);
        each_row(in.rows, [&](std::size_t r) {
            auto const x = row(in, r);
            auto const y = row(out, r);
            auto const mean = sum_of(in.columns, [&](std::size_t c) { return x[c]; }) / n;
            auto const variance = sum_of(in.columns, [&](std::size_t c) { return (x[c] - mean) * (x[c] - mean); }) / n;
            auto const scale = value_type(1) / std::sqrt(variance + static_cast<value_type>(eps));
            for (std::size_t c = 0; c < in.columns; ++c)
                y[c] = (x[c] - mean) * scale * gain.data()[c] + bias.data()[c];
        });
    }

    void scale(out_matrix x, double factor) const {
        each_element(x, [f = static_cast<value_type>(factor)](value_type e) { return e * f; });
    }

    void add(out_matrix to, in_matrix from) const {
        each_row(to.rows, [&](std::size_t r) {
            auto const y = row(to, r);
            auto const x = row(from, r);
            for (std::size_t c = 0; c < to.columns; ++c)
                y[c] += x[c];
        });
    }

    void add_difference(out_matrix to, in_matrix a, in_matrix b, std::size_t parts) const {
        each_row(to.rows, [&](std::size_t r) {
            auto const y = row(to, r);
            for (std::size_t p = 0; p < parts; ++p)
                for (std::size_t c = 0; c < to.columns; ++c)
                    if (auto const d = row(a, r)[p * to.columns + c] - row(b, r)[p * to.columns + c]; d != 0)
                        y[c] += d;
        });
    }

    void rotate(out_matrix x, std::size_t heads, in_matrix angles, list<std::uint32_t> const& positions) const {
        std::size_t const width = x.columns / heads, half = angles.columns / 2;
        each_row(x.rows, [&](std::size_t r) {
            auto const cos = row(angles, positions.data()[r]), sin = cos + half;
            for (std::size_t h = 0; h < heads; ++h) {
                auto const a = row(x, r) + h * width, b = a + half;
                for (std::size_t i = 0; i < half; ++i) {
                    auto const rotated = a[i] * cos[i] - b[i] * sin[i];
                    b[i] = b[i] * cos[i] + a[i] * sin[i];
                    a[i] = rotated;
                }
            }
        });
    }

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
            each_row(shape.heads * n, [&, first = lines + pattern_begin(rows, shape, e)](std::size_t i) {
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
        each_row(lines.rows, [&](std::size_t r) { detail::softmax_line(row(lines, r), lines.columns); });
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

    void activate(out_matrix x, mlp kind) const {
        with_activation(kind, [&](auto const& f) {
            each_row(x.rows, [&](std::size_t r) { detail::each_lane(row(x, r), x.columns, f); });
        });
    }

    void gated(out_matrix out, in_matrix gate, mlp kind) const {
        with_activation(kind, [&](auto const& f) {
            each_row(out.rows, [&](std::size_t r) {
                detail::each_lane(row(out, r), row(gate, r), out.columns, [&](auto& y, auto g) {
                    f(g);
                    y *= g;
                });
            });
        });
    }

    void softcap(out_matrix x, double cap) const {
        each_element(x, [c = static_cast<value_type>(cap)](value_type e) { return c * std::tanh(e / c); });
    }

    void copy(value_type* to, value_type const* from, std::size_t n) const { std::copy_n(from, n, to); }

    /// Few elements are done by the calling thread: waking others takes longer.
    template <class Task>
    void each_task(std::size_t count, std::size_t size, Task const& task) const {
        if (count * size >= cpu_tiles::worth_threads)
            return each_row(count, task);
        for (std::size_t i = 0; i < count; ++i)
            task(i);
    }

    /// Sums are kept in double.
    void mean_rows(out_matrix out, in_matrix in, list<std::uint64_t> const& rows, list<row_group> const& groups) const {
        detail::parallel_for(threads_, groups.size(), [&](std::size_t g) {
            auto const group = groups.data()[g];
            std::vector<double> sum(in.columns);
            for (std::size_t i = 0; i < group.count; ++i)
                for (std::size_t c = 0; c < in.columns; ++c)
                    sum[c] += row(in, static_cast<std::size_t>(rows.data()[group.first + i]))[c];
            for (std::size_t c = 0; c < in.columns; ++c)
                row(out, g)[c] = static_cast<value_type>(sum[c] / static_cast<double>(group.count));
        });
    }

    std::vector<token> argmax(in_matrix in) const {
        std::vector<token> best(in.rows);
        each_row(in.rows, [&](std::size_t r) {
            best[r] = static_cast<token>(std::max_element(row(in, r), row(in, r) + in.columns) - row(in, r));
        });
        return best;
    }

    std::vector<double> map_entries(in_matrix in, linear_map const& map, std::span<token const> outputs) const {
        auto const w = as_matrix(map.weight);
        std::vector<double> entries(in.rows);
        each_row(in.rows, [&](std::size_t r) {
            auto const o = static_cast<std::size_t>(outputs[r]);
            value_type dot;
            detail::dot_tile<1, 1, value_type>({row(in, r)}, std::array{row(w, o)}.data(), in.columns, &dot, 1);
            entries[r] = dot + (map.bias.empty() ? value_type(0) : map.bias.data()[o]);
        });
        return entries;
    }

    std::vector<double> log_sum_exp(in_matrix in) const {
        std::vector<double> logs(in.rows);
        each_row(in.rows, [&](std::size_t r) { logs[r] = detail::log_sum_exp(row(in, r), in.columns); });
        return logs;
    }

    std::vector<double> elements(in_matrix in, std::span<token const> columns) const {
        std::vector<double> picked(in.rows);
        for (std::size_t r = 0; r < in.rows; ++r)
            picked[r] = row(in, r)[columns[r]];
        return picked;
    }

private:
    template <class T>
    static T* row(matrix<T> m, std::size_t r) {
        return m.data + r * m.stride;
    }

    template <class Task>
    void each_row(std::size_t rows, Task const& task) const {
        constexpr auto block = cpu_tiles::row_block;
        detail::parallel_for(threads_, (rows + block - 1) / block, [&](std::size_t b) {
            for (std::size_t r = b * block; r < std::min(rows, (b + 1) * block); ++r)
                task(r);
        });
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
        detail::parallel_for(threads_, rows.examples() * shape.kv_heads, [&](std::size_t i) {
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
        detail::parallel_for(threads_, blocks * shape.kv_heads, [&](std::size_t part) {
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
        auto const lines = scratch(0, shape.group(), size);
        score_lines(query, kv, position, from, shape, size, lines.data, size);
        for (std::size_t m = 0; m < shape.group(); ++m)
            detail::softmax_line(lines.data + m * size, size);
        mix_lines(out, kv, shape.first_visible(position), position, from, shape, lines.data, size);
    }

    /// A matrix of this thread's own, overwritten by the next call with the same number.
    static out_matrix scratch(std::size_t which, std::size_t rows, std::size_t columns) {
        thread_local std::vector<value_type> buffers[2];
        auto& buffer = buffers[which];
        if (buffer.size() < rows * columns)
            buffer.resize(rows * columns);
        return {buffer.data(), rows, columns, columns};
    }

    /// out = in weight^T in panels of one height, each on one thread; a short last panel is filled up with zeros.
    void product(out_matrix out, in_matrix in, in_matrix weight) const {
        constexpr auto tall = cpu_tiles::panel_rows, wide = cpu_tiles::panel_columns;
        std::size_t const across = (weight.rows + wide - 1) / wide;
        detail::parallel_for(threads_, (in.rows + tall - 1) / tall * across, [&](std::size_t i) {
            std::size_t const r = i / across * tall, c = i % across * wide;
            std::size_t const count = std::min(tall, in.rows - r), columns = std::min(wide, weight.rows - c);
            auto const w = weight.row_range(c, columns);
            auto const y = out.row_range(r, count).column_range(c, columns);
            if (count == tall) {
                detail::multiply_transposed(y, in.row_range(r, tall), w);
                return;
            }
            auto const padded = scratch(0, tall, in.columns), made = scratch(1, tall, columns);
            std::fill_n(padded.data, tall * in.columns, value_type(0));
            for (std::size_t p = 0; p < count; ++p)
                std::copy_n(row(in, r + p), in.columns, row(padded, p));
            detail::multiply_transposed(made, in_matrix(padded), w);
            for (std::size_t p = 0; p < count; ++p)
                std::copy_n(row(made, p), columns, row(y, p));
        });
    }

    /// f(0) + ... + f(n - 1) in eight sums, which the compiler may keep in one register.
    template <class F>
    static value_type sum_of(std::size_t n, F const& f) {
        value_type sums[8] = {};
        std::size_t c = 0;
        for (; c + 8 <= n; c += 8)
            for (std::size_t i = 0; i < 8; ++i)
                sums[i] += f(c + i);
        for (; c < n; ++c)
            sums[c % 8] += f(c);
        value_type sum = 0;
        for (auto s : sums)
            sum += s;
        return sum;
    }

    template <class F>
    void each_element(out_matrix x, F const& f) const {
        each_row(x.rows, [&](std::size_t r) {
            for (auto p = row(x, r), end = p + x.columns; p != end; ++p)
                *p = f(*p);
        });
    }

    /// use(f), f changing eight numbers in place.
    template <class Use>
    static void with_activation(mlp kind, Use const& use) {
        using T = value_type;
        using lanes = detail::lanes<T>;
        constexpr T half = 0.5, root = static_cast<T>(0.79788456080286535588), cubic = static_cast<T>(0.044715);
        switch (kind) {
        case mlp::gated_silu:
            return use([](lanes& x) {
                lanes e = -x;
                detail::exponential(e);
                x /= 1 + e;
            });
        case mlp::gelu:
            return use([](lanes& x) {
                for (std::size_t i = 0; i < detail::lane_count; ++i)
                    x[i] = half * x[i] * (1 + std::erf(x[i] / std::numbers::sqrt2_v<T>));
            });
        case mlp::gated_gelu_tanh:
        case mlp::gelu_tanh: // x (1 + tanh u) / 2 = x / (1 + exp(-2 u))
            return use([](lanes& x) {
                lanes e = -2 * root * (x + cubic * x * x * x);
                detail::exponential(e);
                x /= 1 + e;
            });
        }
    }

    int threads_;
};

static_assert(backend<cpu<fp32>>);

} // namespace engraft
