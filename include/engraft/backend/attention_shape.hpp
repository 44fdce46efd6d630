#pragma once

#include <cmath>
#include <cstddef>

#include <engraft/model/description.hpp>

namespace engraft {

/// What attention is, besides its queries, keys and values.
struct attention_shape {
    std::size_t heads = 0;
    std::size_t kv_heads = 0; ///< head h reads key/value head h / (heads / kv_heads)
    std::size_t width = 0;    ///< of one head
    double scale = 1;         ///< of the products of queries and keys
    double softcap = 0;       ///< c: scores become c tanh(scores / c); 0 means they stay
    std::size_t window = 0;   ///< a query sees this many positions, its own included; 0 means all before it

    std::size_t group() const { return heads / kv_heads; }

    /// The first key position that a query position sees; the last is its own.
    std::size_t first_visible(std::size_t query) const {
        return window > 0 && query + 1 > window ? query + 1 - window : 0;
    }
};

/// The attention of a described model's layer.
template <description const& D>
attention_shape shape_of_attention(int layer) {
    double const scalar = D.attention_scalar > 0 ? D.attention_scalar : D.d_head;
    return {.heads = static_cast<std::size_t>(D.heads),
            .kv_heads = static_cast<std::size_t>(D.kv_heads),
            .width = static_cast<std::size_t>(D.d_head),
            .scale = 1 / std::sqrt(scalar),
            .softcap = D.attention_softcap,
            .window = has_window(D, layer) ? static_cast<std::size_t>(D.window) : 0};
}

} // namespace engraft
