#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <engraft/backend/attention_row.hpp>
#include <engraft/backend/cpu/adjoint_attention.hpp>
#include <engraft/backend/cpu/cpu.hpp>

namespace engraft {

/// `attention_rows` backwards: from dz to dq and to dk and dv of the cases' own keys and values. What rows of the clean
/// run see has no gradient here. Rows of one case stand behind each other in `queried`, as do cases in the own rows. A
/// case's own rows are added up by one thread, query by query.
template <numeric_policy Numbers>
void attention_rows_adjoint(
    cpu<Numbers> const& backend, matrix<typename Numbers::storage> dq, matrix<typename Numbers::storage> dk,
    matrix<typename Numbers::storage> dv, matrix<typename Numbers::storage const> dz,
    matrix<typename Numbers::storage const> queries, vector_tensor<attention_row, host_memory> const& queried,
    matrix<typename Numbers::storage const> keys, matrix<typename Numbers::storage const> values,
    matrix<typename Numbers::storage const> own_keys, matrix<typename Numbers::storage const> own_values,
    vector_tensor<std::uint32_t, host_memory> const& own_positions, attention_shape const& shape, ragged const& rows) {
    using T = typename Numbers::storage;
    auto const* all = queried.data();
    std::vector<std::size_t> cases; // where each begins in `queried`
    for (std::size_t i = 0; i < queried.size(); ++i)
        if (i == 0 || all[i].own_first != all[i - 1].own_first)
            cases.push_back(i);
    cases.push_back(queried.size());

    detail::parallel_for(backend.threads(), (cases.size() - 1) * shape.kv_heads, [&](std::size_t task) {
        auto const kv = task % shape.kv_heads, begin = cases[task / shape.kv_heads],
                   end = cases[task / shape.kv_heads + 1];
        auto const& of = all[begin];
        auto const length = rows.length(of.example), column = kv * shape.width;
        thread_local std::vector<T> unseen, lines; // unseen: what clean keys and values would get
        unseen.resize(2 * shape.width);
        lines.resize(3 * shape.group() * length);

        detail::attention_adjoint<T> one(shape, kv, length);
        auto const seen = [&](auto& to, matrix<T const> clean) {
            for (std::size_t t = 0; t < length; ++t)
                to.push_back(clean.data + (rows.begin(of.example) + t) * clean.stride + column);
        };
        seen(one.keys, keys);
        seen(one.values, values);
        one.dkeys.assign(length, unseen.data());
        one.dvalues.assign(length, unseen.data() + shape.width);
        for (std::size_t o = of.own_first; o < of.own_first + of.own_count; ++o) {
            auto const p = own_positions.data()[o];
            one.keys[p] = own_keys.data + o * own_keys.stride + column;
            one.values[p] = own_values.data + o * own_values.stride + column;
            one.dkeys[p] = dk.data + o * dk.stride + column;
            one.dvalues[p] = dv.data + o * dv.stride + column;
            std::fill_n(one.dkeys[p], shape.width, T(0));
            std::fill_n(one.dvalues[p], shape.width, T(0));
        }
        for (auto i = begin; i < end; ++i) {
            // Whichever row of them is asked for, it is this one.
            auto const only = [](auto m, std::size_t r) { return decltype(m){m.data + r * m.stride, 1, m.columns, 0}; };
            one.q = only(queries, all[i].query);
            one.dq = only(dq, all[i].query);
            one.dz = only(dz, all[i].out);
            one.query(all[i].position, lines.data());
        }
    });
}

} // namespace engraft
