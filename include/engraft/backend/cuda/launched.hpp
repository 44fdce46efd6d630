#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <engraft/backend/backend.hpp>
#include <engraft/backend/cuda/kernels/attention.hpp>
#include <engraft/backend/cuda/kernels/elements.hpp>
#include <engraft/backend/cuda/kernels/rows.hpp>
#include <engraft/backend/cuda/launched_slices.hpp>

namespace engraft {

/// What a backend of kernels does, whoever launches them. Activations are Numbers::compute; weights of linear maps are
/// Numbers::storage, and so is what they are multiplied with, rounded just before. `Launch` has
///
///   Launch::memory_type, Launch::name()
///   launch.each(n, f)          f(i) for every i < n, in any order and at the same time
///   launch.each_warp(n, f)     f(warp, i) likewise: see kernels/warp.hpp
///   Launch::panel_rows         rows of one matrix product
///   Launch::product<Numbers>   how the products of one weight are done, once and for all; .plain() where a kernel of
///                              engraft does them
///   launch.prepare<Numbers>(weight)   the same, chosen
///   launch.multiply(out, in, panels, weight, product)
///                              products of whole panels: in [panels * panel_rows, in], out [panels * panel_rows, out],
///                              without gaps and aligned to 16 bytes
template <numeric_policy Numbers, class Launch>
class launched : public launched_slices<launched<Numbers, Launch>, typename Numbers::compute, Launch> {
public:
    using value_type = typename Numbers::compute;
    using storage_type = typename Numbers::storage;
    using memory_type = typename Launch::memory_type;
    using in_matrix = matrix<value_type const>;
    using out_matrix = matrix<value_type>;
    template <class T>
    using list = vector_tensor<T, memory_type>;

    /// y = x W^T + bias
    struct linear_map {
        matrix_tensor<storage_type, memory_type> weight; ///< [out, in]
        list<value_type> bias;                           ///< [out], or empty
        typename Launch::template product<Numbers> product;

        std::size_t out() const { return weight.shape()[0]; }
        std::size_t in() const { return weight.shape()[1]; }
    };

    static char const* name() { return Launch::name(); }

    explicit launched(Launch launch = Launch{}) : launch_(std::move(launch)) {}

    Launch const& launch() const { return launch_; }

    linear_map make_linear(matrix_tensor<value_type, memory_type> weight, list<value_type> bias) const {
        linear_map map{{}, std::move(bias), {}};
        if constexpr (same_numbers) {
            map.weight = std::move(weight);
        } else {
            map.weight = matrix_tensor<storage_type, memory_type>(weight.shape());
            convert(as_matrix(map.weight), as_matrix(std::as_const(weight)));
        }
        map.product = launch_.template prepare<Numbers>(as_matrix(std::as_const(map.weight)));
        return map;
    }

    void gather_rows(out_matrix out, in_matrix table, list<std::int32_t> const& index) const {
        each_element(out, kernels::gathered_rows<value_type>{out, table, index.data()});
    }

    void gather_weights(out_matrix out, linear_map const& map, list<std::int32_t> const& index) const {
        each_element(out,
                     kernels::gathered_weights<storage_type, value_type>{out, as_matrix(map.weight), index.data()});
    }

    void copy_rows(out_matrix out, list<std::int32_t> const& to, in_matrix in, list<std::int32_t> const& from) const {
        launch_.each(to.size() * in.columns, kernels::copied_rows<value_type>{out, to.data(), in, from.data()});
    }

    /// Rows go through in panels of one height; a short last panel is filled up with zeros.
    void linear(out_matrix out, in_matrix in, linear_map const& map) const {
        if (map.product.plain()) {
            auto const x = staged(in, in.rows, false);
            plain(out, x.rows, as_matrix(map.weight));
        } else {
            auto const whole = in.rows / Launch::panel_rows * Launch::panel_rows;
            panels(out.row_range(0, whole), in.row_range(0, whole), map);
            panels(out.row_range(whole, in.rows - whole), in.row_range(whole, in.rows - whole), map);
        }
        if (!map.bias.empty())
            each_element(out, kernels::added_bias<value_type>{out, map.bias.data()});
    }

    void head_results(out_matrix out, in_matrix in, linear_map const& map, std::size_t heads) const {
        auto const x = staged(in, in.rows, false);
        auto const weight = as_matrix(map.weight);
        std::size_t const width = in.columns / heads, wide = weight.rows;
        for (std::size_t h = 0; h < heads; ++h)
            plain(out.column_range(h * wide, wide), x.rows.column_range(h * width, width),
                  weight.column_range(h * width, width));
    }

    void rms_norm(out_matrix out, in_matrix in, list<value_type> const& gain, double eps) const {
        launch_.each_warp(in.rows, kernels::rms_normed<value_type>{out, in, gain.data(), number(eps)});
    }

    void layer_norm(out_matrix out, in_matrix in, list<value_type> const& gain, list<value_type> const& bias,
                    double eps) const {
        launch_.each_warp(in.rows, kernels::layer_normed<value_type>{out, in, gain.data(), bias.data(), number(eps)});
    }

    void scale(out_matrix x, double factor) const {
        each_element(x, kernels::scaled_rows<value_type>{x, number(factor)});
    }

    void add(out_matrix to, in_matrix from) const { each_element(to, kernels::added_rows<value_type>{to, from}); }

    void add_difference(out_matrix to, in_matrix a, in_matrix b, std::size_t parts) const {
        each_element(to, kernels::added_difference<value_type>{to, a, b, parts});
    }

    void rotate(out_matrix x, std::size_t heads, in_matrix angles, list<std::uint32_t> const& positions) const {
        std::size_t const half = angles.columns / 2;
        launch_.each(x.rows * heads * half,
                     kernels::rotated_rows<value_type>{x, heads, x.columns / heads, half, angles, positions.data()});
    }

    void scores(value_type* out, in_matrix queries, in_matrix keys, attention_shape const& shape,
                ragged const& rows) const {
        every_row const all(rows, shape);
        score(all.lines(out, shape), queries, all.queried.data(), all.queried.size(), all.seen(keys), shape);
    }

    void softmax(value_type* lines, attention_shape const& shape, ragged const& rows) const {
        every_row const all(rows, shape);
        launch_.each_warp(shape.heads * rows.rows(), kernels::softmax_lines<value_type>{all.lines(lines, shape)});
    }

    void mix(out_matrix out, value_type const* lines, in_matrix values, attention_shape const& shape,
             ragged const& rows) const {
        every_row const all(rows, shape);
        mix(out, all.lines(const_cast<value_type*>(lines), shape), all.queried.data(), all.queried.size(),
            all.seen(values), shape, false);
    }

    void attention(out_matrix out, in_matrix queries, in_matrix keys, in_matrix values, attention_shape const& shape,
                   ragged const& rows) const {
        every_row const all(rows, shape);
        attend(out, queries, all.queried, all.seen(keys), all.seen(values), shape, rows.longest());
    }

    void attention_rows(out_matrix out, in_matrix queries, list<attention_row> const& queried, in_matrix keys,
                        in_matrix values, in_matrix own_keys, in_matrix own_values,
                        list<std::uint32_t> const& own_positions, attention_shape const& shape,
                        ragged const& rows) const {
        auto const begins = upload<memory_type>(begins_of(rows));
        attend(out, queries, queried, {keys, own_keys, own_positions.data(), begins.data()},
               {values, own_values, own_positions.data(), begins.data()}, shape, rows.longest());
    }

    void score_rows(out_matrix lines, in_matrix queries, list<attention_row> const& queried, in_matrix keys,
                    in_matrix own_keys, list<std::uint32_t> const& own_positions, attention_shape const& shape,
                    ragged const& rows) const {
        auto const begins = upload<memory_type>(begins_of(rows));
        score(table(lines, shape.heads), queries, queried.data(), queried.size(),
              {keys, own_keys, own_positions.data(), begins.data()}, shape);
    }

    void softmax_rows(out_matrix lines) const {
        launch_.each_warp(lines.rows, kernels::softmax_lines<value_type>{table(lines, 1)});
    }

    void mix_rows(out_matrix out, in_matrix lines, list<attention_row> const& queried, in_matrix values,
                  in_matrix own_values, list<std::uint32_t> const& own_positions, attention_shape const& shape,
                  ragged const& rows) const {
        auto const begins = upload<memory_type>(begins_of(rows));
        out_matrix const read{const_cast<value_type*>(lines.data), lines.rows, lines.columns, lines.stride};
        mix(out, table(read, shape.heads), queried.data(), queried.size(),
            {values, own_values, own_positions.data(), begins.data()}, shape, false);
    }

    void activate(out_matrix x, mlp kind) const { each_element(x, kernels::activated_rows<value_type>{x, kind}); }

    void gated(out_matrix out, in_matrix gate, mlp kind) const {
        each_element(out, kernels::gated_rows<value_type>{out, gate, kind});
    }

    void softcap(out_matrix x, double cap) const { each_element(x, kernels::capped_rows<value_type>{x, number(cap)}); }

    void copy(value_type* to, value_type const* from, std::size_t n) const {
        launch_.each(n, kernels::copied_elements<value_type>{to, from});
    }

    void mean_rows(out_matrix out, in_matrix in, list<std::uint64_t> const& rows, list<row_group> const& groups) const {
        launch_.each(groups.size() * in.columns, kernels::mean_rows<value_type>{out, in, rows.data(), groups.data()});
    }

    std::vector<token> argmax(in_matrix in) const {
        list<std::int32_t> best{extents<dynamic>(in.rows)};
        launch_.each_warp(in.rows, kernels::largest_columns<value_type>{best.data(), in});
        auto const found = best.to_host();
        return {found.begin(), found.end()};
    }

    std::vector<double> log_sum_exp(in_matrix in) const {
        list<double> logs{extents<dynamic>(in.rows)};
        launch_.each_warp(in.rows, kernels::log_sums<value_type>{logs.data(), in});
        return logs.to_host();
    }

    std::vector<double> map_entries(in_matrix in, linear_map const& map, std::span<token const> outputs) const {
        list<double> entries{extents<dynamic>(in.rows)};
        auto const index = upload<memory_type>(std::vector<std::int32_t>(outputs.begin(), outputs.end()));
        launch_.each_warp(in.rows, kernels::map_entries<storage_type, value_type>{
                                       entries.data(), in, as_matrix(map.weight), map.bias.data(), index.data()});
        return entries.to_host();
    }

    std::vector<double> elements(in_matrix in, std::span<token const> columns) const {
        list<double> picked{extents<dynamic>(in.rows)};
        auto const index = upload<memory_type>(std::vector<std::int32_t>(columns.begin(), columns.end()));
        launch_.each(in.rows, kernels::picked_elements<value_type>{picked.data(), in, index.data()});
        return picked.to_host();
    }

private:
    static constexpr bool same_numbers = std::is_same_v<storage_type, value_type>;
    /// Scores that exist at one time: few enough to stay in a GPU's second cache.
    static constexpr std::size_t scores_together = std::size_t(1) << 23;

    static value_type number(double x) { return static_cast<value_type>(x); }

    static std::vector<std::uint64_t> begins_of(ragged const& rows) {
        std::vector<std::uint64_t> begins(rows.examples() + 1);
        for (std::size_t e = 0; e < rows.examples(); ++e)
            begins[e + 1] = rows.begin(e) + rows.length(e);
        return begins;
    }

    /// A batch as queried rows without keys of their own.
    struct every_row {
        every_row(ragged const& rows, attention_shape const& shape)
            : begins(upload<memory_type>(begins_of(rows))), examples(rows.examples()) {
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
            pattern_begins = upload<memory_type>(patterns);
            queried = upload<memory_type>(all);
        }

        kernels::line_places<value_type> lines(value_type* data, attention_shape const& shape) const {
            return {data, shape.heads, 0, 0, begins.data(), pattern_begins.data(), examples};
        }
        kernels::seen_rows<value_type> seen(in_matrix all) const { return {all, {}, nullptr, begins.data()}; }

        list<std::uint64_t> begins, pattern_begins;
        list<attention_row> queried;
        std::size_t examples;
    };

    static kernels::line_places<value_type> table(out_matrix lines, std::size_t heads) {
        return {lines.data, heads, lines.columns, lines.stride, nullptr, nullptr, 0};
    }

    void score(kernels::line_places<value_type> const& lines, in_matrix queries, attention_row const* queried,
               std::size_t count, kernels::seen_rows<value_type> const& keys, attention_shape const& shape) const {
        launch_.each_warp(kernels::queried_task::count(count, shape.heads),
                          kernels::scored_rows<value_type>{lines, queries, queried, count, keys, shape.group(),
                                                           shape.width, shape.window, number(shape.scale),
                                                           number(shape.softcap)});
    }

    void mix(out_matrix out, kernels::line_places<value_type> const& lines, attention_row const* queried,
             std::size_t count, kernels::seen_rows<value_type> const& values, attention_shape const& shape,
             bool visible_only) const {
        launch_.each_warp(kernels::queried_task::count(count, shape.heads),
                          kernels::mixed_rows<value_type>{out, lines, queried, count, values, shape.group(),
                                                          shape.width, visible_only});
    }

    /// All three, some rows at a time.
    void attend(out_matrix out, in_matrix queries, list<attention_row> const& queried,
                kernels::seen_rows<value_type> const& keys, kernels::seen_rows<value_type> const& values,
                attention_shape const& shape, std::size_t longest) const {
        constexpr auto together = kernels::queried_task::rows_together;
        auto const fit = std::max<std::size_t>(1, scores_together / (shape.heads * longest * together)) * together;
        auto const most = std::min(fit, queried.size());
        list<value_type> space{extents<dynamic>(most * shape.heads * longest)};
        for (std::size_t first = 0; first < queried.size(); first += fit) {
            auto const count = std::min(fit, queried.size() - first);
            out_matrix const lines{space.data(), count * shape.heads, longest, longest};
            score(table(lines, shape.heads), queries, queried.data() + first, count, keys, shape);
            softmax_rows(lines);
            mix(out, table(lines, shape.heads), queried.data() + first, count, values, shape, true);
        }
    }

    template <class Kernel>
    void each_element(out_matrix const& of, Kernel const& kernel) const {
        launch_.each(of.rows * of.columns, kernel);
    }

    /// in, as it is stored for a product; rows that it does not have are 0.
    void convert(matrix<storage_type> out, in_matrix in) const {
        launch_.each(out.rows * out.columns, kernels::staged_rows<storage_type, value_type>{out, in});
    }

    void plain(out_matrix out, matrix<storage_type const> in, matrix<storage_type const> weight) const {
        kernels::plain_product<storage_type, value_type> const kernel{out, in, weight};
        launch_.each(kernel.count(), kernel);
    }

    /// The input of a product: itself where that can be, otherwise a copy.
    struct input {
        matrix_tensor<storage_type, memory_type> owner;
        matrix<storage_type const> rows;
    };

    /// packed: without gaps between rows, and aligned.
    input staged(in_matrix in, std::size_t rows, bool packed) const {
        if constexpr (same_numbers)
            if (rows == in.rows && (!packed || is_packed(in)))
                return {{}, in};
        input made{matrix_tensor<storage_type, memory_type>(extents<dynamic, dynamic>(rows, in.columns)), {}};
        convert(as_matrix(made.owner), in);
        made.rows = as_matrix(std::as_const(made.owner));
        return made;
    }

    static bool is_packed(in_matrix m) {
        return m.stride == m.columns && reinterpret_cast<std::uintptr_t>(m.data) % 16 == 0;
    }

    /// Products of whole panels, or of what is less than one.
    void panels(out_matrix out, in_matrix in, linear_map const& map) const {
        if (in.rows == 0)
            return;
        constexpr auto tall = Launch::panel_rows;
        auto const count = (in.rows + tall - 1) / tall;
        auto const x = staged(in, count * tall, true);
        if (in.rows == count * tall && is_packed(out)) {
            launch_.multiply(out.data, x.rows.data, count, as_matrix(map.weight), map.product);
            return;
        }
        matrix_tensor<value_type, memory_type> made(extents<dynamic, dynamic>(count * tall, out.columns));
        launch_.multiply(made.data(), x.rows.data, count, as_matrix(map.weight), map.product);
        each_element(out, kernels::staged_rows<value_type, value_type>{out, as_matrix(std::as_const(made))});
    }

    Launch launch_;
};

} // namespace engraft
