#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <engraft/circuit/head_patterns.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/intervene/selection.hpp>

namespace engraft::head_patterns {

ENGRAFT_BODY head_pattern previous_token() {
    return {"previous_token", [](std::span<token const> seen) {
                return seen.size() < 2 ? std::vector<std::size_t>{} : std::vector{seen.size() - 2};
            }};
}

ENGRAFT_BODY head_pattern duplicate_token() {
    return {"duplicate_token", [](std::span<token const> seen) {
                std::vector<std::size_t> found;
                for (std::size_t p = 0; p + 1 < seen.size(); ++p)
                    if (seen[p] == seen.back())
                        found.push_back(p);
                return found;
            }};
}

ENGRAFT_BODY head_pattern induction() {
    return {"induction", [duplicate = duplicate_token()](std::span<token const> seen) {
                auto found = duplicate.keys(seen);
                for (auto& p : found)
                    ++p;
                return found;
            }};
}

ENGRAFT_BODY std::vector<head_pattern> all() { return {previous_token(), duplicate_token(), induction()}; }

} // namespace engraft::head_patterns

namespace engraft {

ENGRAFT_BODY std::size_t head_scores::index(int layer, int head) const {
    detail::require_layer(layer, layers);
    detail::require_head(head, heads, "pattern");
    return static_cast<std::size_t>(layer) * static_cast<std::size_t>(heads) + static_cast<std::size_t>(head);
}

} // namespace engraft
