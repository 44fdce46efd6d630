#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/intervene/bound_checks.hpp>

namespace engraft::detail {

ENGRAFT_BODY void require_apart(selections const& held, selections const& written) {
    for (auto const* h : held)
        for (auto const* w : written)
            for (std::size_t layer = 0; layer < h->heads.size(); ++layer)
                w->each(layer, [&](selection::place const& at, std::size_t head) {
                    if (h->contains(layer, at, head))
                        throw bad_input({"engraft [freeze.overlap]: position ", at.position, " of example ", at.example,
                                         ", layer ", layer, ", head ", head,
                                         " is both held and written to; take it out of freeze's where with a minus"});
                });
}

ENGRAFT_BODY void require_key(std::vector<row_slice> blocked, attention_shape const& shape, ragged const& rows,
                              int layer) {
    // Sorted by where they lie, the blocked keys of a query stand together; two policies may block the same.
    std::sort(blocked.begin(), blocked.end(), [](auto const& a, auto const& b) { return a.to < b.to; });
    auto const same = [](auto const& a, auto const& b) { return a.to == b.to; };
    blocked.erase(std::unique(blocked.begin(), blocked.end(), same), blocked.end());
    std::size_t count = 0;
    for (std::size_t i = 0; i < blocked.size(); ++i) {
        auto const &s = blocked[i], &before = blocked[i > 0 ? i - 1 : 0];
        bool const same_query =
            i > 0 && s.example == before.example && s.position == before.position && s.head == before.head;
        count = same_query ? count + 1 : 1;
        if (count == shape.count_visible(s.position, rows.length(s.example)))
            throw bad_input({"engraft [knockout.everything]: position ", s.position, " of example ", s.example,
                             " would see no position at all in layer ", layer, ", head ", s.head,
                             "; leave it one, such as its own"});
    }
}

ENGRAFT_BODY void require_fired(std::size_t i, std::vector<std::size_t> const& counts) {
    if (counts[i] == 0)
        throw bad_input({"engraft [policy.never_fired]: policy ", i, " of ", counts.size(),
                         " (counted from 0, left to right) acted on nothing: its condition held nowhere, or all it "
                         "names has no effect; wrap it in may_not_fire if that is meant"});
}

ENGRAFT_BODY void require_chosen(selections const& chosen, int layers, std::size_t i) {
    for (auto const* one : chosen)
        for (std::size_t layer = 0; layer < std::min(one->heads.size(), static_cast<std::size_t>(layers)); ++layer)
            if (one->chooses(layer))
                return;
    throw bad_input({"engraft [policy.after_last_layer]: policy ", i, " (counted from 0) acts only behind the ", layers,
                     " layers that are run"});
}

ENGRAFT_BODY int first_chosen(selections const& chosen, int first, int layers) {
    for (auto const* one : chosen)
        for (int layer = 0; layer < first && one->heads.size() == static_cast<std::size_t>(layers); ++layer)
            if (one->chooses(static_cast<std::size_t>(layer)))
                first = layer;
    return first;
}

} // namespace engraft::detail
