#pragma once

#include <string>
#include <vector>

#include <engraft/circuit/circuit.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/core/ragged.hpp>
#include <engraft/intervene/selection.hpp>
#include <engraft/intervene/where.hpp>

namespace engraft {

/// Where roles stand in a batch, position by position: roles that share a position make one part with its heads.
struct role_rows {
    struct part {
        std::vector<std::string> roles; ///< all that stand here
        std::vector<selection::place> places;
    };
    std::vector<part> parts;
    std::vector<selection::place> elsewhere; ///< positions without a role

    /// throws bad_input when a role does not fit the batch, or a name comes twice
    role_rows(std::vector<role> const& roles, ragged const& rows);

    /// The heads of a circuit that act in each part: [part][layer * heads + head].
    /// throws bad_layer or bad_head for a node that the model has not, bad_input for a role that is not placed
    std::vector<std::vector<bool>> heads_of(circuit const& c, int layers, int heads) const;

private:
    std::vector<std::string> names_;
};

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/circuit/source/role_rows.ipp>
#endif
