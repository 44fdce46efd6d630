#pragma once

#include <concepts>
#include <cstddef>
#include <span>

#include <engraft/backend/backend.hpp>

namespace engraft {

/// What a backend can do backwards: specialised beside each backend that can, made of a copy of it. Gradients go the
/// way of the activations that they belong to, with a gradient's name prefixed by d: `dx` is that of x. Where several
/// numbers make one, they are added up in an order that depends on neither the rows beside them nor the threads.
///
///   zero(x, n)                            n elements become 0
///   linear(dx, dy, map, add)              dx[r] = dy[r] W, or += where `add`
///   linear_part(dx, dy, map, first)       dx[r] = dy[r] times the rows of W from `first`, as many as dy has columns
///   head_results(dx, dy, map, heads)      dx[r, h] = dy[r, h] times the columns of W that head h has
///   repeat(out, in, parts)                out[r, p] = in[r] for each of the parts
///   rms_norm(dx, dy, x, gain, eps, add)   of y = rms_norm(x); dx may be dy where not `add`
///   layer_norm(dx, dy, x, gain, eps, add) of y = layer_norm(x)
///   rotate(dx, heads, angles, positions)  in place: by the angles' negative
///   scores(dq, dk, ds, q, k, shape, rows)    of the scores that are visible; ds changes
///   softmax(dp, p, shape, rows)              in place: p (dp - sum of p dp) on each line
///   mix(dp, dv, dz, p, v, shape, rows)       of z = p v
///   attention(dq, dk, dv, dz, q, k, v, shape, rows)   the three in one, without keeping patterns
///   activate(dx, x, kind)                 in place: dx = f'(x) dx
///   gated(dup, dgate, up, gate, kind)     dgate = f'(gate) up dup, then in place dup = f(gate) dup
///   expert_weights(dlogits, dweights, logits, chosen, among_chosen)   the choice is constant
///   sum_rows(din, dweights, dout, in, weights, places)   each place of `in` is that of one row and one i
///   gather_rows(dx, dy, places)           dx[r] = sum over i of dy[places[r k + i]]: of rows gathered k times each
///   softcap(dx, y, cap)                   in place: dx = (1 - (y / cap)^2) dx, y what the cap has made of x
///   softmax_seed(out, in, log_sums, shares)  out[r] = shares[r] * softmax(in[r]), log_sums those of in's rows
///   add_elements(x, columns, numbers)     x[r, columns[r]] += numbers[r]
///   weigh_slices(dx, slices, weights)     dx = w dx, w as in blend_slices
///   reject_slices(dx, slices, basis)      dx -= (dx B^T) B
///   edit_slices(dx, x, layer, slices, f)  f.derivative(row of dx, row of x), or with the place behind
/// and sums over slices in double, which add to what `sums` has:
///   sum_elements(sums, dx, slices)                  sums[0] += dx
///   sum_products(sums, dx, x, slices)               sums[0] += dx x; a dx of 0 makes 0 of any x
///   sum_directions(sums, n, dx, factor, slices)     sums[from + i] += factor dx[i], of n sums
///   sum_weights(sums, dx, x, from, slices)          sums[head, i or 0] += dx (x - from), sums [heads, width or 1]
///   sum_basis(sums, dx, x, from, slices, basis)     the derivative of x + (from - x) B^T B to each element of B
template <class Backend>
class adjoints;

/// A backend whose operations are done backwards too.
template <class B>
concept differentiable = backend<B> &&
    requires(B const& b, adjoints<B> const& a, typename B::value_type* to, typename B::value_type const* from,
             matrix<typename B::value_type> out, matrix<typename B::value_type const> in,
             vector_tensor<typename B::value_type, typename B::memory_type> const& vector,
             vector_tensor<row_slice, typename B::memory_type> const& slices,
             vector_tensor<std::uint32_t, typename B::memory_type> const& positions, typename B::linear_map const& map,
             ragged const& rows, attention_shape const& shape, std::size_t n, double number, bool add, double* sums,
             vector_tensor<std::int32_t, typename B::memory_type> const& index, std::span<token const> columns,
             std::span<double const> numbers) {
    adjoints<B>(b);
    a.zero(to, n);
    a.linear(out, in, map, add);
    a.linear_part(out, in, map, n);
    a.head_results(out, in, map, n);
    a.repeat(out, in, n);
    a.rms_norm(out, in, in, vector, number, add);
    a.layer_norm(out, in, in, vector, number, add);
    a.rotate(out, n, in, positions);
    a.scores(out, out, to, in, in, shape, rows);
    a.softmax(to, from, shape, rows);
    a.mix(to, out, in, from, in, shape, rows);
    a.attention(out, out, out, in, in, in, in, shape, rows);
    a.activate(out, in, mlp::gelu);
    a.gated(out, out, in, in, mlp::gated_silu);
    a.softcap(out, in, number);
    a.expert_weights(out, in, in, index, add);
    a.sum_rows(out, out, in, in, in, index);
    a.gather_rows(out, in, index);
    a.softmax_seed(out, in, numbers, numbers);
    a.add_elements(out, columns, numbers);
    a.weigh_slices(to, slices, in);
    a.reject_slices(to, slices, in);
    a.sum_elements(sums, from, slices);
    a.sum_products(sums, from, from, slices);
    a.sum_directions(sums, n, from, number, slices);
    a.sum_weights(matrix<double>{}, from, from, from, slices);
    a.sum_basis(sums, from, from, from, slices, in);
};

} // namespace engraft
