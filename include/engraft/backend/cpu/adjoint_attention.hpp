#pragma once

#include <engraft/backend/attention_shape.hpp>
#include <engraft/backend/cpu/attention.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/core/ragged.hpp>
#include <engraft/core/view.hpp>

/// Attention backwards, one block of lanes after another, by the same tiles as forwards. The gradient of a key or value
/// is added up query by query, in parts that do not depend on the number of threads.
namespace engraft::detail {

/// From dz to dq, dk and dv.
void attend_back(int threads, matrix<float> dq, matrix<float> dk, matrix<float> dv, matrix<float const> dz,
                 attention_inputs const& of);

/// The same beside a clean run: dk and dv belong to the cases' own rows. Rows of one case are adjacent in `queried`.
void attend_rows_back(int threads, matrix<float> dq, matrix<float> dk, matrix<float> dv, matrix<float const> dz,
                      beside_inputs const& of);

/// Through flat patterns: ds becomes that of the products.
void scores_back(int threads, matrix<float> dq, matrix<float> dk, float* ds, attention_inputs const& of);
void softmax_pattern_back(int threads, float* dp, float const* p, attention_shape const& shape, ragged const& rows);
void mix_pattern_back(int threads, float* dp, matrix<float> dv, matrix<float const> dz, float const* p,
                      attention_inputs const& of);

} // namespace engraft::detail

#ifndef ENGRAFT_COMPILED
#include <engraft/backend/cpu/source/adjoint_attention.ipp>
#endif
