#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <engraft/backend/attention_row.hpp>
#include <engraft/backend/reference/adjoint.hpp>

namespace engraft {

/// `attention_rows` backwards: from dz to dq and to dk and dv of the cases' own keys and values. What rows of the clean
/// run see has no gradient here.
inline void attention_rows_adjoint(reference const&, matrix<double> dq, matrix<double> dk, matrix<double> dv,
                                   matrix<double const> dz, matrix<double const> queries,
                                   vector_tensor<attention_row, host_memory> const& queried, matrix<double const> keys,
                                   matrix<double const> values, matrix<double const> own_keys,
                                   matrix<double const> own_values,
                                   vector_tensor<std::uint32_t, host_memory> const& own_positions,
                                   attention_shape const& shape, ragged const& rows) {
    for (auto const m : {dk, dv})
        for (std::size_t r = 0; r < m.rows; ++r)
            std::fill_n(m.data + r * m.stride, m.columns, 0.0);
    // One query beside a table of what it sees, as an example of its own whose other queries have no gradient.
    for (std::size_t i = 0; i < queried.size(); ++i) {
        auto const& r = queried.data()[i];
        std::size_t const n = shape.end_visible(r.position, rows.length(r.example)), narrow = keys.columns,
                          wide = queries.columns;
        std::vector<double> all_k(n * narrow), all_v(all_k), all_q(n * wide), all_dz(all_q), to_k(all_k), to_v(all_k),
            to_q(all_q);
        std::vector<std::size_t> own(n, own_keys.rows); // the own row of a position
        for (std::size_t o = r.own_first; o < r.own_first + r.own_count; ++o)
            if (own_positions.data()[o] < n)
                own[own_positions.data()[o]] = o;
        for (std::size_t t = 0; t < n; ++t) {
            bool const has = own[t] < own_keys.rows;
            auto const row = [&](matrix<double const> clean, matrix<double const> of_case) {
                return has ? of_case.data + own[t] * of_case.stride
                           : clean.data + (rows.begin(r.example) + t) * clean.stride;
            };
            std::copy_n(row(keys, own_keys), narrow, all_k.data() + t * narrow);
            std::copy_n(row(values, own_values), narrow, all_v.data() + t * narrow);
        }
        std::copy_n(queries.data + r.query * queries.stride, wide, all_q.data() + r.position * wide);
        std::copy_n(dz.data + r.out * dz.stride, wide, all_dz.data() + r.position * wide);
        auto const table = [n](auto& of, std::size_t columns) {
            return matrix<double>{of.data(), n, columns, columns};
        };
        adjoints<reference>(reference{})
            .attention(table(to_q, wide), table(to_k, narrow), table(to_v, narrow), table(all_dz, wide),
                       table(all_q, wide), table(all_k, narrow), table(all_v, narrow),
                       attention_of_example(shape, rows, r.example).shape, ragged({n}));
        std::copy_n(to_q.data() + r.position * wide, wide, dq.data + r.query * dq.stride);
        for (std::size_t t = 0; t < n; ++t)
            if (own[t] < own_keys.rows)
                for (std::size_t c = 0; c < narrow; ++c) {
                    dk.data[own[t] * dk.stride + c] += to_k[t * narrow + c];
                    dv.data[own[t] * dv.stride + c] += to_v[t * narrow + c];
                }
    }
}

} // namespace engraft
