#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include <engraft/core/ragged.hpp>
#include <engraft/model/description.hpp>

namespace engraft {

/// What attention is, besides its queries, keys and values.
struct attention_shape {
    std::size_t heads = 0;
    std::size_t kv_heads = 0;   ///< head h reads key/value head h / (heads / kv_heads)
    std::size_t width = 0;      ///< of one head
    double scale = 1;           ///< of the products of queries and keys
    double softcap = 0;         ///< c: scores become c tanh(scores / c); 0 means they stay
    std::size_t window = 0;     ///< a query sees this many positions, its own included; 0 means all before it
    bool bidirectional = false; ///< a query sees all positions of its example; then there is no window
    /// Rows of the batch, in their order, whose keys no query sees, be they the clean run's or a case's own: those of
    /// padding tokens. A query that sees no key at all has a pattern and a z of zeros. Somebody else owns the list.
    std::span<std::uint32_t const> hidden{};

    std::size_t group() const { return heads / kv_heads; }

    /// The first key position that a query position sees.
    std::size_t first_visible(std::size_t query) const {
        return window > 0 && query + 1 > window ? query + 1 - window : 0;
    }
    /// The one behind the last that it sees, in an example of so many positions.
    std::size_t end_visible(std::size_t query, std::size_t length) const { return bidirectional ? length : query + 1; }

    /// How many it sees, hidden ones counted.
    std::size_t count_visible(std::size_t query, std::size_t length) const {
        return end_visible(query, length) - first_visible(query);
    }

    bool hides(std::size_t row) const { return std::binary_search(hidden.begin(), hidden.end(), row); }

    /// Those of an example.
    std::span<std::uint32_t const> hidden_of(ragged const& rows, std::size_t example) const {
        auto const first = std::lower_bound(hidden.begin(), hidden.end(), rows.begin(example));
        return {first, std::lower_bound(first, hidden.end(), rows.begin(example) + rows.length(example))};
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
            .window = has_window(D, layer) ? static_cast<std::size_t>(D.window) : 0,
            .bidirectional = D.bidirectional};
}

} // namespace engraft
