#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <engraft/circuit/circuit.hpp>
#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>

/// From path patching's scores to the heads of a circuit's groups.
/// source Prakash et al. 2024, section 4.1
namespace engraft {

/// All heads by score, lowest (most negative: most harm done by the patch) first; equal scores by layer, then head.
/// shape of `table`: [layers, heads], row-major. throws bad_input when it is not, or a score is NaN
std::vector<node> ranked_heads(std::span<double const> table, int heads);

/// The `count` heads with the lowest scores, lowest first. throws bad_input when there are fewer, and as ranked_heads
std::vector<node> lowest_heads(std::span<double const> table, int heads, std::size_t count);

/// How many of the lowest heads must be taken so that `count` of them are not in `taken`: the paper's 58 value
/// fetchers, of which 50 remain. throws bad_input when there are never so many, and as ranked_heads
std::size_t lowest_needed(std::span<double const> table, int heads, std::size_t count, std::span<node const> taken);

/// The heads of all other groups that come later and act at the same role.
std::vector<node> taken_later(circuit const& c, std::size_t group);

/// The circuit with each node in one group only. Groups stand in the order in which they were discovered; a node of two
/// groups stays in the later one, further from the logits: the paper's value fetchers lose their position transmitters.
circuit without_overlap(circuit c);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/circuit/source/discovery.ipp>
#endif
