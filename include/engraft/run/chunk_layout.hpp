#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <engraft/intervene/selection.hpp>
#include <engraft/run/chunk.hpp>

namespace engraft::detail {

/// Where the slices of an activation lie in the engine's tables, for the policies of one entry; rows that are not
/// computed have no place.
class compact_layout : public slice_layout {
public:
    static constexpr std::size_t absent = static_cast<std::size_t>(-1);

    /// owners: the number in the chunk of the entry's case of each example, or absent
    compact_layout(ragged const& rows, std::size_t h, std::size_t w, chunk_rows const& chunk, site_rows of,
                   std::vector<std::size_t> const& owners)
        : slice_layout(rows, h, w), chunk_(&chunk), of_(of), owners_(&owners) {}

    /// The same slices of a layer stand elsewhere in the next: other rows live there.
    bool layers_alike() const override { return false; }
    /// Whether there are any rows in a layer.
    bool has(std::size_t layer) const override { return chunk_->of(of_, layer).size() > 0; }
    bool has(std::size_t layer, std::size_t example, std::size_t position) const override {
        auto const owner = (*owners_)[example];
        return owner != absent && chunk_->of(of_, layer).find(owner, position) != row_list::missing;
    }
    /// Of a row that is there.
    std::size_t place(std::size_t layer, std::size_t example, std::size_t position, std::size_t head) const override {
        auto const row = chunk_->of(of_, layer).find((*owners_)[example], position);
        return (row * heads + head) * (width == dynamic ? rows().longest() : width);
    }

private:
    chunk_rows const* chunk_;
    site_rows of_;
    std::vector<std::size_t> const* owners_;
};

/// The layout of a chunk's tables, for the policies of one entry.
class chunk_layout : public run_layout {
public:
    chunk_layout(ragged const& rows, chunk_rows const& chunk, std::vector<std::size_t> const& owners)
        : rows_(&rows), chunk_(&chunk), owners_(&owners) {}

    std::unique_ptr<slice_layout const> of(int site, std::size_t heads, std::size_t width) const override {
        return std::make_unique<compact_layout>(*rows_, heads, width, *chunk_, rows_of_site(site), *owners_);
    }

private:
    ragged const* rows_;
    chunk_rows const* chunk_;
    std::vector<std::size_t> const* owners_;
};

} // namespace engraft::detail
