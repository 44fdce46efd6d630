#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <span>

#include <engraft/backend/attention_row.hpp>
#include <engraft/backend/attention_shape.hpp>
#include <engraft/backend/slice.hpp>
#include <engraft/core/ragged.hpp>
#include <engraft/core/tensor.hpp>
#include <engraft/core/token.hpp>
#include <engraft/model/description.hpp>

namespace engraft {

/// A backend owns memory and computes on it; the engine never dereferences an element itself. Everything the engine
/// asks for is listed here. T is the backend's value_type; `out` may not overlap an input unless it says so.
/// Activations are row-major; R rows are those of a ragged batch, one example after the other, and
/// patterns are flat, [example][head][query position][key position].
///
///   make_linear(weight, bias)          a linear map from [out, in] and [out] or an empty bias, prepared once
///   gather_rows(out, table, index)     out[r] = table[index[r]]
///   gather_weights(out, map, index)    out[r] = W[index[r]]; a backend may leave it out, and then a tied embedding is
///                                      kept twice
///   copy_rows(out, to, in, from)       out[to[r]] = in[from[r]]
///   linear(out, in, map)               out[r] = in[r] W^T + bias; a row's result depends on that row alone
///   head_results(out, in, map, heads)  out[r, h] = in[r, h] times the columns of W that head h has; no bias
///   rms_norm(out, in, gain, eps)       out[r] = in[r] / sqrt(mean(in[r]^2) + eps) * gain; `out` may be `in`
///   layer_norm(out, in, gain, bias, eps)  out[r] = (in[r] - mean) / sqrt(variance + eps) * gain + bias; as above.
///                                      A norm without gain has gains of 1 and biases of 0, which round nothing
///   add(to, from)                      to[r] += from[r]
///   scale(x, factor)                   in place
///   add_difference(to, a, b, parts)    to[r] += sum over p of a[r, p] - b[r, p]; exact differences of 0 change no bit
///   rotate(x, heads, angles, positions)   in place: rotary embedding of every head by its row's position, of the
///                                      leading n elements; angles [longest, n], cosines first, then sines
///   scores(out, q, k, shape, rows)     scaled, capped; -infinity where a key is not visible
///   softmax(pattern, shape, rows)      in place, each query position over its keys; 0 where none is visible
///   mix(z, pattern, v, shape, rows)    z = pattern times v
///   attention(z, q, k, v, shape, rows) the three before in one, to the bit, without keeping patterns
///   attention_rows(z, q, queried, k, v, own_k, own_v, own_positions, shape, rows)
///                                      attention of single rows beside a clean run: see attention_row; a row whose
///                                      keys and values have the clean run's bits gets the clean run's bits
///   score_rows(lines, q, queried, k, own_k, own_positions, shape, rows), softmax_rows(lines),
///   mix_rows(z, lines, queried, v, own_v, own_positions, shape, rows)
///                                      the same in three; lines [queried * heads, columns], at least as many columns
///                                      as the longest example has positions
///   activate(x, kind)                  in place: x = f(x), f the nonlinearity of an MLP
///   gated(out, gate, kind)             in place: out = f(gate) * out
///   softcap(x, cap)                    in place: x = cap tanh(x / cap)
///   copy(to, from, n)                  n elements
///   copy_slices(to, from, slices)      each slice of `to` from its place in `from`
///   fill_slices(to, value, slices)     each element of the slices becomes one number
///   scale_slices(x, factor, slices)    in place
///   add_slices(to, from, factor, slices)      to += factor * from
///   blend_slices(to, from, slices, weights)   to = w to + (1 - w) from, w of [heads, 1 or width]; exact at 0 and at 1
///   project_slices(to, from, slices, basis)   to += (from - to) B^T B, B [directions, width] with orthonormal rows
///   edit_slices(x, layer, slices, f)          f(row) or f(row, place) of each slice, in any order and at the same time
///   select_slices(x, layer, slices, f)        the slices whose row a condition holds for, in their order
///   mean_rows(out, in, rows, groups)   out[g] = mean over the group's part of the list `rows` of in[rows[i]]
///   largest_columns(chosen, in)        chosen[r k + i] = the column of in[r] with the i-th largest number, k as many
///   as
///                                      `chosen` has for a row; of equals the first, NaN before all
///   expert_weights(out, logits, chosen, among_chosen)   out[r, i] = softmax of logits[r] at the i-th chosen column,
///                                      over all columns or over the chosen ones
///   sum_rows(out, in, weights, places) out[r] = sum over i of weights[r, i] in[places[r k + i]], in the order of i
///   argmax(in)                         on the host: the largest column of each row, the first of equals; if a row has
///                                      a NaN, one of its columns that is NaN or infinite
///   log_sum_exp(in)                    on the host: log of the sum over each row's columns of exp; NaN if a row has
///                                      NaN or +infinity, or nothing but -infinity
///   map_entries(in, map, outputs)      on the host: of in[r] W^T + bias the entry outputs[r], with the bits of
///                                      `linear`; may be left out: then all entries are computed
///   elements(in, columns)              on the host: in[r, columns[r]]
template <class B>
concept backend = memory<typename B::memory_type> && std::copyable<B> &&
    requires(B const& b, typename B::value_type* to, typename B::value_type const* from,
             matrix<typename B::value_type> out, matrix<typename B::value_type const> in,
             matrix_tensor<typename B::value_type, typename B::memory_type> weight,
             vector_tensor<typename B::value_type, typename B::memory_type> vector,
             vector_tensor<std::int32_t, typename B::memory_type> const& index,
             vector_tensor<row_slice, typename B::memory_type> const& slices,
             vector_tensor<attention_row, typename B::memory_type> const& queried,
             vector_tensor<std::uint32_t, typename B::memory_type> const& own_positions,
             vector_tensor<std::uint64_t, typename B::memory_type> const& list,
             vector_tensor<row_group, typename B::memory_type> const& groups, typename B::linear_map const& map,
             ragged const& rows, attention_shape const& shape, std::size_t n, double number, bool flag,
             vector_tensor<std::int32_t, typename B::memory_type>& chosen, std::span<token const> columns) {
    { B::name() } -> std::convertible_to<char const*>;
    { b.make_linear(std::move(weight), std::move(vector)) } -> std::same_as<typename B::linear_map>;
    b.gather_rows(out, in, index);
    b.linear(out, in, map);
    b.head_results(out, in, map, n);
    b.rms_norm(out, in, vector, number);
    b.layer_norm(out, in, vector, vector, number);
    b.scale(out, number);
    b.add(out, in);
    b.add_difference(out, in, in, n);
    b.rotate(out, n, in, own_positions);
    b.scores(to, in, in, shape, rows);
    b.softmax(to, shape, rows);
    b.mix(out, from, in, shape, rows);
    b.attention(out, in, in, in, shape, rows);
    b.attention_rows(out, in, queried, in, in, in, in, own_positions, shape, rows);
    b.score_rows(out, in, queried, in, in, own_positions, shape, rows);
    b.softmax_rows(out);
    b.mix_rows(out, in, queried, in, in, own_positions, shape, rows);
    b.copy_rows(out, index, in, index);
    b.activate(out, mlp::gelu);
    b.gated(out, in, mlp::gated_silu);
    b.softcap(out, number);
    b.copy(to, from, n);
    b.copy_slices(to, from, slices);
    b.fill_slices(to, number, slices);
    b.scale_slices(to, number, slices);
    b.add_slices(to, from, number, slices);
    b.blend_slices(to, from, slices, in);
    b.project_slices(to, from, slices, in);
    b.mean_rows(out, in, list, groups);
    b.largest_columns(chosen, in);
    b.expert_weights(out, in, index, flag);
    b.sum_rows(out, in, in, index);
    { b.argmax(in) } -> std::same_as<std::vector<token>>;
    { b.log_sum_exp(in) } -> std::same_as<std::vector<double>>;
    { b.elements(in, columns) } -> std::same_as<std::vector<double>>;
};

/// A backend that computes single outputs of a linear map.
template <class B>
concept computes_entries = requires(B const& b, matrix<typename B::value_type const> in,
                                    typename B::linear_map const& map, std::span<token const> outputs) {
    { b.map_entries(in, map, outputs) } -> std::same_as<std::vector<double>>;
};

/// Bytes of a chunk's tables up to which a processor's caches and the system's pages are used well.
inline constexpr double host_chunk = 1.28e8;

/// The most bytes that the tables of a sweep's chunk should take, unless a single case needs more: what the backend
/// prefers, or no limit.
template <class B>
double preferred_chunk(B const& b) {
    if constexpr (requires { b.preferred_chunk(); })
        return b.preferred_chunk();
    else
        return std::numeric_limits<double>::infinity();
}

/// Whether a backend computes anything; backend/planning.hpp does not.
template <class B>
inline constexpr bool computes = true;
template <class B>
    requires(!B::computes)
inline constexpr bool computes<B> = false;

} // namespace engraft
