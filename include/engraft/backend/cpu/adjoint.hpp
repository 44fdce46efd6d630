#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <engraft/backend/adjoint.hpp>
#include <engraft/backend/cpu/adjoint_attention.hpp>
#include <engraft/backend/cpu/cpu.hpp>
#include <engraft/backend/cpu/product_back.hpp>
#include <engraft/backend/host_adjoint_slices.hpp>

namespace engraft {

/// Ordinary processors backwards, cut into tasks as forwards: what a row becomes depends on that row alone.
template <numeric_policy Numbers>
class adjoints<cpu<Numbers>> : public host_adjoint_slices<float> {
public:
    using linear_map = typename cpu<Numbers>::linear_map;
    using in_matrix = matrix<float const>;
    using out_matrix = matrix<float>;
    template <class U>
    using list = vector_tensor<U, host_memory>;

    explicit adjoints(cpu<Numbers> const& b) : threads_(b.threads()) {}

    void zero(float* x, std::size_t n) const {
        detail::parallel_rows(threads_, n, 1,
                              [&](std::size_t first, std::size_t count) { std::fill_n(x + first, count, 0.0f); });
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
        each_part_of(out, [&](std::size_t first, std::size_t count) {
            for (std::size_t r = first; r < first + count; ++r)
                for (std::size_t p = 0; p < parts; ++p)
                    std::copy_n(row(in, r), in.columns, row(out, r) + p * in.columns);
        });
    }

    void rms_norm(out_matrix dx, in_matrix dy, in_matrix x, list<float> const& gain, double eps, bool add) const {
        each_part_of(dx, [&](std::size_t r, std::size_t n) {
            k().rms_norm_back(dx.row_range(r, n), dy.row_range(r, n), x.row_range(r, n), gain.data(), eps, add);
        });
    }

    void layer_norm(out_matrix dx, in_matrix dy, in_matrix x, list<float> const& gain, double eps, bool add) const {
        each_part_of(dx, [&](std::size_t r, std::size_t n) {
            k().layer_norm_back(dx.row_range(r, n), dy.row_range(r, n), x.row_range(r, n), gain.data(), eps, add);
        });
    }

    void rotate(out_matrix dx, std::size_t heads, in_matrix angles, list<std::uint32_t> const& positions) const {
        each_part_of(dx, [&](std::size_t r, std::size_t n) {
            k().rotate_back(dx.row_range(r, n), heads, angles, positions.data() + r);
        });
    }

    void scores(out_matrix dq, out_matrix dk, float* ds, in_matrix queries, in_matrix keys,
                attention_shape const& shape, ragged const& rows) const {
        detail::scores_back(threads_, dq, dk, ds, {queries, keys, keys, shape, rows});
    }

    void softmax(float* dp, float const* p, attention_shape const& shape, ragged const& rows) const {
        detail::softmax_pattern_back(threads_, dp, p, shape, rows);
    }

    void mix(float* dp, out_matrix dv, in_matrix dz, float const* p, in_matrix values, attention_shape const& shape,
             ragged const& rows) const {
        detail::mix_pattern_back(threads_, dp, dv, dz, p, {values, values, values, shape, rows});
    }

    void attention(out_matrix dq, out_matrix dk, out_matrix dv, in_matrix dz, in_matrix queries, in_matrix keys,
                   in_matrix values, attention_shape const& shape, ragged const& rows) const {
        detail::attend_back(threads_, dq, dk, dv, dz, {queries, keys, values, shape, rows});
    }

    void activate(out_matrix dx, in_matrix x, mlp kind) const {
        each_part_of(
            dx, [&](std::size_t r, std::size_t n) { k().activate_back(dx.row_range(r, n), x.row_range(r, n), kind); });
    }

    void gated(out_matrix dup, out_matrix dgate, in_matrix up, in_matrix gate, mlp kind) const {
        each_part_of(dup, [&](std::size_t r, std::size_t n) {
            k().gated_back(dup.row_range(r, n), dgate.row_range(r, n), up.row_range(r, n), gate.row_range(r, n), kind);
        });
    }

    void expert_weights(out_matrix dlogits, in_matrix dweights, in_matrix in, list<std::int32_t> const& chosen,
                        bool among_chosen) const {
        expert_weights_back(dlogits, dweights, in, chosen, among_chosen);
    }

    /// The product of two floats is exact in double, so that no compiler can round a sum otherwise.
    void sum_rows(out_matrix din, out_matrix dweights, in_matrix dout, in_matrix in, in_matrix weights,
                  list<std::int32_t> const& places) const {
        std::size_t const count = weights.columns;
        detail::parallel_rows(threads_, dout.rows, dout.columns * count, [&](std::size_t first, std::size_t rows) {
            for (std::size_t p = first * count; p < (first + rows) * count; ++p) {
                auto const place = static_cast<std::size_t>(places.data()[p]), r = p / count;
                auto const d = row(dout, r), x = row(in, place);
                double sum = 0;
                for (std::size_t c = 0; c < dout.columns; ++c)
                    sum += static_cast<double>(d[c]) * static_cast<double>(x[c]);
                row(dweights, r)[p % count] = static_cast<float>(sum);
                std::copy_n(d, dout.columns, row(din, place));
                k().scale_slice(row(din, place), dout.columns, row(weights, r)[p % count]);
            }
        });
    }

    void gather_rows(out_matrix dx, in_matrix dy, list<std::int32_t> const& places) const {
        std::size_t const count = dx.rows == 0 ? 0 : places.size() / dx.rows;
        each_part_of(dx, [&](std::size_t first, std::size_t rows) {
            for (std::size_t r = first; r < first + rows; ++r) {
                std::fill_n(row(dx, r), dx.columns, 0.0f);
                for (std::size_t i = 0; i < count; ++i)
                    k().add(dx.row_range(r, 1),
                            dy.row_range(static_cast<std::size_t>(places.data()[r * count + i]), 1));
            }
        });
    }

    void softcap(out_matrix dx, in_matrix y, double cap) const {
        each_part_of(dx, [&](std::size_t r, std::size_t n) {
            k().softcap_back(dx.row_range(r, n), y.row_range(r, n), static_cast<float>(cap));
        });
    }

    void softmax_seed(out_matrix out, in_matrix in, std::span<double const> log_sums,
                      std::span<double const> shares) const {
        each_part_of(out, [&](std::size_t first, std::size_t count) {
            for (std::size_t r = first; r < first + count; ++r)
                if (shares[r] == 0)
                    std::fill_n(row(out, r), out.columns, 0.0f);
                else
                    k().softmax_seed(row(out, r), row(in, r), out.columns, static_cast<float>(log_sums[r]),
                                     static_cast<float>(shares[r]));
        });
    }

    void add_elements(out_matrix x, std::span<token const> columns, std::span<double const> numbers) const {
        for (std::size_t r = 0; r < columns.size(); ++r)
            row(x, r)[columns[r]] += static_cast<float>(numbers[r]);
    }

private:
    static detail::cpu_kernels const& k() { return detail::kernels(); }

    template <class U>
    static U* row(matrix<U> m, std::size_t r) {
        return m.data + r * m.stride;
    }

    template <class Task>
    void each_part_of(out_matrix const& of, Task const& task) const {
        detail::parallel_rows(threads_, of.rows, of.columns, task);
    }

    int threads_;
};

static_assert(differentiable<cpu<fp32>>);

} // namespace engraft
