#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <span>
#include <vector>

#include <engraft/backend/adjoint.hpp>
#include <engraft/backend/host_adjoint_slices.hpp>
#include <engraft/backend/reference/reference.hpp>

namespace engraft {

/// The oracle backwards: each operation's derivative written as its formula.
template <>
class adjoints<reference> : public host_adjoint_slices<double> {
public:
    using in_matrix = matrix<double const>;
    using out_matrix = matrix<double>;
    template <class T>
    using list = vector_tensor<T, host_memory>;

    explicit adjoints(reference const&) {}

    void zero(double* x, std::size_t n) const { std::fill_n(x, n, 0.0); }

    void linear(out_matrix dx, in_matrix dy, reference::linear_map const& map, bool add) const {
        multiply(dx, dy, as_matrix(map.weight), add);
    }

    void linear_part(out_matrix dx, in_matrix dy, reference::linear_map const& map, std::size_t first) const {
        multiply(dx, dy, as_matrix(map.weight).row_range(first, dy.columns), false);
    }

    void head_results(out_matrix dx, in_matrix dy, reference::linear_map const& map, std::size_t heads) const {
        auto const w = as_matrix(map.weight);
        std::size_t const width = dx.columns / heads;
        for (std::size_t r = 0; r < dx.rows; ++r)
            for (std::size_t i = 0; i < dx.columns; ++i) {
                double sum = 0;
                for (std::size_t o = 0; o < w.rows; ++o)
                    sum += at(dy, r, i / width * w.rows + o) * at(w, o, i);
                at(dx, r, i) = sum;
            }
    }

    void repeat(out_matrix out, in_matrix in, std::size_t parts) const {
        for (std::size_t r = 0; r < in.rows; ++r)
            for (std::size_t c = 0; c < parts * in.columns; ++c)
                at(out, r, c) = at(in, r, c % in.columns);
    }

    void rms_norm(out_matrix dx, in_matrix dy, in_matrix x, list<double> const& gain, double eps, bool add) const {
        auto const n = static_cast<double>(x.columns);
        for (std::size_t r = 0; r < x.rows; ++r) {
            double squares = 0, product = 0;
            for (std::size_t c = 0; c < x.columns; ++c) {
                squares += at(x, r, c) * at(x, r, c);
                product += gain.data()[c] * at(dy, r, c) * at(x, r, c);
            }
            double const scale = 1 / std::sqrt(squares / n + eps);
            for (std::size_t c = 0; c < x.columns; ++c) {
                double const d =
                    scale * gain.data()[c] * at(dy, r, c) - at(x, r, c) * scale * scale * scale * product / n;
                at(dx, r, c) = add ? at(dx, r, c) + d : d;
            }
        }
    }

    void layer_norm(out_matrix dx, in_matrix dy, in_matrix x, list<double> const& gain, double eps, bool add) const {
        auto const n = static_cast<double>(x.columns);
        for (std::size_t r = 0; r < x.rows; ++r) {
            double sum = 0, squares = 0, slope = 0, product = 0;
            for (std::size_t c = 0; c < x.columns; ++c)
                sum += at(x, r, c);
            double const mean = sum / n;
            for (std::size_t c = 0; c < x.columns; ++c) {
                squares += (at(x, r, c) - mean) * (at(x, r, c) - mean);
                slope += gain.data()[c] * at(dy, r, c);
                product += gain.data()[c] * at(dy, r, c) * (at(x, r, c) - mean);
            }
            double const scale = 1 / std::sqrt(squares / n + eps);
            for (std::size_t c = 0; c < x.columns; ++c) {
                double const d = scale * (gain.data()[c] * at(dy, r, c) - slope / n) -
                                 (at(x, r, c) - mean) * scale * scale * scale * product / n;
                at(dx, r, c) = add ? at(dx, r, c) + d : d;
            }
        }
    }

    void rotate(out_matrix dx, std::size_t heads, in_matrix angles, list<std::uint32_t> const& positions) const {
        std::size_t const width = dx.columns / heads, half = angles.columns / 2;
        for (std::size_t r = 0; r < dx.rows; ++r)
            for (std::size_t h = 0; h < heads; ++h)
                for (std::size_t i = 0; i < half; ++i) {
                    auto const p = positions.data()[r];
                    double const cos = at(angles, p, i), sin = at(angles, p, half + i);
                    double& a = at(dx, r, h * width + i);
                    double& b = at(dx, r, h * width + half + i);
                    double const turned = a * cos + b * sin;
                    b = b * cos - a * sin;
                    a = turned;
                }
    }

    void scores(out_matrix dq, out_matrix dk, double* ds, in_matrix queries, in_matrix keys,
                attention_shape const& shape, ragged const& rows) const {
        std::size_t const width = shape.width;
        fill(dq);
        fill(dk);
        for (std::size_t e = 0; e < rows.examples(); ++e)
            for (std::size_t h = 0; h < shape.heads; ++h)
                for (std::size_t s = 0; s < rows.length(e); ++s, ds += rows.length(e))
                    for (std::size_t t = shape.first_visible(s); t < shape.end_visible(s, rows.length(e)); ++t) {
                        if (shape.hides(rows.begin(e) + t))
                            continue;
                        auto const query = rows.begin(e) + s, key = rows.begin(e) + t;
                        auto const of_q = h * width, of_k = h / shape.group() * width;
                        double slope = ds[t] * shape.scale;
                        if (shape.softcap > 0) {
                            double sum = 0;
                            for (std::size_t i = 0; i < width; ++i)
                                sum += at(queries, query, of_q + i) * at(keys, key, of_k + i);
                            double const capped = std::tanh(sum * shape.scale / shape.softcap);
                            slope *= 1 - capped * capped;
                        }
                        for (std::size_t i = 0; i < width; ++i) {
                            at(dq, query, of_q + i) += slope * at(keys, key, of_k + i);
                            at(dk, key, of_k + i) += slope * at(queries, query, of_q + i);
                        }
                    }
    }

    void softmax(double* dp, double const* p, attention_shape const& shape, ragged const& rows) const {
        for (std::size_t e = 0; e < rows.examples(); ++e)
            for (std::size_t line = 0; line < shape.heads * rows.length(e); ++line) {
                double sum = 0;
                for (std::size_t t = 0; t < rows.length(e); ++t)
                    sum += p[t] * dp[t];
                for (std::size_t t = 0; t < rows.length(e); ++t)
                    dp[t] = p[t] * (dp[t] - sum);
                p += rows.length(e), dp += rows.length(e);
            }
    }

    void mix(double* dp, out_matrix dv, in_matrix dz, double const* p, in_matrix values, attention_shape const& shape,
             ragged const& rows) const {
        std::size_t const width = shape.width;
        fill(dv);
        for (std::size_t e = 0; e < rows.examples(); ++e)
            for (std::size_t h = 0; h < shape.heads; ++h)
                for (std::size_t s = 0; s < rows.length(e); ++s, p += rows.length(e), dp += rows.length(e))
                    for (std::size_t t = 0; t < rows.length(e); ++t) {
                        auto const query = rows.begin(e) + s, key = rows.begin(e) + t;
                        auto const of_v = h / shape.group() * width;
                        dp[t] = 0;
                        for (std::size_t i = 0; i < width; ++i) {
                            dp[t] += at(dz, query, h * width + i) * at(values, key, of_v + i);
                            at(dv, key, of_v + i) += p[t] * at(dz, query, h * width + i);
                        }
                    }
    }

    void attention(out_matrix dq, out_matrix dk, out_matrix dv, in_matrix dz, in_matrix queries, in_matrix keys,
                   in_matrix values, attention_shape const& shape, ragged const& rows) const {
        for (std::size_t e = 0; e < rows.examples(); ++e) {
            ragged const one({rows.length(e)});
            auto const part = [&](auto m) { return m.row_range(rows.begin(e), one.rows()); };
            std::vector<double> p(shape.heads * one.rows() * one.rows()), dp(p.size());
            reference const forward;
            auto const alone = attention_of_example(shape, rows, e);
            forward.scores(p.data(), part(queries), part(keys), alone.shape, one);
            forward.softmax(p.data(), shape, one);
            mix(dp.data(), part(dv), part(dz), p.data(), part(values), shape, one);
            softmax(dp.data(), p.data(), shape, one);
            scores(part(dq), part(dk), dp.data(), part(queries), part(keys), alone.shape, one);
        }
    }

    void activate(out_matrix dx, in_matrix x, mlp kind) const {
        each(dx, [&](double& d, std::size_t r, std::size_t c) { d *= activation(at(x, r, c), kind).slope; });
    }

    void gated(out_matrix dup, out_matrix dgate, in_matrix up, in_matrix gate, mlp kind) const {
        each(dup, [&](double& d, std::size_t r, std::size_t c) {
            auto const f = activation(at(gate, r, c), kind);
            at(dgate, r, c) = d * at(up, r, c) * f.slope;
            d *= f.value;
        });
    }

    void expert_weights(out_matrix dlogits, in_matrix dweights, in_matrix in, list<std::int32_t> const& chosen,
                        bool among_chosen) const {
        expert_weights_back(dlogits, dweights, in, chosen, among_chosen);
    }

    void sum_rows(out_matrix din, out_matrix dweights, in_matrix dout, in_matrix in, in_matrix weights,
                  list<std::int32_t> const& places) const {
        for (std::size_t r = 0; r < dout.rows; ++r)
            for (std::size_t i = 0; i < weights.columns; ++i) {
                auto const row = reference::place(places, weights, r, i);
                double sum = 0;
                for (std::size_t c = 0; c < dout.columns; ++c) {
                    at(din, row, c) = at(weights, r, i) * at(dout, r, c);
                    sum += at(dout, r, c) * at(in, row, c);
                }
                at(dweights, r, i) = sum;
            }
    }

    void gather_rows(out_matrix dx, in_matrix dy, list<std::int32_t> const& places) const {
        std::size_t const count = dx.rows == 0 ? 0 : places.size() / dx.rows;
        fill(dx);
        for (std::size_t i = 0; i < places.size(); ++i)
            for (std::size_t c = 0; c < dx.columns; ++c)
                at(dx, i / count, c) += at(dy, static_cast<std::size_t>(places.data()[i]), c);
    }

    void softcap(out_matrix dx, in_matrix y, double cap) const {
        each(dx, [&](double& d, std::size_t r, std::size_t c) { d *= 1 - (at(y, r, c) / cap) * (at(y, r, c) / cap); });
    }

    void softmax_seed(out_matrix out, in_matrix in, std::span<double const> log_sums,
                      std::span<double const> shares) const {
        each(out,
             [&](double& d, std::size_t r, std::size_t c) { d = shares[r] * std::exp(at(in, r, c) - log_sums[r]); });
    }

    void add_elements(out_matrix x, std::span<token const> columns, std::span<double const> numbers) const {
        for (std::size_t r = 0; r < columns.size(); ++r)
            at(x, r, static_cast<std::size_t>(columns[r])) += numbers[r];
    }

private:
    struct function {
        double value, slope;
    };

    static function activation(double x, mlp kind) {
        switch (kind) {
        case mlp::gated_silu: {
            double const s = 1 / (1 + std::exp(-x));
            return {x * s, s * (1 + x * (1 - s))};
        }
        case mlp::gelu: {
            double const share = 0.5 * (1 + std::erf(x / std::numbers::sqrt2));
            double const density = std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi);
            return {x * share, share + x * density};
        }
        case mlp::relu:
            return {x < 0 ? 0 : x, x > 0 ? 1.0 : 0.0};
        default: { // both kinds of gelu_tanh
            double const root = std::sqrt(2 / std::numbers::pi);
            double const t = std::tanh(root * (x + 0.044715 * x * x * x));
            return {0.5 * x * (1 + t), 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * root * (1 + 3 * 0.044715 * x * x)};
        }
        }
    }

    static void multiply(out_matrix dx, in_matrix dy, in_matrix w, bool add) {
        for (std::size_t r = 0; r < dx.rows; ++r)
            for (std::size_t i = 0; i < w.columns; ++i) {
                double sum = add ? at(dx, r, i) : 0;
                for (std::size_t o = 0; o < w.rows; ++o)
                    sum += at(dy, r, o) * at(w, o, i);
                at(dx, r, i) = sum;
            }
    }

    static void fill(out_matrix x) {
        each(x, [](double& d, std::size_t, std::size_t) { d = 0; });
    }

    template <class F>
    static void each(out_matrix x, F const& f) {
        for (std::size_t r = 0; r < x.rows; ++r)
            for (std::size_t c = 0; c < x.columns; ++c)
                f(at(x, r, c), r, c);
    }

    template <class T>
    static T& at(matrix<T> m, std::size_t row, std::size_t column) {
        return m.data[row * m.stride + column];
    }
};

static_assert(differentiable<reference>);

} // namespace engraft
