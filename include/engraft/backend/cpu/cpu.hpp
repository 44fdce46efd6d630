#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include <engraft/backend/backend.hpp>
#include <engraft/backend/cpu/parallel.hpp>
#include <engraft/backend/cpu/product.hpp>
#include <engraft/backend/default.hpp>
#include <engraft/backend/dense_map.hpp>
#include <engraft/backend/host_slices.hpp>

namespace engraft {

/// Sizes that the cpu backend cuts its work into. They are constants, never a function of the batch or of the number
/// of threads: a row is multiplied in a panel of one height whatever company it has.
struct cpu_tiles {
    static constexpr std::size_t panel_rows = 64;      ///< of one product; the last panel is padded
    static constexpr std::size_t panel_columns = 1024; ///< outputs of one product
    static constexpr std::size_t row_block = 16;       ///< rows of one task in elementwise work
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

    void rotate(out_matrix x, std::size_t heads, in_matrix angles, ragged const& rows) const {
        std::size_t const width = x.columns / heads, half = angles.columns / 2;
        detail::parallel_for(threads_, rows.examples(), [&](std::size_t e) {
            for (std::size_t p = 0; p < rows.length(e); ++p) {
                auto const cos = row(angles, p), sin = cos + half;
                for (std::size_t h = 0; h < heads; ++h) {
                    auto const a = row(x, rows.begin(e) + p) + h * width, b = a + half;
                    for (std::size_t i = 0; i < half; ++i) {
                        auto const rotated = a[i] * cos[i] - b[i] * sin[i];
                        b[i] = b[i] * cos[i] + a[i] * sin[i];
                        a[i] = rotated;
                    }
                }
            }
        });
    }

    void scores(value_type* out, in_matrix queries, in_matrix keys, attention_shape const& shape,
                ragged const& rows) const {
        each_head(rows, shape.heads, [&](std::size_t e, std::size_t h, std::size_t offset) {
            auto const n = rows.length(e);
            head_scores(out_matrix{out + offset, n, n, n}, head(queries, rows, e, h, shape.heads),
                        head(keys, rows, e, h / shape.group(), shape.kv_heads), shape);
        });
    }

    void softmax(value_type* lines, attention_shape const& shape, ragged const& rows) const {
        each_head(rows, shape.heads, [&](std::size_t e, std::size_t, std::size_t offset) {
            auto const n = rows.length(e);
            head_softmax(out_matrix{lines + offset, n, n, n});
        });
    }

    void mix(out_matrix out, value_type const* lines, in_matrix values, attention_shape const& shape,
             ragged const& rows) const {
        each_head(rows, shape.heads, [&](std::size_t e, std::size_t h, std::size_t offset) {
            auto const n = rows.length(e);
            detail::multiply(head(out, rows, e, h, shape.heads), in_matrix{lines + offset, n, n, n},
                             head(values, rows, e, h / shape.group(), shape.kv_heads));
        });
    }

    void attention(out_matrix out, in_matrix queries, in_matrix keys, in_matrix values, attention_shape const& shape,
                   ragged const& rows) const {
        each_head(rows, shape.heads, [&](std::size_t e, std::size_t h, std::size_t) {
            auto const n = rows.length(e);
            auto const lines = scratch(0, n, n);
            auto const kv = h / shape.group();
            head_scores(lines, head(queries, rows, e, h, shape.heads), head(keys, rows, e, kv, shape.kv_heads), shape);
            head_softmax(lines);
            detail::multiply(head(out, rows, e, h, shape.heads), in_matrix(lines),
                             head(values, rows, e, kv, shape.kv_heads));
        });
    }

    void activate(out_matrix x, mlp kind) const {
        with_activation(kind, [&](auto const& f) { each_element(x, f); });
    }

    void gated(out_matrix out, in_matrix gate, mlp kind) const {
        with_activation(kind, [&](auto const& f) {
            each_row(out.rows, [&](std::size_t r) {
                auto const y = row(out, r);
                auto const g = row(gate, r);
                for (std::size_t c = 0; c < out.columns; ++c)
                    y[c] *= f(g[c]);
            });
        });
    }

    void softcap(out_matrix x, double cap) const {
        each_element(x, [c = static_cast<value_type>(cap)](value_type e) { return c * std::tanh(e / c); });
    }

    void copy(value_type* to, value_type const* from, std::size_t n) const { std::copy_n(from, n, to); }

    template <class Task>
    void each_task(std::size_t count, Task const& task) const {
        each_row(count, task);
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

    std::vector<double> log_sum_exp(in_matrix in) const {
        std::vector<double> logs(in.rows);
        each_row(in.rows, [&](std::size_t r) {
            double const largest = *std::max_element(row(in, r), row(in, r) + in.columns);
            double sum = 0;
            for (std::size_t c = 0; c < in.columns; ++c)
                sum += std::exp(row(in, r)[c] - largest);
            logs[r] = largest + std::log(sum);
        });
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

    /// task(example, head, offset of the head's part of a flat pattern)
    template <class Task>
    void each_head(ragged const& rows, std::size_t heads, Task const& task) const {
        std::vector<std::size_t> offsets(rows.examples());
        for (std::size_t e = 1; e < offsets.size(); ++e)
            offsets[e] = offsets[e - 1] + heads * rows.length(e - 1) * rows.length(e - 1);
        detail::parallel_for(threads_, rows.examples() * heads, [&](std::size_t i) {
            auto const e = i / heads, h = i % heads;
            task(e, h, offsets[e] + h * rows.length(e) * rows.length(e));
        });
    }

    /// The rows of an example and the columns of one of its heads.
    template <class T>
    static matrix<T> head(matrix<T> m, ragged const& rows, std::size_t e, std::size_t h, std::size_t heads) {
        auto const width = m.columns / heads;
        return m.row_range(rows.begin(e), rows.length(e)).column_range(h * width, width);
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

    static void head_scores(out_matrix lines, in_matrix queries, in_matrix keys, attention_shape const& shape) {
        detail::multiply_transposed(lines, queries, keys);
        auto const factor = static_cast<value_type>(shape.scale), cap = static_cast<value_type>(shape.softcap);
        for (std::size_t s = 0; s < lines.rows; ++s) {
            auto const line = row(lines, s), first = line + shape.first_visible(s), last = line + s + 1;
            for (auto p = first; p != last; ++p)
                *p *= factor;
            if (cap > 0)
                for (auto p = first; p != last; ++p)
                    *p = cap * std::tanh(*p / cap);
            std::fill(line, first, -std::numeric_limits<value_type>::infinity());
            std::fill(last, line + lines.columns, -std::numeric_limits<value_type>::infinity());
        }
    }

    static void head_softmax(out_matrix lines) {
        for (std::size_t s = 0; s < lines.rows; ++s) {
            auto const line = row(lines, s), end = line + lines.columns;
            auto const largest = *std::max_element(line, end);
            value_type sum = 0;
            for (auto p = line; p != end; ++p)
                // exp(-infinity) is 0, but asking for it takes as long as any other
                sum += * p = *p == -std::numeric_limits<value_type>::infinity() ? 0 : std::exp(*p - largest);
            for (auto p = line; p != end; ++p)
                *p /= sum;
        }
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

    template <class Use>
    static void with_activation(mlp kind, Use const& use) {
        using T = value_type;
        constexpr T half = 0.5, root = static_cast<T>(0.79788456080286535588), cubic = static_cast<T>(0.044715);
        switch (kind) {
        case mlp::gated_silu:
            return use([](T x) { return x / (1 + std::exp(-x)); });
        case mlp::gelu:
            return use([](T x) { return half * x * (1 + std::erf(x / std::numbers::sqrt2_v<T>)); });
        case mlp::gated_gelu_tanh:
        case mlp::gelu_tanh:
            return use([](T x) { return half * x * (1 + std::tanh(root * (x + cubic * x * x * x))); });
        }
    }

    int threads_;
};

static_assert(backend<cpu<fp32>>);

} // namespace engraft
