#pragma once

#include <cstddef>
#include <vector>

#include <engraft/run/chunk.hpp>

namespace engraft::detail {

/// Where the slices of an activation lie in the engine's tables, for the policies of one entry; rows that are not
/// computed have no place.
template <description const& D, site S>
class compact_layout {
public:
    static constexpr std::size_t absent = static_cast<std::size_t>(-1);

    /// owners: the number in the chunk of the entry's case of each example, or absent
    compact_layout(chunk_rows const& chunk, std::vector<std::size_t> const& owners, ragged const& rows)
        : chunk_(&chunk), owners_(&owners), rows_(&rows) {}

    static constexpr bool only_checked = false; ///< see slice_layout
    /// Whether there are any rows in a layer.
    bool has(std::size_t layer) const { return list(layer).size() > 0; }
    bool has(std::size_t layer, std::size_t example, std::size_t position) const {
        auto const owner = (*owners_)[example];
        return owner != absent && list(layer).find(owner, position) != row_list::missing;
    }

    /// Of a row that is there.
    std::size_t place(std::size_t layer, std::size_t example, std::size_t position, std::size_t head) const {
        auto const row = list(layer).find((*owners_)[example], position);
        constexpr auto heads = static_cast<std::size_t>(site_heads<D, S>);
        return (row * heads + head) * (site_width<D, S> == dynamic ? rows_->longest() : site_width<D, S>);
    }

    std::size_t slice_width(std::size_t example) const {
        return site_width<D, S> == dynamic ? rows_->length(example) : site_width<D, S>;
    }

private:
    static constexpr bool is_before_blocks = std::is_same_v<S, sites::embed> || std::is_same_v<S, sites::pos_embed>;

    row_list const& list(std::size_t layer) const {
        return S::in_block || is_before_blocks ? rows_at<S>(chunk_->layers[layer]) : chunk_->last;
    }

    chunk_rows const* chunk_;
    std::vector<std::size_t> const* owners_;
    ragged const* rows_;
};

/// What a policy learns of a chunk of a sweep.
template <description const& D, class Backend>
struct sweep_binding {
    static constexpr description const& model = D;
    using backend_type = Backend;

    Backend const& backend;
    ragged const& rows;
    std::vector<token> const& tokens;
    void const* weights;
    chunk_rows const& chunk;
    std::vector<std::size_t> const& owners;
    bool may_not_fire = false;
    /// The same slices of a layer stand elsewhere in the next: other rows live there.
    static constexpr bool layers_alike = false;

    template <site S>
    compact_layout<D, S> layout() const {
        return {chunk, owners, rows};
    }
};

} // namespace engraft::detail
