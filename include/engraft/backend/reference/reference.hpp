#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <vector>

#include <engraft/backend/backend.hpp>
#include <engraft/backend/dense_map.hpp>
#include <engraft/backend/host_experts.hpp>
#include <engraft/backend/host_slices.hpp>
#include <engraft/backend/largest.hpp>

namespace engraft {

/// The attention of one example by itself.
struct attention_of_example {
    std::vector<std::uint32_t> hidden;
    attention_shape shape;

    attention_of_example(attention_shape const& of, ragged const& rows, std::size_t example) : shape(of) {
        for (auto const row : of.hidden_of(rows, example))
            hidden.push_back(static_cast<std::uint32_t>(row - rows.begin(example)));
        shape.hidden = hidden;
    }
    attention_of_example(attention_of_example const&) = delete;
};

/// The oracle: plain loops in double, each written as its formula. Slow on purpose; other backends are held to it.
struct reference : host_slices<reference, double>, host_experts<reference, double> {
    using value_type = double;
    using memory_type = host_memory;
    using linear_map = dense_map<double, host_memory>;
    using in_matrix = matrix<double const>;
    using out_matrix = matrix<double>;
    template <class T>
    using list = vector_tensor<T, host_memory>;

    static char const* name() { return "reference (fp64)"; }
    static double preferred_chunk() { return host_chunk; }

    linear_map make_linear(matrix_tensor<double, host_memory> weight, list<double> bias) const {
        return {std::move(weight), std::move(bias)};
    }

    void gather_rows(out_matrix out, in_matrix table, list<std::int32_t> const& index) const {
        for (std::size_t r = 0; r < out.rows; ++r)
            for (std::size_t c = 0; c < out.columns; ++c)
                at(out, r, c) = at(table, index.data()[r], c);
    }

    void gather_weights(out_matrix out, linear_map const& map, list<std::int32_t> const& index) const {
        gather_rows(out, as_matrix(map.weight), index);
    }

    void copy_rows(out_matrix out, list<std::int32_t> const& to, in_matrix in, list<std::int32_t> const& from) const {
        for (std::size_t r = 0; r < to.size(); ++r)
            for (std::size_t c = 0; c < in.columns; ++c)
                at(out, to.data()[r], c) = at(in, from.data()[r], c);
    }

    void linear(out_matrix out, in_matrix in, linear_map const& map) const {
        auto const w = as_matrix(map.weight);
        for (std::size_t r = 0; r < in.rows; ++r)
            for (std::size_t o = 0; o < w.rows; ++o) {
                double sum = map.bias.empty() ? 0.0 : map.bias.data()[o];
                // By pointers: unoptimised tests spend most of their time here.
                double const *x = &at(in, r, 0), *weights = &at(w, o, 0);
                for (std::size_t i = 0; i < w.columns; ++i)
                    sum += x[i] * weights[i];
                at(out, r, o) = sum;
            }
    }

    void head_results(out_matrix out, in_matrix in, linear_map const& map, std::size_t heads) const {
        auto const w = as_matrix(map.weight);
        std::size_t const width = in.columns / heads;
        for (std::size_t r = 0; r < in.rows; ++r)
            for (std::size_t h = 0; h < heads; ++h)
                for (std::size_t o = 0; o < w.rows; ++o) {
                    double sum = 0;
                    for (std::size_t i = h * width; i < (h + 1) * width; ++i)
                        sum += at(in, r, i) * at(w, o, i);
                    at(out, r, h * w.rows + o) = sum;
                }
    }

    void rms_norm(out_matrix out, in_matrix in, list<double> const& gain, double eps) const {
        for (std::size_t r = 0; r < in.rows; ++r) {
            double squares = 0;
            for (std::size_t c = 0; c < in.columns; ++c)
                squares += at(in, r, c) * at(in, r, c);
            double const scale = 1 / std::sqrt(squares / static_cast<double>(in.columns) + eps);
            for (std::size_t c = 0; c < in.columns; ++c)
                at(out, r, c) = at(in, r, c) * scale * gain.data()[c];
        }
    }

    void layer_norm(out_matrix out, in_matrix in, list<double> const& gain, list<double> const& bias,
                    double eps) const {
        auto const n = static_cast<double>(in.columns);
        for (std::size_t r = 0; r < in.rows; ++r) {
            double sum = 0, squares = 0;
            for (std::size_t c = 0; c < in.columns; ++c)
                sum += at(in, r, c);
            double const mean = sum / n;
            for (std::size_t c = 0; c < in.columns; ++c)
                squares += (at(in, r, c) - mean) * (at(in, r, c) - mean);
            double const scale = 1 / std::sqrt(squares / n + eps);
            for (std::size_t c = 0; c < in.columns; ++c)
                at(out, r, c) = (at(in, r, c) - mean) * scale * gain.data()[c] + bias.data()[c];
        }
    }

    void scale(out_matrix x, double factor) const {
        each(x, [&](double e) { return e * factor; });
    }

    void add(out_matrix to, in_matrix from) const {
        for (std::size_t r = 0; r < to.rows; ++r)
            for (std::size_t c = 0; c < to.columns; ++c)
                at(to, r, c) += at(from, r, c);
    }

    void add_difference(out_matrix to, in_matrix a, in_matrix b, std::size_t parts) const {
        for (std::size_t r = 0; r < to.rows; ++r)
            for (std::size_t p = 0; p < parts; ++p)
                for (std::size_t c = 0; c < to.columns; ++c)
                    if (double const d = at(a, r, p * to.columns + c) - at(b, r, p * to.columns + c); d != 0)
                        at(to, r, c) += d;
    }

    void rotate(out_matrix x, std::size_t heads, in_matrix angles, list<std::uint32_t> const& positions) const {
        std::size_t const width = x.columns / heads, half = angles.columns / 2;
        for (std::size_t r = 0; r < x.rows; ++r)
            for (std::size_t h = 0; h < heads; ++h)
                for (std::size_t i = 0; i < half; ++i) {
                    auto const p = positions.data()[r];
                    double const cos = at(angles, p, i), sin = at(angles, p, half + i);
                    double& a = at(x, r, h * width + i);
                    double& b = at(x, r, h * width + half + i);
                    double const rotated = a * cos - b * sin;
                    b = b * cos + a * sin;
                    a = rotated;
                }
    }

    void scores(double* out, in_matrix queries, in_matrix keys, attention_shape const& shape,
                ragged const& rows) const {
        std::size_t const width = queries.columns / shape.heads;
        for (std::size_t e = 0; e < rows.examples(); ++e)
            for (std::size_t h = 0; h < shape.heads; ++h)
                for (std::size_t s = 0; s < rows.length(e); ++s)
                    for (std::size_t t = 0; t < rows.length(e); ++t) {
                        double sum = 0;
                        for (std::size_t i = 0; i < width; ++i)
                            sum += at(queries, rows.begin(e) + s, h * width + i) *
                                   at(keys, rows.begin(e) + t, h / shape.group() * width + i);
                        sum *= shape.scale;
                        if (shape.softcap > 0)
                            sum = shape.softcap * std::tanh(sum / shape.softcap);
                        bool const visible = t < shape.end_visible(s, rows.length(e)) && t >= shape.first_visible(s) &&
                                             !shape.hides(rows.begin(e) + t);
                        *out++ = visible ? sum : -std::numeric_limits<double>::infinity();
                    }
    }

    void softmax(double* lines, attention_shape const& shape, ragged const& rows) const {
        for (std::size_t e = 0; e < rows.examples(); ++e)
            for (std::size_t line = 0; line < shape.heads * rows.length(e); ++line, lines += rows.length(e))
                softmax_line(lines, rows.length(e));
    }

    void mix(out_matrix out, double const* lines, in_matrix values, attention_shape const& shape,
             ragged const& rows) const {
        std::size_t const width = out.columns / shape.heads;
        for (std::size_t e = 0; e < rows.examples(); ++e)
            for (std::size_t h = 0; h < shape.heads; ++h)
                for (std::size_t s = 0; s < rows.length(e); ++s, lines += rows.length(e))
                    for (std::size_t i = 0; i < width; ++i) {
                        double sum = 0;
                        for (std::size_t t = 0; t < rows.length(e); ++t)
                            sum += lines[t] * at(values, rows.begin(e) + t, h / shape.group() * width + i);
                        at(out, rows.begin(e) + s, h * width + i) = sum;
                    }
    }

    void attention(out_matrix out, in_matrix queries, in_matrix keys, in_matrix values, attention_shape const& shape,
                   ragged const& rows) const {
        for (std::size_t e = 0; e < rows.examples(); ++e) {
            ragged const one({rows.length(e)});
            std::vector<double> lines(shape.heads * one.rows() * one.rows());
            auto const part = [&](auto m) { return m.row_range(rows.begin(e), one.rows()); };
            auto const alone = attention_of_example(shape, rows, e);
            scores(lines.data(), part(queries), part(keys), alone.shape, one);
            softmax(lines.data(), shape, one);
            mix(part(out), lines.data(), part(values), shape, one);
        }
    }

    void attention_rows(out_matrix out, in_matrix queries, list<attention_row> const& queried, in_matrix keys,
                        in_matrix values, in_matrix own_keys, in_matrix own_values,
                        list<std::uint32_t> const& own_positions, attention_shape const& shape,
                        ragged const& rows) const {
        std::vector<double> lines(queried.size() * shape.heads * rows.longest());
        out_matrix const table{lines.data(), queried.size() * shape.heads, rows.longest(), rows.longest()};
        score_rows(table, queries, queried, keys, own_keys, own_positions, shape, rows);
        softmax_rows(table);
        mix_rows(out, table, queried, values, own_values, own_positions, shape, rows);
    }

    void score_rows(out_matrix lines, in_matrix queries, list<attention_row> const& queried, in_matrix keys,
                    in_matrix own_keys, list<std::uint32_t> const& own_positions, attention_shape const& shape,
                    ragged const& rows) const {
        for (std::size_t i = 0; i < queried.size(); ++i)
            for (std::size_t h = 0; h < shape.heads; ++h) {
                auto const& r = queried.data()[i];
                for (std::size_t t = 0; t < lines.columns; ++t)
                    at(lines, i * shape.heads + h, t) = -std::numeric_limits<double>::infinity();
                for (std::size_t t = shape.first_visible(r.position);
                     t < shape.end_visible(r.position, rows.length(r.example)); ++t) {
                    if (shape.hides(rows.begin(r.example) + t))
                        continue;
                    auto const key = seen_row(r, t, keys, own_keys, own_positions, rows);
                    double sum = 0;
                    for (std::size_t c = 0; c < shape.width; ++c)
                        sum += at(queries, r.query, h * shape.width + c) * key[h / shape.group() * shape.width + c];
                    sum *= shape.scale;
                    at(lines, i * shape.heads + h, t) =
                        shape.softcap > 0 ? shape.softcap * std::tanh(sum / shape.softcap) : sum;
                }
            }
    }

    void softmax_rows(out_matrix lines) const {
        for (std::size_t r = 0; r < lines.rows; ++r)
            softmax_line(lines.data + r * lines.stride, lines.columns);
    }

    void mix_rows(out_matrix out, in_matrix lines, list<attention_row> const& queried, in_matrix values,
                  in_matrix own_values, list<std::uint32_t> const& own_positions, attention_shape const& shape,
                  ragged const& rows) const {
        for (std::size_t i = 0; i < queried.size(); ++i)
            for (std::size_t h = 0; h < shape.heads; ++h)
                for (std::size_t c = 0; c < shape.width; ++c) {
                    auto const& r = queried.data()[i];
                    double sum = 0;
                    for (std::size_t t = 0; t < rows.length(r.example); ++t)
                        sum += at(lines, i * shape.heads + h, t) * seen_row(r, t, values, own_values, own_positions,
                                                                            rows)[h / shape.group() * shape.width + c];
                    at(out, r.out, h * shape.width + c) = sum;
                }
    }

    void activate(out_matrix x, mlp kind) const {
        each(x, [&](double e) { return activation(e, kind); });
    }

    void gated(out_matrix out, in_matrix gate, mlp kind) const {
        for (std::size_t r = 0; r < out.rows; ++r)
            for (std::size_t c = 0; c < out.columns; ++c)
                at(out, r, c) *= activation(at(gate, r, c), kind);
    }

    void softcap(out_matrix x, double cap) const {
        each(x, [&](double e) { return cap * std::tanh(e / cap); });
    }

    void copy(double* to, double const* from, std::size_t n) const { std::copy_n(from, n, to); }

    template <class Task>
    static void each_task(std::size_t count, std::size_t, Task const& task) {
        for (std::size_t i = 0; i < count; ++i)
            task(i);
    }

    void mean_rows(out_matrix out, in_matrix in, list<std::uint64_t> const& rows, list<row_group> const& groups) const {
        for (std::size_t g = 0; g < groups.size(); ++g)
            for (std::size_t c = 0; c < in.columns; ++c) {
                auto const group = groups.data()[g];
                double sum = 0;
                for (std::size_t i = 0; i < group.count; ++i)
                    sum += at(in, rows.data()[group.first + i], c);
                at(out, g, c) = sum / static_cast<double>(group.count);
            }
    }

    void sum_rows(out_matrix out, in_matrix in, in_matrix weights, list<std::int32_t> const& places) const {
        for (std::size_t r = 0; r < out.rows; ++r)
            for (std::size_t c = 0; c < out.columns; ++c) {
                double sum = 0;
                for (std::size_t i = 0; i < weights.columns; ++i)
                    sum += at(weights, r, i) * at(in, place(places, weights, r, i), c);
                at(out, r, c) = sum;
            }
    }

    /// Where row r has its i-th expert's row.
    static std::size_t place(list<std::int32_t> const& places, in_matrix weights, std::size_t r, std::size_t i) {
        return static_cast<std::size_t>(places.data()[r * weights.columns + i]);
    }

    std::vector<token> argmax(in_matrix in) const {
        std::vector<token> best(in.rows);
        for (std::size_t r = 0; r < in.rows; ++r)
            best[r] = static_cast<token>(largest_column(&at(in, r, 0), in.columns));
        return best;
    }

    std::vector<double> map_entries(in_matrix in, linear_map const& map, std::span<token const> outputs) const {
        auto const w = as_matrix(map.weight);
        std::vector<double> entries(in.rows);
        for (std::size_t r = 0; r < in.rows; ++r) {
            auto const o = static_cast<std::size_t>(outputs[r]);
            entries[r] = map.bias.empty() ? 0.0 : map.bias.data()[o];
            for (std::size_t i = 0; i < in.columns; ++i)
                entries[r] += at(in, r, i) * at(w, o, i);
        }
        return entries;
    }

    std::vector<double> log_sum_exp(in_matrix in) const {
        std::vector<double> logs(in.rows);
        for (std::size_t r = 0; r < in.rows; ++r) {
            double const largest = *std::max_element(&at(in, r, 0), &at(in, r, 0) + in.columns);
            double sum = 0;
            for (std::size_t c = 0; c < in.columns; ++c)
                sum += std::exp(at(in, r, c) - largest);
            logs[r] = largest + std::log(sum);
        }
        return logs;
    }

    std::vector<double> elements(in_matrix in, std::span<token const> columns) const {
        std::vector<double> picked(in.rows);
        for (std::size_t r = 0; r < in.rows; ++r)
            picked[r] = at(in, r, static_cast<std::size_t>(columns[r]));
        return picked;
    }

private:
    static void softmax_line(double* line, std::size_t size) {
        double const largest = *std::max_element(line, line + size);
        if (largest == -std::numeric_limits<double>::infinity())
            return std::fill_n(line, size, 0.0), void();
        double sum = 0;
        for (std::size_t t = 0; t < size; ++t)
            sum += line[t] = std::exp(line[t] - largest);
        for (std::size_t t = 0; t < size; ++t)
            line[t] /= sum;
    }

    /// The key or value that a row sees at a position: its case's own, where there is one.
    static double const* seen_row(attention_row const& r, std::size_t position, in_matrix clean, in_matrix own,
                                  list<std::uint32_t> const& own_positions, ragged const& rows) {
        for (std::size_t o = r.own_first; o < r.own_first + r.own_count; ++o)
            if (own_positions.data()[o] == position)
                return own.data + o * own.stride;
        return clean.data + (rows.begin(r.example) + position) * clean.stride;
    }

    static double activation(double x, mlp kind) {
        switch (kind) {
        case mlp::gated_silu:
            return x / (1 + std::exp(-x));
        case mlp::gelu:
            return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2));
        case mlp::relu:
            return x < 0 ? 0 : x;
        default: // both kinds of gelu_tanh
            return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
        }
    }

    template <class F>
    static void each(out_matrix x, F const& f) {
        for (std::size_t r = 0; r < x.rows; ++r)
            for (std::size_t c = 0; c < x.columns; ++c)
                at(x, r, c) = f(at(x, r, c));
    }

    template <class T>
    static T& at(matrix<T> m, std::size_t row, std::size_t column) {
        return m.data[row * m.stride + column];
    }
};

static_assert(backend<reference>);

} // namespace engraft
