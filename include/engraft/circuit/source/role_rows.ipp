#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include <engraft/circuit/circuit.hpp>
#include <engraft/circuit/role_rows.hpp>
#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/core/ragged.hpp>
#include <engraft/intervene/bound_checks.hpp>
#include <engraft/intervene/selection.hpp>
#include <engraft/intervene/where.hpp>

namespace engraft {

ENGRAFT_BODY role_rows::role_rows(std::vector<role> const& roles, ragged const& rows) {
    std::vector<std::map<std::size_t, std::vector<std::string>>> at(rows.examples());
    for (auto const& r : roles) {
        for (auto const& place : detail::places_of(r, rows))
            at[place.example][place.position].push_back(r.name);
        if (std::count_if(roles.begin(), roles.end(), [&](role const& o) { return o.name == r.name; }) > 1)
            throw bad_input({"the role `", r.name, "` is given twice"});
        names_.push_back(r.name);
    }
    std::map<std::vector<std::string>, std::size_t> part_of;
    for (std::size_t e = 0; e < rows.examples(); ++e)
        for (std::size_t p = 0; p < rows.length(e); ++p) {
            selection::place const place{e, p, static_cast<long>(p)};
            auto const found = at[e].find(p);
            if (found == at[e].end()) {
                elsewhere.push_back(place);
                continue;
            }
            auto const [known, is_new] = part_of.try_emplace(found->second, parts.size());
            if (is_new)
                parts.push_back({found->second, {}});
            parts[known->second].places.push_back(place);
        }
}

ENGRAFT_BODY std::vector<std::vector<bool>> role_rows::heads_of(circuit const& c, int layers, int heads) const {
    std::vector<std::vector<bool>> chosen(parts.size(), std::vector<bool>(static_cast<std::size_t>(layers * heads)));
    for (auto const& group : c.groups) {
        if (std::find(names_.begin(), names_.end(), group.role) == names_.end()) {
            std::string known;
            for (auto const& name : names_)
                known += (known.empty() ? "" : ", ") + name;
            throw bad_input({"the group `", group.name, "` acts at `", group.role,
                             "`, and where that is in the prompts is not given; the roles are ", known});
        }
        for (auto const n : group.heads) {
            detail::require_layer(n.layer, layers);
            detail::require_head(n.head, heads, "z");
            for (std::size_t i = 0; i < parts.size(); ++i)
                if (std::find(parts[i].roles.begin(), parts[i].roles.end(), group.role) != parts[i].roles.end())
                    chosen[i][static_cast<std::size_t>(n.layer * heads + n.head)] = true;
        }
    }
    return chosen;
}

} // namespace engraft
