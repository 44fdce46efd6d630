#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <span>
#include <vector>

#include <engraft/backend/adjoint.hpp>
#include <engraft/backend/cpu/adjoint_attention.hpp>
#include <engraft/backend/cpu/cpu.hpp>
#include <engraft/backend/cpu/product_back.hpp>
#include <engraft/backend/host_adjoint_slices.hpp>

namespace engraft {

/// Ordinary processors backwards, cut into tasks as forwards: what a row becomes depends on that row alone.
template <numeric_policy Numbers>
class adjoints<cpu<Numbers>> : public host_adjoint_slices<typename Numbers::storage> {
public:
    using T = typename Numbers::storage;
    using linear_map = typename cpu<Numbers>::linear_map;
    using in_matrix = matrix<T const>;
    using out_matrix = matrix<T>;
    template <class U>
    using list = vector_tensor<U, host_memory>;

    explicit adjoints(cpu<Numbers> const& b) : threads_(b.threads()) {}

    void zero(T* x, std::size_t n) const {
        constexpr std::size_t part = 1 << 16;
        detail::parallel_for(threads_, (n + part - 1) / part,
                             [&](std::size_t i) { std::fill(x + i * part, x + std::min(n, (i + 1) * part), T(0)); });
    }

    void linear(out_matrix dx, in_matrix dy, linear_map const& map, bool add) const {
        detail::multiply_back(threads_, dx, dy, map.weight, {}, add);
    }

    void linear_part(out_matrix dx, in_matrix dy, linear_map const& map, std::size_t first) const {
        detail::multiply_back(threads_, dx, dy, map.weight, {.first_output = first}, false);
    }

    void head_results(out_matrix dx, in_matrix dy, linear_map const& map, std::size_t heads) const {
        std::size_t const width = dx.columns / heads, wide = map.out();
        for (std::size_t h = 0; h < heads; ++h)
            detail::multiply_back(threads_, dx.column_range(h * width, width), dy.column_range(h * wide, wide),
                                  map.weight, {.first_input = h * width}, false);
    }

    void repeat(out_matrix out, in_matrix in, std::size_t parts) const {
        each_row(in.rows, [&](std::size_t r) {
            for (std::size_t p = 0; p < parts; ++p)
                std::copy_n(row(in, r), in.columns, row(out, r) + p * in.columns);
        });
    }

    void rms_norm(out_matrix dx, in_matrix dy, in_matrix x, list<T> const& gain, double eps, bool add) const {
        auto const g = gain.data();
        each_row(x.rows, [&, n = static_cast<T>(x.columns)](std::size_t r) {
            auto const in = row(x, r), d = row(dy, r);
            auto const sums = sums_of<2>(x.columns, [&](std::size_t c, T* of) {
                of[0] += in[c] * in[c];
                of[8] += g[c] * d[c] * in[c];
            });
            auto const scale = T(1) / std::sqrt(sums[0] / n + static_cast<T>(eps));
            auto const back = scale * scale * scale * sums[1] / n;
            put(row(dx, r), x.columns, add, [&](std::size_t c) { return scale * g[c] * d[c] - in[c] * back; });
        });
    }

    void layer_norm(out_matrix dx, in_matrix dy, in_matrix x, list<T> const& gain, double eps, bool add) const {
        auto const g = gain.data();
        each_row(x.rows, [&, n = static_cast<T>(x.columns)](std::size_t r) {
            auto const in = row(x, r), d = row(dy, r);
            auto const mean = sums_of<1>(x.columns, [&](std::size_t c, T* of) { of[0] += in[c]; })[0] / n;
            auto const sums = sums_of<3>(x.columns, [&](std::size_t c, T* of) {
                of[0] += (in[c] - mean) * (in[c] - mean);
                of[8] += g[c] * d[c];
                of[16] += g[c] * d[c] * (in[c] - mean);
            });
            auto const scale = T(1) / std::sqrt(sums[0] / n + static_cast<T>(eps));
            auto const back = scale * scale * scale * sums[2] / n, level = sums[1] / n;
            put(row(dx, r), x.columns, add,
                [&](std::size_t c) { return scale * (g[c] * d[c] - level) - (in[c] - mean) * back; });
        });
    }

    void rotate(out_matrix dx, std::size_t heads, in_matrix angles, list<std::uint32_t> const& positions) const {
        std::size_t const width = dx.columns / heads, half = angles.columns / 2;
        each_row(dx.rows, [&](std::size_t r) {
            auto const cos = row(angles, positions.data()[r]), sin = cos + half;
            for (std::size_t h = 0; h < heads; ++h) {
                auto const a = row(dx, r) + h * width, b = a + half;
                for (std::size_t i = 0; i < half; ++i) {
                    auto const turned = a[i] * cos[i] + b[i] * sin[i];
                    b[i] = b[i] * cos[i] - a[i] * sin[i];
                    a[i] = turned;
                }
            }
        });
    }

    void scores(out_matrix dq, out_matrix dk, T* ds, in_matrix queries, in_matrix keys, attention_shape const& shape,
                ragged const& rows) const {
        each_key_head(rows, shape, [&](auto& task, std::size_t e, std::size_t lines) {
            task.q = rows_of(queries, rows, e);
            task.dq = rows_of(dq, rows, e);
            task.take(task.keys, rows_of(keys, rows, e));
            task.take(task.dkeys, rows_of(dk, rows, e));
            auto const n = task.length;
            std::vector<T> capped(shape.softcap > 0 ? shape.group() * n : 0);
            for (std::size_t s = 0; s < n; ++s) {
                if (shape.softcap > 0)
                    task.make_scores(s, capped.data(), n);
                task.scores(s, ds + lines + s * n, n * n, capped.data(), n);
            }
        });
    }

    void softmax(T* dp, T const* p, attention_shape const& shape, ragged const& rows) const {
        each_key_head(rows, shape, [&](auto& task, std::size_t, std::size_t lines) {
            auto const n = task.length;
            for (std::size_t line = 0; line < shape.group() * n; ++line)
                detail::softmax_line_adjoint(dp + lines + line * n, p + lines + line * n, n);
        });
    }

    void mix(T* dp, out_matrix dv, in_matrix dz, T const* p, in_matrix values, attention_shape const& shape,
             ragged const& rows) const {
        each_key_head(rows, shape, [&](auto& task, std::size_t e, std::size_t lines) {
            task.dz = rows_of(dz, rows, e);
            task.take(task.values, rows_of(values, rows, e));
            task.take(task.dvalues, rows_of(dv, rows, e));
            auto const n = task.length;
            for (std::size_t s = 0; s < n; ++s)
                task.mix(s, 0, n - 1, dp + lines + s * n, p + lines + s * n, n * n);
        });
    }

    void attention(out_matrix dq, out_matrix dk, out_matrix dv, in_matrix dz, in_matrix queries, in_matrix keys,
                   in_matrix values, attention_shape const& shape, ragged const& rows) const {
        each_key_head(rows, shape, [&](auto& task, std::size_t e, std::size_t) {
            task.dz = rows_of(dz, rows, e);
            task.q = rows_of(queries, rows, e);
            task.dq = rows_of(dq, rows, e);
            task.take(task.keys, rows_of(keys, rows, e));
            task.take(task.values, rows_of(values, rows, e));
            task.take(task.dkeys, rows_of(dk, rows, e));
            task.take(task.dvalues, rows_of(dv, rows, e));
            task.all(scratch(3 * shape.group() * task.length));
        });
    }

    void activate(out_matrix dx, in_matrix x, mlp kind) const {
        with_slope(kind, [&](auto const& f) {
            each_row(dx.rows, [&](std::size_t r) {
                detail::each_lane(row(dx, r), row(x, r), dx.columns, [&](auto& d, auto in) {
                    detail::lanes<T> value, slope;
                    f(in, value, slope);
                    d *= slope;
                });
            });
        });
    }

    void gated(out_matrix dup, out_matrix dgate, in_matrix up, in_matrix gate, mlp kind) const {
        with_slope(kind, [&](auto const& f) {
            each_row(dup.rows, [&](std::size_t r) {
                auto const d = row(dup, r), to = row(dgate, r);
                auto const u = row(up, r), g = row(gate, r);
                for (std::size_t c = 0; c < dup.columns; c += detail::lane_count) {
                    auto const count = std::min(detail::lane_count, dup.columns - c);
                    detail::lanes<T> in, other, out, value, slope;
                    bool const whole = count == detail::lane_count;
                    whole ? detail::load<T>(in, g + c) : detail::load<T>(in, g + c, count);
                    whole ? detail::load<T>(other, u + c) : detail::load<T>(other, u + c, count);
                    whole ? detail::load<T>(out, d + c) : detail::load<T>(out, d + c, count);
                    f(in, value, slope);
                    other *= out * slope;
                    out *= value;
                    whole ? detail::store<T>(to + c, other) : detail::store<T>(to + c, other, count);
                    whole ? detail::store<T>(d + c, out) : detail::store<T>(d + c, out, count);
                }
            });
        });
    }

    void softcap(out_matrix dx, in_matrix y, double cap) const {
        each_row(dx.rows, [&, c = static_cast<T>(cap)](std::size_t r) {
            for (std::size_t i = 0; i < dx.columns; ++i) {
                auto const share = row(y, r)[i] / c;
                row(dx, r)[i] *= 1 - share * share;
            }
        });
    }

    void softmax_seed(out_matrix out, in_matrix in, std::span<double const> log_sums,
                      std::span<double const> shares) const {
        each_row(out.rows, [&](std::size_t r) {
            auto const to = row(out, r);
            if (shares[r] == 0) {
                std::fill_n(to, out.columns, T(0));
                return;
            }
            std::copy_n(row(in, r), out.columns, to);
            detail::each_lane(to, out.columns,
                              [log_sum = static_cast<T>(log_sums[r]), share = static_cast<T>(shares[r])](auto& x) {
                                  x -= log_sum;
                                  detail::exponential(x);
                                  x *= share;
                              });
        });
    }

    void add_elements(out_matrix x, std::span<token const> columns, std::span<double const> numbers) const {
        for (std::size_t r = 0; r < columns.size(); ++r)
            row(x, r)[columns[r]] += static_cast<T>(numbers[r]);
    }

private:
    template <class U>
    static U* row(matrix<U> m, std::size_t r) {
        return m.data + r * m.stride;
    }
    template <class U>
    static matrix<U> rows_of(matrix<U> all, ragged const& rows, std::size_t e) {
        return all.row_range(rows.begin(e), rows.length(e));
    }

    template <class Task>
    void each_row(std::size_t rows, Task const& task) const {
        constexpr auto block = cpu_tiles::row_block;
        detail::parallel_for(threads_, (rows + block - 1) / block, [&](std::size_t b) {
            for (std::size_t r = b * block; r < std::min(rows, (b + 1) * block); ++r)
                task(r);
        });
    }

    /// task(one example's key/value head, example, where the lines of its first query head begin in a flat pattern)
    template <class Task>
    void each_key_head(ragged const& rows, attention_shape const& shape, Task const& task) const {
        std::vector<std::size_t> begins{0};
        for (std::size_t e = 0; e < rows.examples(); ++e)
            begins.push_back(begins.back() + shape.heads * rows.length(e) * rows.length(e));
        detail::parallel_for(threads_, rows.examples() * shape.kv_heads, [&](std::size_t i) {
            auto const e = i / shape.kv_heads, kv = i % shape.kv_heads, n = rows.length(e);
            detail::attention_adjoint<T> one(shape, kv, n);
            task(one, e, begins[e] + kv * shape.group() * n * n);
        });
    }

    /// Elements of this thread's own, overwritten by the next call.
    static T* scratch(std::size_t count) {
        thread_local std::vector<T> buffer;
        if (buffer.size() < count)
            buffer.resize(count);
        return buffer.data();
    }

    /// `Count` sums over a row at once, each in eight parts: f(c, parts) adds to parts[8 i], i the number of the sum.
    template <std::size_t Count, class F>
    static std::array<T, Count> sums_of(std::size_t n, F const& f) {
        T parts[8 * Count] = {};
        std::size_t c = 0;
        for (; c + 8 <= n; c += 8)
            for (std::size_t i = 0; i < 8; ++i)
                f(c + i, parts + i);
        for (; c < n; ++c)
            f(c, parts + c % 8);
        std::array<T, Count> sums{};
        for (std::size_t s = 0; s < Count; ++s)
            for (std::size_t i = 0; i < 8; ++i)
                sums[s] += parts[8 * s + i];
        return sums;
    }

    template <class F>
    static void put(T* to, std::size_t n, bool add, F const& f) {
        if (add)
            for (std::size_t c = 0; c < n; ++c)
                to[c] += f(c);
        else
            for (std::size_t c = 0; c < n; ++c)
                to[c] = f(c);
    }

    /// use(f), f(x, value, slope) giving the nonlinearity of eight numbers and its derivative.
    template <class Use>
    static void with_slope(mlp kind, Use const& use) {
        using lanes = detail::lanes<T>;
        constexpr T root = static_cast<T>(0.79788456080286535588), cubic = static_cast<T>(0.044715);
        auto const sigmoid = [](lanes& x) {
            x = -x;
            detail::exponential(x);
            x = 1 / (1 + x);
        };
        switch (kind) {
        case mlp::gated_silu:
            return use([&](lanes const& x, lanes& value, lanes& slope) {
                lanes s = x;
                sigmoid(s);
                value = x * s;
                slope = s * (1 + x * (1 - s));
            });
        case mlp::gelu:
            return use([](lanes const& x, lanes& value, lanes& slope) {
                for (std::size_t i = 0; i < detail::lane_count; ++i) {
                    T const share = T(0.5) * (1 + std::erf(x[i] / std::numbers::sqrt2_v<T>));
                    value[i] = x[i] * share;
                    slope[i] = share + x[i] * std::exp(-x[i] * x[i] / 2) *
                                           (std::numbers::inv_sqrtpi_v<T> / std::numbers::sqrt2_v<T>);
                }
            });
        case mlp::gated_gelu_tanh:
        case mlp::gelu_tanh: // x (1 + tanh u) / 2 = x sigmoid(2 u)
            return use([&](lanes const& x, lanes& value, lanes& slope) {
                lanes s = 2 * root * (x + cubic * x * x * x);
                sigmoid(s);
                value = x * s;
                slope = s + x * s * (1 - s) * (2 * root) * (1 + 3 * cubic * x * x);
            });
        }
    }

    int threads_;
};

static_assert(differentiable<cpu<fp32>>);

} // namespace engraft
