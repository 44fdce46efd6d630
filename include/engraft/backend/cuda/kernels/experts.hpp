#pragma once

#include <engraft/backend/cuda/kernels/warp.hpp>
#include <engraft/backend/expert_choice.hpp>

/// Kernels for experts: a thread for each row of few logits, and sums of rows in the order of a row's experts.
namespace engraft::kernels {

/// chosen[r * count + i] = the column of in[r] with the i-th largest number
template <class T>
struct chosen_columns {
    std::int32_t* chosen;
    std::size_t count;
    matrix<T const> in;

    ENGRAFT_DEVICE void operator()(std::size_t r) const {
        detail::choose_largest(chosen + r * count, count, &at(in, r, 0), in.columns);
    }
};

/// out[r] = the softmax of logits[r] at the chosen columns
template <class T>
struct chosen_weights {
    matrix<T> out;
    matrix<T const> logits;
    std::int32_t const* chosen;
    bool among_chosen;

    ENGRAFT_DEVICE void operator()(std::size_t r) const {
        detail::weigh_chosen(&at(out, r, 0), &at(logits, r, 0), logits.columns, chosen + r * out.columns, out.columns,
                             among_chosen);
    }
};

template <class T>
struct chosen_weights_back {
    matrix<T> dlogits;
    matrix<T const> dweights, logits;
    std::int32_t const* chosen;
    bool among_chosen;

    ENGRAFT_DEVICE void operator()(std::size_t r) const {
        std::size_t const count = dweights.columns;
        detail::weigh_chosen_back(&at(dlogits, r, 0), &at(dweights, r, 0), &at(logits, r, 0), logits.columns,
                                  chosen + r * count, count, among_chosen);
    }
};

/// out[r] = sum over i of weights[r, i] in[places[r, i]], in their order; without weights, each is 1.
template <class T>
struct summed_rows {
    matrix<T> out;
    matrix<T const> in;
    matrix<T const> weights; ///< no data: all are 1
    std::int32_t const* places;
    std::size_t count;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        auto const [r, c] = cell_of(i, out.columns);
        T sum = T(0);
        for (std::size_t e = 0; e < count; ++e)
            sum = fused(weights.data ? at(weights, r, e) : T(1),
                        at(in, static_cast<std::size_t>(places[r * count + e]), c), sum);
        at(out, r, c) = sum;
    }
};

/// din[places[r, i]] = weights[r, i] dout[r]
template <class T>
struct summed_rows_back {
    matrix<T> din;
    matrix<T const> dout, weights;
    std::int32_t const* places;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        auto const [place, c] = cell_of(i, din.columns); // of r and i
        auto const [r, e] = cell_of(place, weights.columns);
        at(din, static_cast<std::size_t>(places[place]), c) = at(weights, r, e) * at(dout, r, c);
    }
};

/// dweights[r, i] = dout[r] . in[places[r, i]]; a warp for each, the sum is kept in double
template <class T>
struct weights_of_summed_rows_back {
    matrix<T> dweights;
    matrix<T const> dout, in;
    std::int32_t const* places;

    template <class Warp>
    ENGRAFT_DEVICE void operator()(Warp const& warp, std::size_t i) const {
        auto const [row, expert] = cell_of(i, dweights.columns);
        std::size_t const r = row, e = expert; // names that lambdas can take
        T const* const x = &at(in, static_cast<std::size_t>(places[i]), 0);
        T const* const d = &at(dout, r, 0);
        double const sum = warp.template sum<double>(in.columns, [&](double s, std::size_t c) {
            return fused(static_cast<double>(d[c]), static_cast<double>(x[c]), s);
        });
        warp.once([&] { at(dweights, r, e) = static_cast<T>(sum); });
    }
};

} // namespace engraft::kernels
