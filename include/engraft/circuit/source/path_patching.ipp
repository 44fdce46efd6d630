#pragma once

#include <vector>

#include <engraft/circuit/discovery.hpp>
#include <engraft/circuit/path_patching.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/intervene/freeze.hpp>
#include <engraft/intervene/patch.hpp>
#include <engraft/run/sweep.hpp>

namespace engraft::detail {

ENGRAFT_BODY std::vector<std::vector<long>> from_role_on(role const& at, ragged const& rows) {
    std::vector<std::vector<long>> positions(rows.examples());
    for (auto const& place : places_of(at, rows))
        for (auto p = place.position; p < rows.length(place.example); ++p)
            positions[place.example].push_back(static_cast<long>(p));
    return positions;
}

} // namespace engraft::detail
