#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <engraft/backend/backend.hpp>
#include <engraft/backend/cpu/attention.hpp>
#include <engraft/backend/cpu/kernels.hpp>
#include <engraft/backend/cpu/packed.hpp>
#include <engraft/backend/cpu/parallel.hpp>
#include <engraft/backend/cpu/product.hpp>
#include <engraft/backend/default.hpp>
#include <engraft/backend/host_experts.hpp>
#include <engraft/backend/host_slices.hpp>
#include <engraft/backend/largest.hpp>

namespace engraft {

/// Ordinary processors: kernels for the instruction set that the processor has, whatever the program was compiled for,
/// and a pool of threads over pieces of products, rows and heads.
template <numeric_policy Numbers>
class cpu : public host_slices<cpu<Numbers>, float>, public host_experts<cpu<Numbers>, float> {
    static_assert(std::same_as<typename Numbers::storage, float>);

public:
    using value_type = float;
    using memory_type = host_memory;
    using linear_map = packed_map;
    using in_matrix = matrix<float const>;
    using out_matrix = matrix<float>;
    template <class T>
    using list = vector_tensor<T, host_memory>;

    static char const* name() { return "cpu"; }

    /// threads: 0 means the default, one for each core that the process may run on (detail::hardware_threads)
    explicit cpu(int threads = 0) : threads_(threads > 0 ? threads : detail::hardware_threads()) {}

    int threads() const { return threads_; }
    double preferred_chunk() const { return host_chunk; }

    linear_map make_linear(matrix_tensor<float, host_memory> weight, list<float> bias) const {
        return {{std::move(weight), threads_}, std::move(bias)};
    }

    void gather_rows(out_matrix out, in_matrix table, list<std::int32_t> const& index) const {
        each_row(out.rows, out.columns, [&](std::size_t r) {
            std::copy_n(row(table, static_cast<std::size_t>(index.data()[r])), out.columns, row(out, r));
        });
    }

    void copy_rows(out_matrix out, list<std::int32_t> const& to, in_matrix in, list<std::int32_t> const& from) const {
        each_row(to.size(), in.columns, [&](std::size_t r) {
            std::copy_n(row(in, static_cast<std::size_t>(from.data()[r])), in.columns,
                        row(out, static_cast<std::size_t>(to.data()[r])));
        });
    }

    void gather_weights(out_matrix out, linear_map const& map, list<std::int32_t> const& index) const {
        each_row(out.rows, out.columns, [&](std::size_t r) {
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

    void rms_norm(out_matrix out, in_matrix in, list<float> const& gain, double eps) const {
        each_part_of(out, [&](std::size_t r, std::size_t n) {
            k().rms_norm(out.row_range(r, n), in.row_range(r, n), gain.data(), eps);
        });
    }

    void layer_norm(out_matrix out, in_matrix in, list<float> const& gain, list<float> const& bias, double eps) const {
        each_part_of(out, [&](std::size_t r, std::size_t n) {
            k().layer_norm(out.row_range(r, n), in.row_range(r, n), gain.data(), bias.data(), eps);
        });
    }

    void scale(out_matrix x, double factor) const {
        each_part_of(x,
                     [&](std::size_t r, std::size_t n) { k().scale(x.row_range(r, n), static_cast<float>(factor)); });
    }

    void add(out_matrix to, in_matrix from) const {
        each_part_of(to, [&](std::size_t r, std::size_t n) { k().add(to.row_range(r, n), from.row_range(r, n)); });
    }

    void add_difference(out_matrix to, in_matrix a, in_matrix b, std::size_t parts) const {
        each_part_of(to, [&](std::size_t r, std::size_t n) {
            k().add_difference(to.row_range(r, n), a.row_range(r, n), b.row_range(r, n), parts);
        });
    }

    void rotate(out_matrix x, std::size_t heads, in_matrix angles, list<std::uint32_t> const& positions) const {
        each_part_of(x, [&](std::size_t r, std::size_t n) {
            k().rotate(x.row_range(r, n), heads, angles, positions.data() + r);
        });
    }

    void scores(float* lines, in_matrix queries, in_matrix keys, attention_shape const& shape,
                ragged const& rows) const {
        detail::make_scores(threads_, lines, {queries, keys, keys, shape, rows});
    }

    void softmax(float* lines, attention_shape const& shape, ragged const& rows) const {
        detail::softmax_pattern(threads_, lines, shape, rows);
    }

    void mix(out_matrix out, float const* lines, in_matrix values, attention_shape const& shape,
             ragged const& rows) const {
        detail::mix_pattern(threads_, out, lines, {values, values, values, shape, rows});
    }

    void attention(out_matrix out, in_matrix queries, in_matrix keys, in_matrix values, attention_shape const& shape,
                   ragged const& rows) const {
        detail::attend(threads_, out, {queries, keys, values, shape, rows});
    }

    void attention_rows(out_matrix out, in_matrix queries, list<attention_row> const& queried, in_matrix keys,
                        in_matrix values, in_matrix own_keys, in_matrix own_values,
                        list<std::uint32_t> const& own_positions, attention_shape const& shape,
                        ragged const& rows) const {
        detail::attend_rows(
            threads_, out,
            {{queries, keys, values, shape, rows}, span_of(queried), own_keys, own_values, span_of(own_positions)});
    }

    void score_rows(out_matrix lines, in_matrix queries, list<attention_row> const& queried, in_matrix keys,
                    in_matrix own_keys, list<std::uint32_t> const& own_positions, attention_shape const& shape,
                    ragged const& rows) const {
        detail::make_score_rows(
            threads_, lines,
            {{queries, keys, keys, shape, rows}, span_of(queried), own_keys, own_keys, span_of(own_positions)});
    }

    void softmax_rows(out_matrix lines) const { detail::softmax_lines(threads_, lines); }

    void mix_rows(out_matrix out, in_matrix lines, list<attention_row> const& queried, in_matrix values,
                  in_matrix own_values, list<std::uint32_t> const& own_positions, attention_shape const& shape,
                  ragged const& rows) const {
        detail::mix_row_lines(
            threads_, out, lines,
            {{values, values, values, shape, rows}, span_of(queried), own_values, own_values, span_of(own_positions)});
    }

    void activate(out_matrix x, mlp kind) const {
        each_part_of(x, [&](std::size_t r, std::size_t n) { k().activate(x.row_range(r, n), kind); });
    }

    void gated(out_matrix out, in_matrix gate, mlp kind) const {
        each_part_of(out,
                     [&](std::size_t r, std::size_t n) { k().gated(out.row_range(r, n), gate.row_range(r, n), kind); });
    }

    void softcap(out_matrix x, double cap) const {
        each_part_of(x, [&](std::size_t r, std::size_t n) { k().softcap(x.row_range(r, n), static_cast<float>(cap)); });
    }

    void copy(float* to, float const* from, std::size_t n) const { std::copy_n(from, n, to); }

    // Arithmetic on slices. host_slices moves numbers, calls functors and shares slices among threads.
    using slices = typename host_slices<cpu, float>::slices;

    void scale_slices(float* x, double factor, slices const& all) const {
        this->each(all, [&](row_slice const& s) { k().scale_slice(x + s.to, s.width, static_cast<float>(factor)); });
    }

    void add_slices(float* to, float const* from, double factor, slices const& all) const {
        this->each(all, [&](row_slice const& s) {
            k().add_slice(to + s.to, from + s.from, s.width, static_cast<float>(factor));
        });
    }

    void blend_slices(float* to, float const* from, slices const& all, in_matrix weights) const {
        this->each(all, [&](row_slice const& s) {
            k().blend_slice(to + s.to, from + s.from, s.width, row(weights, s.head), weights.columns != 1);
        });
    }

    void project_slices(float* to, float const* from, slices const& all, in_matrix basis) const {
        this->each(all, [&](row_slice const& s) { k().project_slice(to + s.to, from + s.from, s.width, basis); });
    }

    /// task(i) for i of [0, count), each of about `size` elements.
    template <class Task>
    void each_task(std::size_t count, std::size_t size, Task const& task) const {
        each_row(count, size, task);
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
                row(out, g)[c] = static_cast<float>(sum[c] / static_cast<double>(group.count));
        });
    }

    void sum_rows(out_matrix out, in_matrix in, in_matrix weights, list<std::int32_t> const& places) const {
        std::size_t const count = weights.columns;
        each_row(out.rows, out.columns * count, [&](std::size_t r) {
            std::fill_n(row(out, r), out.columns, 0.0f);
            for (std::size_t i = 0; i < count; ++i)
                k().add_slice(row(out, r), row(in, static_cast<std::size_t>(places.data()[r * count + i])), out.columns,
                              row(weights, r)[i]);
        });
    }

    std::vector<token> argmax(in_matrix in) const {
        std::vector<token> best(in.rows);
        each_row(in.rows, in.columns,
                 [&](std::size_t r) { best[r] = static_cast<token>(largest_column(row(in, r), in.columns)); });
        return best;
    }

    std::vector<double> map_entries(in_matrix in, linear_map const& map, std::span<token const> outputs) const {
        constexpr auto wide = detail::packed_matrix::panel;
        std::vector<double> entries(in.rows);
        each_row(in.rows, in.columns * wide, [&](std::size_t r) { // as `linear` does it, to the bit
            auto const o = static_cast<std::size_t>(outputs[r]);
            std::array<float, wide> line;
            k().tiles.single[0]({.in = row(in, r),
                                 .in_stride = in.stride,
                                 .in_step = 1,
                                 .weights = map.weight.at(o / wide, 0),
                                 .weight_step = wide,
                                 .panel_step = 0,
                                 .depth = in.columns,
                                 .out = line.data(),
                                 .out_stride = wide,
                                 .go_on = false});
            entries[r] = map.bias.empty() ? line[o % wide] : line[o % wide] + map.bias.data()[o];
        });
        return entries;
    }

    std::vector<double> log_sum_exp(in_matrix in) const {
        std::vector<double> logs(in.rows);
        each_row(in.rows, in.columns, [&](std::size_t r) { logs[r] = k().log_sum_exp(row(in, r), in.columns); });
        return logs;
    }

    std::vector<double> elements(in_matrix in, std::span<token const> columns) const {
        std::vector<double> picked(in.rows);
        for (std::size_t r = 0; r < in.rows; ++r)
            picked[r] = row(in, r)[columns[r]];
        return picked;
    }

private:
    static detail::cpu_kernels const& k() { return detail::kernels(); }

    template <class T>
    static T* row(matrix<T> m, std::size_t r) {
        return m.data + r * m.stride;
    }

    template <class T>
    static std::span<T const> span_of(list<T> const& all) {
        return {all.data(), all.size()};
    }

    /// task(first, count) for parts of a matrix's rows.
    template <class Task>
    void each_part_of(out_matrix const& of, Task const& task) const {
        detail::parallel_rows(threads_, of.rows, of.columns, task);
    }

    template <class Task>
    void each_row(std::size_t count, std::size_t width, Task const& task) const {
        detail::parallel_rows(threads_, count, width, [&](std::size_t first, std::size_t n) {
            for (std::size_t r = first; r < first + n; ++r)
                task(r);
        });
    }

    int threads_;
};

static_assert(backend<cpu<fp32>>);

} // namespace engraft
