#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <engraft/backend/backend.hpp>
#include <engraft/backend/cuda/kernels/elements.hpp>
#include <engraft/backend/cuda/kernels/experts.hpp>
#include <engraft/backend/cuda/kernels/rows.hpp>
#include <engraft/backend/cuda/launched_attention.hpp>
#include <engraft/backend/cuda/launched_product.hpp>
#include <engraft/backend/cuda/launched_slices.hpp>

namespace engraft {

/// What a backend of kernels does, whoever launches them. Activations are Numbers::compute; weights of linear maps are
/// Numbers::storage, and so is what they are multiplied with, rounded just before. `Launch` has
///
///   Launch::memory_type, Launch::name()
///   launch.each(n, f)          f(i) for every i < n, in any order and at the same time
///   launch.each_warp(n, f)     f(warp, i) likewise: see kernels/warp.hpp
///   launch.each_block(n, f)    f(block, i) likewise: see kernels/warp.hpp
///   Launch::panel_rows         rows of one matrix product
///   Launch::panels_together    such products that one call does, at most
///   Launch::lines_together     elements of attention's lines that exist at one time
///   Launch::product<Numbers>   how the products of one weight are done, once and for all; .plain() where a kernel of
///                              engraft does them; .back where they are those of gradients
///   launch.prepare<Numbers>(weight, back)   the same, chosen
///   launch.multiply(out, in, panels, weight, product)
///                              products of whole panels, with the transposed weight or, back, with the weight: in
///                              [panels * panel_rows, in] and out [panels * panel_rows, out], or with out and in
///                              exchanged; without gaps and aligned to 16 bytes
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
            matrix_products(launch_).convert(as_matrix(map.weight), as_matrix(std::as_const(weight)));
        }
        map.product = launch_.template prepare<Numbers>(as_matrix(std::as_const(map.weight)), false);
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

    void linear(out_matrix out, in_matrix in, linear_map const& map) const {
        matrix_products(launch_).multiply(out, in, as_matrix(map.weight), map.product);
        if (!map.bias.empty())
            each_element(out, kernels::added_bias<value_type>{out, map.bias.data()});
    }

    void head_results(out_matrix out, in_matrix in, linear_map const& map, std::size_t heads) const {
        matrix_products const p(launch_);
        auto const x = p.staged(in, in.rows, false);
        auto const weight = as_matrix(map.weight);
        std::size_t const width = in.columns / heads, wide = weight.rows;
        for (std::size_t h = 0; h < heads; ++h)
            p.plain(out.column_range(h * wide, wide), x.rows.column_range(h * width, width),
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
                     kernels::rotated_rows<value_type>{x, heads, x.columns / heads, half, angles, positions.data(), 1});
    }

    void scores(value_type* out, in_matrix queries, in_matrix keys, attention_shape const& shape,
                ragged const& rows) const {
        every_row const all(rows, shape);
        attention_kernels(launch_).score(all.lines(out, shape), queries, all.rows(), all.seen(keys), shape);
    }

    void softmax(value_type* lines, attention_shape const& shape, ragged const& rows) const {
        every_row const all(rows, shape);
        attention_kernels(launch_).softmax(all.lines(lines, shape), shape.heads * rows.rows());
    }

    void mix(out_matrix out, value_type const* lines, in_matrix values, attention_shape const& shape,
             ragged const& rows) const {
        every_row const all(rows, shape);
        attention_kernels(launch_).mix(out, all.lines(const_cast<value_type*>(lines), shape), all.rows(),
                                       all.seen(values), shape, false);
    }

    void attention(out_matrix out, in_matrix queries, in_matrix keys, in_matrix values, attention_shape const& shape,
                   ragged const& rows) const {
        every_row const all(rows, shape);
        attend(out, queries, all.rows(), all.seen(keys), all.seen(values), shape, rows.longest());
    }

    void attention_rows(out_matrix out, in_matrix queries, list<attention_row> const& queried, in_matrix keys,
                        in_matrix values, in_matrix own_keys, in_matrix own_values,
                        list<std::uint32_t> const& own_positions, attention_shape const& shape,
                        ragged const& rows) const {
        auto const begins = attention_kernels::begins_of(rows);
        auto const hidden = attention_kernels::hidden_of(rows, shape);
        attend(out, queries, {queried.data(), queried.size()},
               {keys, own_keys, own_positions.data(), begins.data(), hidden.data()},
               {values, own_values, own_positions.data(), begins.data()}, shape, rows.longest());
    }

    void score_rows(out_matrix lines, in_matrix queries, list<attention_row> const& queried, in_matrix keys,
                    in_matrix own_keys, list<std::uint32_t> const& own_positions, attention_shape const& shape,
                    ragged const& rows) const {
        auto const begins = attention_kernels::begins_of(rows);
        auto const hidden = attention_kernels::hidden_of(rows, shape);
        attention_kernels(launch_).score(attention_kernels::table(lines, shape.heads), queries,
                                         {queried.data(), queried.size()},
                                         {keys, own_keys, own_positions.data(), begins.data(), hidden.data()}, shape);
    }

    void softmax_rows(out_matrix lines) const {
        attention_kernels(launch_).softmax(attention_kernels::table(lines, 1), lines.rows);
    }

    void mix_rows(out_matrix out, in_matrix lines, list<attention_row> const& queried, in_matrix values,
                  in_matrix own_values, list<std::uint32_t> const& own_positions, attention_shape const& shape,
                  ragged const& rows) const {
        auto const begins = attention_kernels::begins_of(rows);
        out_matrix const read{const_cast<value_type*>(lines.data), lines.rows, lines.columns, lines.stride};
        attention_kernels(launch_).mix(out, attention_kernels::table(read, shape.heads),
                                       {queried.data(), queried.size()},
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

    void largest_columns(list<std::int32_t>& chosen, in_matrix in) const {
        launch_.each(in.rows,
                     kernels::chosen_columns<value_type>{chosen.data(), in.rows ? chosen.size() / in.rows : 0, in});
    }

    void expert_weights(out_matrix out, in_matrix in, list<std::int32_t> const& chosen, bool among_chosen) const {
        launch_.each(out.rows, kernels::chosen_weights<value_type>{out, in, chosen.data(), among_chosen});
    }

    void sum_rows(out_matrix out, in_matrix in, in_matrix weights, list<std::int32_t> const& places) const {
        each_element(out, kernels::summed_rows<value_type>{out, in, weights, places.data(), weights.columns});
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

    std::vector<double> elements(in_matrix in, std::span<token const> columns) const {
        list<double> picked{extents<dynamic>(in.rows)};
        auto const index = upload<memory_type>(std::vector<std::int32_t>(columns.begin(), columns.end()));
        launch_.each(in.rows, kernels::picked_elements<value_type>{picked.data(), in, index.data()});
        return picked.to_host();
    }

private:
    using matrix_products = launched_products<Numbers, Launch>;
    using attention_kernels = launched_attention<value_type, Launch>;
    using every_row = typename attention_kernels::every_row;
    using queried_rows = typename attention_kernels::queried_rows;
    using seen_rows = typename attention_kernels::seen_rows;
    static constexpr bool same_numbers = std::is_same_v<storage_type, value_type>;

    static value_type number(double x) { return static_cast<value_type>(x); }

    /// All three, some rows at a time.
    void attend(out_matrix out, in_matrix queries, queried_rows const& queried, seen_rows const& keys,
                seen_rows const& values, attention_shape const& shape, std::size_t longest) const {
        auto const fit = attention_kernels::rows_together(shape, longest);
        list<value_type> space{extents<dynamic>(std::min(fit, queried.count) * shape.heads * longest)};
        attention_kernels const steps(launch_);
        for (std::size_t first = 0; first < queried.count; first += fit) {
            auto const some = queried.from(first, fit);
            out_matrix const lines{space.data(), some.count * shape.heads, longest, longest};
            auto const table = attention_kernels::table(lines, shape.heads);
            steps.score(table, queries, some, keys, shape);
            softmax_rows(lines);
            steps.mix(out, table, some, values, shape, true);
        }
    }

    template <class Kernel>
    void each_element(out_matrix const& of, Kernel const& kernel) const {
        launch_.each(of.rows * of.columns, kernel);
    }

    Launch launch_;
};

} // namespace engraft
