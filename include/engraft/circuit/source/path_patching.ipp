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
    for (std::size_t e = 0; e < rows.examples(); ++e)
        for (auto p = rows.position(e, at.positions.at(e)); p < rows.length(e); ++p)
            positions[e].push_back(static_cast<long>(p));
    return positions;
}

} // namespace engraft::detail
