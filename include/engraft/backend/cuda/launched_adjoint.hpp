#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <engraft/backend/adjoint.hpp>
#include <engraft/backend/cuda/kernels/adjoint_attention.hpp>
#include <engraft/backend/cuda/launched.hpp>
#include <engraft/backend/cuda/launched_adjoint_slices.hpp>

namespace engraft {

/// A backend of kernels backwards. No two threads add to one number, and what is added up goes in an order that the
/// launch does not decide, so the same gradient has the same bits each time.
template <numeric_policy Numbers, class Launch>
class adjoints<launched<Numbers, Launch>> : public launched_adjoint_slices<typename Numbers::compute, Launch> {
public:
    using backend_type = launched<Numbers, Launch>;
    using T = typename backend_type::value_type;
    using memory = typename backend_type::memory_type;
    using linear_map = typename backend_type::linear_map;
    using in_matrix = matrix<T const>;
    using out_matrix = matrix<T>;
    template <class E>
    using list = vector_tensor<E, memory>;

    explicit adjoints(backend_type const& b) : launched_adjoint_slices<T, Launch>(b.launch()) {}

    void zero(T* x, std::size_t n) const { launch().each(n, kernels::filled_elements<T>{x, T(0)}); }

    void linear(out_matrix dx, in_matrix dy, linear_map const& map, bool add) const {
        multiply(dx, dy, as_matrix(map.weight), add);
    }

    void linear_part(out_matrix dx, in_matrix dy, linear_map const& map, std::size_t first) const {
        multiply(dx, dy, as_matrix(map.weight).row_range(first, dy.columns), false);
    }

    void head_results(out_matrix dx, in_matrix dy, linear_map const& map, std::size_t heads) const {
        matrix_products const p(launch());
        auto const x = p.staged(dy, dy.rows, false);
        auto const weight = as_matrix(map.weight);
        std::size_t const width = dx.columns / heads, wide = weight.rows;
        for (std::size_t h = 0; h < heads; ++h)
            p.plain_back(dx.column_range(h * width, width), x.rows.column_range(h * wide, wide),
                         weight.column_range(h * width, width));
    }

    void repeat(out_matrix out, in_matrix in, std::size_t parts) const {
        launch().each(in.rows * parts * in.columns, kernels::repeated_rows<T>{out, in, parts * in.columns});
    }

    void rms_norm(out_matrix dx, in_matrix dy, in_matrix x, list<T> const& gain, double eps, bool add) const {
        launch().each_warp(x.rows, kernels::rms_normed_back<T>{dx, dy, x, gain.data(), number(eps), add});
    }

    void layer_norm(out_matrix dx, in_matrix dy, in_matrix x, list<T> const& gain, double eps, bool add) const {
        launch().each_warp(x.rows, kernels::layer_normed_back<T>{dx, dy, x, gain.data(), number(eps), add});
    }

    void rotate(out_matrix dx, std::size_t heads, in_matrix angles, list<std::uint32_t> const& positions) const {
        std::size_t const half = angles.columns / 2;
        launch().each(dx.rows * heads * half,
                      kernels::rotated_rows<T>{dx, heads, dx.columns / heads, half, angles, positions.data(), -1});
    }

    void scores(out_matrix dq, out_matrix dk, T* ds, in_matrix queries, in_matrix keys, attention_shape const& shape,
                ragged const& rows) const {
        every_row const all(rows, shape);
        auto const lines = all.lines(ds, shape);
        auto const seen_by = seen_keys(rows);
        slopes(lines, queries, all.rows(), all.seen(keys), shape);
        attention_kernels(launch()).mix(dq, lines, all.rows(), all.seen(keys), shape, true);
        spread(dk, seen_by, lines, queries, all.rows(), 0, shape);
    }

    void softmax(T* dp, T const* p, attention_shape const& shape, ragged const& rows) const {
        every_row const all(rows, shape);
        softmax(all.lines(dp, shape), all.lines(const_cast<T*>(p), shape), shape.heads * rows.rows());
    }

    void mix(T* dp, out_matrix dv, in_matrix dz, T const* p, in_matrix values, attention_shape const& shape,
             ragged const& rows) const {
        every_row const all(rows, shape);
        weights(all.lines(dp, shape), dz, all.rows(), all.seen(values), shape, false);
        spread(dv, seen_keys(rows), all.lines(const_cast<T*>(p), shape), dz, all.rows(), 0, shape);
    }

    void attention(out_matrix dq, out_matrix dk, out_matrix dv, in_matrix dz, in_matrix queries, in_matrix keys,
                   in_matrix values, attention_shape const& shape, ragged const& rows) const {
        every_row const all(rows, shape);
        attend(dq, dk, dv, dz, queries, all.rows(), all.rows(), seen_keys(rows), all.seen(keys), all.seen(values),
               shape, rows.longest());
    }

    /// As `attention_rows_adjoint` says.
    void attention_rows(out_matrix dq, out_matrix dk, out_matrix dv, in_matrix dz, in_matrix queries,
                        list<attention_row> const& queried, in_matrix keys, in_matrix values, in_matrix own_keys,
                        in_matrix own_values, list<std::uint32_t> const& own_positions, attention_shape const& shape,
                        ragged const& rows) const {
        auto const begins = attention_kernels::begins_of(rows);
        auto const hidden = attention_kernels::hidden_of(rows, shape);
        list<attention_row> turned{extents<dynamic>(queried.size())};
        launch().each(queried.size(), kernels::turned_rows{turned.data(), queried.data()});
        list<kernels::seen_key> seen_by{extents<dynamic>(own_keys.rows)};
        launch().each(own_keys.rows, kernels::filled_elements<kernels::seen_key>{seen_by.data(), {}});
        launch().each(queried.size(),
                      kernels::own_seen_keys{seen_by.data(), queried.data(), queried.size(), own_positions.data()});
        attend(dq, dk, dv, dz, queries, {queried.data(), queried.size()}, {turned.data(), turned.size()}, seen_by,
               {keys, own_keys, own_positions.data(), begins.data(), hidden.data()},
               {values, own_values, own_positions.data(), begins.data(), hidden.data()}, shape, rows.longest());
    }

    void activate(out_matrix dx, in_matrix x, mlp kind) const {
        each_element(dx, kernels::activated_rows_back<T>{dx, x, kind});
    }

    void gated(out_matrix dup, out_matrix dgate, in_matrix up, in_matrix gate, mlp kind) const {
        each_element(dup, kernels::gated_rows_back<T>{dup, dgate, up, gate, kind});
    }

    void expert_weights(out_matrix dlogits, in_matrix dweights, in_matrix in, list<std::int32_t> const& chosen,
                        bool among_chosen) const {
        launch().each(in.rows, kernels::chosen_weights_back<T>{dlogits, dweights, in, chosen.data(), among_chosen});
    }

    void sum_rows(out_matrix din, out_matrix dweights, in_matrix dout, in_matrix in, in_matrix weights,
                  list<std::int32_t> const& places) const {
        launch().each(places.size() * dout.columns, kernels::summed_rows_back<T>{din, dout, weights, places.data()});
        launch().each_warp(places.size(), kernels::weights_of_summed_rows_back<T>{dweights, dout, in, places.data()});
    }

    void gather_rows(out_matrix dx, in_matrix dy, list<std::int32_t> const& places) const {
        each_element(dx, kernels::summed_rows<T>{dx, dy, {}, places.data(), dx.rows ? places.size() / dx.rows : 0});
    }

    void softcap(out_matrix dx, in_matrix y, double cap) const {
        each_element(dx, kernels::capped_rows_back<T>{dx, y, number(cap)});
    }

    void softmax_seed(out_matrix out, in_matrix in, std::span<double const> log_sums,
                      std::span<double const> shares) const {
        auto const logs = uploaded<double>(log_sums), parts = uploaded<double>(shares);
        each_element(out, kernels::softmax_seeds<T>{out, in, logs.data(), parts.data()});
    }

    void add_elements(out_matrix x, std::span<token const> columns, std::span<double const> numbers) const {
        auto const index = uploaded<std::int32_t>(columns);
        auto const more = uploaded<double>(numbers);
        launch().each(columns.size(), kernels::added_elements<T>{x, index.data(), more.data()});
    }

private:
    using launched_adjoint_slices<T, Launch>::launch;
    using matrix_products = launched_products<Numbers, Launch>;
    using attention_kernels = launched_attention<T, Launch>;
    using every_row = typename attention_kernels::every_row;
    using queried_rows = typename attention_kernels::queried_rows;
    using line_places = typename attention_kernels::line_places;
    using seen_rows = typename attention_kernels::seen_rows;

    static T number(double x) { return static_cast<T>(x); }

    template <class E, class U>
    static list<E> uploaded(std::span<U const> numbers) {
        return upload<memory>(std::vector<E>(numbers.begin(), numbers.end()));
    }

    template <class Kernel>
    void each_element(out_matrix const& of, Kernel const& kernel) const {
        launch().each(of.rows * of.columns, kernel);
    }

    void multiply(out_matrix dx, in_matrix dy, matrix<typename Numbers::storage const> weight, bool add) const {
        matrix_products const p(launch());
        auto const how = launch().template prepare<Numbers>(weight, true);
        if (!add) {
            p.multiply(dx, dy, weight, how);
            return;
        }
        matrix_tensor<T, memory> more(extents<dynamic, dynamic>(dx.rows, dx.columns));
        p.multiply(as_matrix(more), dy, weight, how);
        each_element(dx, kernels::added_rows<T>{dx, as_matrix(std::as_const(more))});
    }

    /// Of a batch: every row may be seen by all of its example.
    static list<kernels::seen_key> seen_keys(ragged const& rows) {
        std::vector<kernels::seen_key> all;
        for (std::size_t e = 0; e < rows.examples(); ++e)
            for (std::size_t p = 0; p < rows.length(e); ++p)
                all.push_back({static_cast<std::uint32_t>(p), static_cast<std::uint32_t>(rows.begin(e)),
                               static_cast<std::uint32_t>(rows.length(e))});
        return upload<memory>(all);
    }

    /// dp[t] = dz . v[t]: a score that is neither scaled nor capped
    void weights(line_places const& dp, in_matrix dz, queried_rows const& queried, seen_rows const& values,
                 attention_shape const& shape, bool visible_only) const {
        launch().each_block(attention_kernels::tasks(queried, shape),
                            kernels::scored_rows<T>{dp, dz, queried.rows, queried.count, values, shape.group(),
                                                    shape.width, attention_kernels::sight_of(shape), T(1), T(0), T(0),
                                                    visible_only});
    }

    void softmax(line_places const& dp, line_places const& p, std::size_t count) const {
        launch().each_warp(count, kernels::softmax_lines_back<T>{dp, p});
    }

    void slopes(line_places const& ds, in_matrix queries, queried_rows const& queried, seen_rows const& keys,
                attention_shape const& shape) const {
        launch().each_warp(kernels::queried_task::count(queried.count, shape.heads),
                           kernels::score_slopes<T>{ds, queries, queried.rows, queried.count, keys, shape.group(),
                                                    shape.width, attention_kernels::sight_of(shape),
                                                    number(shape.scale), number(shape.softcap)});
    }

    /// queried: those from number `first` on of all that the keys speak of
    void spread(out_matrix to, list<kernels::seen_key> const& keys, line_places const& weights, in_matrix from,
                queried_rows const& queried, std::size_t first, attention_shape const& shape) const {
        launch().each_warp(kernels::queried_task::count(to.rows, shape.kv_heads),
                           kernels::spread_lines<T>{to, keys.data(), to.rows, weights, from, queried.rows, first,
                                                    first + queried.count, shape.group(), shape.width, first > 0});
    }

    /// All of attention, some rows at a time. turned: the queried rows with the rows of z as queries
    void attend(out_matrix dq, out_matrix dk, out_matrix dv, in_matrix dz, in_matrix queries,
                queried_rows const& queried, queried_rows const& turned, list<kernels::seen_key> const& seen_by,
                seen_rows const& keys, seen_rows const& values, attention_shape const& shape,
                std::size_t longest) const {
        auto const fit = attention_kernels::rows_together(shape, longest, 2);
        auto const space = std::min(fit, queried.count) * shape.heads * longest;
        list<T> patterns{extents<dynamic>(space)}, gradients{extents<dynamic>(space)};
        attention_kernels const steps(launch());
        for (std::size_t first = 0; first < queried.count; first += fit) {
            auto const some = queried.from(first, fit), back = turned.from(first, fit);
            auto const table = [&](list<T>& all) {
                return attention_kernels::table({all.data(), some.count * shape.heads, longest, longest}, shape.heads);
            };
            auto const p = table(patterns), dp = table(gradients);
            steps.score(p, queries, some, keys, shape);
            steps.softmax(p, some.count * shape.heads);
            weights(dp, dz, back, values, shape, true);
            spread(dv, seen_by, p, dz, back, first, shape);
            softmax(dp, p, some.count * shape.heads);
            slopes(dp, queries, some, keys, shape);
            steps.mix(dq, dp, back, keys, shape, true);
            spread(dk, seen_by, dp, queries, some, first, shape);
        }
    }
};

/// `attention_rows` backwards: from dz to dq and to dk and dv of the cases' own keys and values. What rows of the clean
/// run see has no gradient here. Rows of one case stand behind each other in `queried`.
template <numeric_policy Numbers, class Launch>
void attention_rows_adjoint(launched<Numbers, Launch> const& backend, matrix<typename Numbers::compute> dq,
                            matrix<typename Numbers::compute> dk, matrix<typename Numbers::compute> dv,
                            matrix<typename Numbers::compute const> dz, matrix<typename Numbers::compute const> queries,
                            vector_tensor<attention_row, typename Launch::memory_type> const& queried,
                            matrix<typename Numbers::compute const> keys,
                            matrix<typename Numbers::compute const> values,
                            matrix<typename Numbers::compute const> own_keys,
                            matrix<typename Numbers::compute const> own_values,
                            vector_tensor<std::uint32_t, typename Launch::memory_type> const& own_positions,
                            attention_shape const& shape, ragged const& rows) {
    adjoints<launched<Numbers, Launch>>(backend).attention_rows(dq, dk, dv, dz, queries, queried, keys, values,
                                                                own_keys, own_values, own_positions, shape, rows);
}

} // namespace engraft
