#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include <engraft/core/host_device.hpp>

/// What a router makes of one row's logits, as every backend computes it: a row's numbers are few, so all is done in
/// double, and where a product is added to, by one rounding.
namespace engraft::detail {

/// chosen[i] = where the i-th largest of n numbers stands, of equals the first; NaN counts as larger than all.
template <class T>
ENGRAFT_HOST_DEVICE inline void choose_largest(std::int32_t* chosen, std::size_t count, T const* x, std::size_t n) {
    for (std::size_t i = 0; i < count; ++i) {
        std::size_t best = n;
        for (std::size_t c = 0; c < n; ++c) {
            bool taken = false;
            for (std::size_t j = 0; j < i; ++j)
                taken = taken || chosen[j] == static_cast<std::int32_t>(c);
            if (!taken && (best == n || x[c] > x[best] || (x[c] != x[c] && x[best] == x[best])))
                best = c;
        }
        chosen[i] = static_cast<std::int32_t>(best);
    }
}

/// The softmax of logits, over all n of them or over the chosen ones: its largest logit and its sum of exponentials.
struct softmax_base {
    double most, sum;

    ENGRAFT_HOST_DEVICE double of(double logit) const { return std::exp(logit - most) / sum; }
};
template <class T>
ENGRAFT_HOST_DEVICE inline softmax_base softmax_of(T const* in, std::size_t n, std::int32_t const* chosen,
                                                   std::size_t count, bool among_chosen) {
    std::size_t const all = among_chosen ? count : n;
    auto const at = [&](std::size_t i) { return static_cast<double>(in[among_chosen ? chosen[i] : i]); };
    softmax_base base{at(0), 0};
    for (std::size_t i = 1; i < all; ++i)
        base.most = at(i) > base.most ? at(i) : base.most;
    for (std::size_t i = 0; i < all; ++i)
        base.sum += std::exp(at(i) - base.most);
    return base;
}

/// weights[i] = the softmax at chosen[i]
template <class T>
ENGRAFT_HOST_DEVICE inline void weigh_chosen(T* weights, T const* in, std::size_t n, std::int32_t const* chosen,
                                             std::size_t count, bool among_chosen) {
    auto const base = softmax_of(in, n, chosen, count, among_chosen);
    for (std::size_t i = 0; i < count; ++i)
        weights[i] = static_cast<T>(base.of(static_cast<double>(in[chosen[i]])));
}

/// From the gradient of the weights to that of all logits; the choice is constant.
template <class T>
ENGRAFT_HOST_DEVICE inline void weigh_chosen_back(T* dlogits, T const* dweights, T const* in, std::size_t n,
                                                  std::int32_t const* chosen, std::size_t count, bool among_chosen) {
    auto const base = softmax_of(in, n, chosen, count, among_chosen);
    auto const weight = [&](std::size_t e) { return base.of(static_cast<double>(in[e])); };
    double along = 0;
    for (std::size_t i = 0; i < count; ++i)
        along = std::fma(weight(static_cast<std::size_t>(chosen[i])), static_cast<double>(dweights[i]), along);
    for (std::size_t e = 0; e < n; ++e)
        dlogits[e] = among_chosen ? T(0) : static_cast<T>(-weight(e) * along);
    for (std::size_t i = 0; i < count; ++i)
        dlogits[chosen[i]] =
            static_cast<T>(weight(static_cast<std::size_t>(chosen[i])) * (static_cast<double>(dweights[i]) - along));
}

} // namespace engraft::detail
