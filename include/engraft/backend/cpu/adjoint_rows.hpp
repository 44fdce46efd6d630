#pragma once

#include <cstdint>

#include <engraft/backend/attention_row.hpp>
#include <engraft/backend/cpu/adjoint_attention.hpp>
#include <engraft/backend/cpu/cpu.hpp>

namespace engraft {

/// `attention_rows` backwards: from dz to dq and to dk and dv of the cases' own keys and values. What rows of the clean
/// run see has no gradient here. Rows of one case stand behind each other in `queried`, as do cases in the own rows. A
/// case's own rows are added up by one thread, query by query.
template <numeric_policy Numbers>
void attention_rows_adjoint(cpu<Numbers> const& backend, matrix<float> dq, matrix<float> dk, matrix<float> dv,
                            matrix<float const> dz, matrix<float const> queries,
                            vector_tensor<attention_row, host_memory> const& queried, matrix<float const> keys,
                            matrix<float const> values, matrix<float const> own_keys, matrix<float const> own_values,
                            vector_tensor<std::uint32_t, host_memory> const& own_positions,
                            attention_shape const& shape, ragged const& rows) {
    detail::attend_rows_back(backend.threads(), dq, dk, dv, dz,
                             {{queries, keys, values, shape, rows},
                              {queried.data(), queried.size()},
                              own_keys,
                              own_values,
                              {own_positions.data(), own_positions.size()}});
}

} // namespace engraft
