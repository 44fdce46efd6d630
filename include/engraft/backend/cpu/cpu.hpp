#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include <engraft/backend/backend.hpp>
#include <engraft/backend/cpu/cpu_attention.hpp>
#include <engraft/backend/cpu/packed.hpp>
#include <engraft/backend/cpu/parallel.hpp>
#include <engraft/backend/cpu/product.hpp>
#include <engraft/backend/default.hpp>
#include <engraft/backend/host_slices.hpp>
#include <engraft/backend/largest.hpp>

namespace engraft {

/// Sizes that the cpu backend cuts its work into; no result depends on them.
struct cpu_tiles {
    static constexpr std::size_t worth_threads = 32768; ///< elements of slices that several threads share
    static constexpr std::size_t row_block = 16;        ///< rows of one task in elementwise work
};

/// Ordinary processors: vector instructions, OpenMP's threads over pieces of products, rows and heads.
template <numeric_policy Numbers>
class cpu : public host_slices<cpu<Numbers>, typename Numbers::storage>,
            public cpu_attention<cpu<Numbers>, typename Numbers::storage> {
public:
    using value_type = typename Numbers::storage;
    using memory_type = host_memory;
    using linear_map = packed_map<value_type>;
    using in_matrix = matrix<value_type const>;
    using out_matrix = matrix<value_type>;
    template <class T>
    using list = vector_tensor<T, host_memory>;

    static char const* name() { return "cpu"; }

    /// threads 0 means as many as the machine has
    explicit cpu(int threads = 0) : threads_(threads > 0 ? threads : detail::hardware_threads()) {}

    int threads() const { return threads_; }

    linear_map make_linear(matrix_tensor<value_type, host_memory> weight, list<value_type> bias) const {
        return {{std::move(weight), threads_}, std::move(bias)};
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

    void gather_weights(out_matrix out, linear_map const& map, list<std::int32_t> const& index) const {
        each_row(out.rows, [&](std::size_t r) {
            for (std::size_t c = 0; c < out.columns; ++c)
                row(out, r)[c] = map.weight.element(static_cast<std::size_t>(index.data()[r]), c);
        });
    }

    void linear(out_matrix out, in_matrix in, linear_map const& map) const {
        detail::multiply(threads_, out, in, map.weight, {.bias = map.bias.data()});
    }

    void head_results(out_matrix out, in_matrix in, linear_map const& map, std::size_t heads) const {
        std::size_t const width = in.columns / heads, wide = map.out();
        for (std::size_t h = 0; h < heads; ++h)
            detail::multiply(threads_, out.column_range(h * wide, wide), in.column_range(h * width, width), map.weight,
                             {.first_input = h * width});
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

    void activate(out_matrix x, mlp kind) const {
        with_activation(kind, [&](auto const& f) {
            each_row(x.rows, [&](std::size_t r) { detail::each_lane(row(x, r), x.columns, f); });
        });
    }

    void gated(out_matrix out, in_matrix gate, mlp kind) const {
        with_activation(kind, [&](auto const& f) {
            each_row(out.rows, [&](std::size_t r) {
                detail::each_lane(row(out, r), row(gate, r), out.columns, [&](auto& y, auto& g) {
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
            best[r] = static_cast<token>(largest_column(row(in, r), in.columns));
        });
        return best;
    }

    std::vector<double> map_entries(in_matrix in, linear_map const& map, std::span<token const> outputs) const {
        constexpr auto wide = detail::packed_matrix<value_type>::panel;
        std::vector<double> entries(in.rows);
        each_row(in.rows, [&](std::size_t r) { // as `linear` does it, to the bit
            auto const o = static_cast<std::size_t>(outputs[r]);
            std::array<value_type, wide> line;
            detail::tiles<value_type>().single[0]({row(in, r), in.stride, map.weight.at(o / wide, 0),
                                                   map.weight.panel_size(), in.columns, line.data(), wide, false});
            entries[r] = map.bias.empty() ? line[o % wide] : line[o % wide] + map.bias.data()[o];
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

    /// task(r) for r of [0, rows), blocks of them on several threads.
    template <class Task>
    void each_row(std::size_t rows, Task const& task) const {
        constexpr auto block = cpu_tiles::row_block;
        detail::parallel_for(threads_, (rows + block - 1) / block, [&](std::size_t b) {
            for (std::size_t r = b * block; r < std::min(rows, (b + 1) * block); ++r)
                task(r);
        });
    }

private:
    template <class T>
    static T* row(matrix<T> m, std::size_t r) {
        return m.data + r * m.stride;
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
