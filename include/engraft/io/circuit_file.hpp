#pragma once

#include <filesystem>

#include <engraft/circuit/circuit.hpp>
#include <engraft/io/linkage.hpp>

namespace engraft {

/// Reads a circuit: {"value_fetcher": {"role": "last", "heads": [[layer, head], ...]}, ...}, groups in alphabetical
/// order. throws bad_file when the file is not of that form
circuit read_circuit(std::filesystem::path const& path);

} // namespace engraft

#ifndef ENGRAFT_COMPILED_IO
#include <engraft/io/source/circuit_file.ipp>
#endif
