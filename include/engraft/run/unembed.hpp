#pragma once

#include <cmath>
#include <vector>

#include <engraft/core/token.hpp>
#include <engraft/model/weights.hpp>

namespace engraft::detail {

/// Logits of rows of final activations. out: [rows, vocab]; in: [rows, d_model]
template <description const& D, class B>
void unembed(B const& b, weights<D, B> const& w, matrix<typename B::value_type> out,
             matrix<typename B::value_type const> in) {
    b.linear(out, in, w.unembedding);
    if constexpr (D.final_softcap > 0)
        b.softcap(out, D.final_softcap);
}

/// One logit of each row. entries: a token per row
template <description const& D, class B>
std::vector<double> unembed_entries(B const& b, weights<D, B> const& w, matrix<typename B::value_type const> in,
                                    std::vector<token> const& entries) {
    auto logits = b.map_entries(in, w.unembedding, entries);
    if constexpr (D.final_softcap > 0)
        for (auto& x : logits) { // in the backend's numbers, as `softcap`
            auto const cap = static_cast<typename B::value_type>(D.final_softcap);
            x = cap * std::tanh(static_cast<typename B::value_type>(x) / cap);
        }
    return logits;
}

} // namespace engraft::detail
