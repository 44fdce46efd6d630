#pragma once

#include <filesystem>

#include <engraft/circuit/circuit.hpp>
#include <engraft/core/linkage.hpp>

namespace engraft {

enum class group_order { alphabetical, as_written };

/// Reads a circuit: {"value_fetcher": {"role": "last", "heads": [[layer, head], ...]}, ...}.
/// throws bad_file when the file is not of that form, or a head stands twice in a group
circuit read_circuit(std::filesystem::path const& path, group_order order = group_order::alphabetical);

/// Writes a circuit in that form, groups in their order; all of it or, on an error, nothing.
/// throws bad_input when the circuit has no group, a group's name twice or a head twice in a group, or the file can't
/// be written
void write_circuit(std::filesystem::path const& path, circuit const& c);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/circuit_file.ipp>
#endif
