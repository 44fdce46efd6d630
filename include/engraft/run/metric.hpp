#pragma once

#include <cmath>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/token.hpp>

namespace engraft {

/// A number that a sweep makes of the logits of one row: see the functions below.
struct metric {
    enum class kind { logit, logit_difference, probability, log_probability, accuracy, kl_to_clean, functor };
    std::string name;
    kind of;
    std::vector<token> tokens{}; ///< of each example
    std::vector<token> others{};
    std::function<double(std::span<double const>, std::size_t)> f{};

    /// Whether a few entries of the logits are enough.
    bool few() const { return of == kind::logit || of == kind::logit_difference; }
};

/// One token per example: its logit; its softmax probability or the logarithm of that; 1 where it has the largest
/// logit.
inline metric logit(std::vector<token> of) { return {"logit", metric::kind::logit, std::move(of)}; }
inline metric probability(std::vector<token> of) { return {"probability", metric::kind::probability, std::move(of)}; }
inline metric log_probability(std::vector<token> of) {
    return {"log_probability", metric::kind::log_probability, std::move(of)};
}
inline metric accuracy(std::vector<token> of) { return {"accuracy", metric::kind::accuracy, std::move(of)}; }
/// The first token's logit less the second's.
inline metric logit_difference(std::vector<token> of, std::vector<token> less) {
    return {"logit_difference", metric::kind::logit_difference, std::move(of), std::move(less)};
}
/// D_KL(clean || case), in nats: the sum over tokens of p (log p - log q), p the clean run's probabilities and q the
/// case's.
inline metric kl_to_clean() { return {"kl_to_clean", metric::kind::kl_to_clean}; }
/// f(logits of the row, number of the example).
inline metric reading(std::string name, std::function<double(std::span<double const>, std::size_t)> f) {
    return {std::move(name), metric::kind::functor, {}, {}, std::move(f)};
}

} // namespace engraft
