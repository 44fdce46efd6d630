#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <engraft/circuit/circuit.hpp>
#include <engraft/circuit/dcm_state.hpp>
#include <engraft/core/linkage.hpp>

namespace engraft {

/// What a training of masks has come to, exactly: numbers come back bit for bit.
/// throws bad_input when the file can't be written; it is written whole or not at all
void write_dcm_state(std::filesystem::path const& path, dcm_state const& state);

/// throws bad_file when the file is not of that form
dcm_state read_dcm_state(std::filesystem::path const& path);

/// A mask that was learnt for a group and a desideratum (DCM).
struct mask_record {
    std::string group;
    std::string desideratum;
    std::vector<double> mask; ///< one weight per head of the group, in the circuit's order
    std::vector<node> heads;  ///< those chosen
    double test_accuracy = 0; ///< from 0 to 1
};

/// {group: {desideratum: {"heads": [[layer, head], ...], "mask": [...], "test_accuracy": a}}}
/// throws bad_file when the file is not of that form
std::vector<mask_record> read_masks(std::filesystem::path const& path);

/// Masks in the form that `read_masks` reads. throws bad_input when a group has a desideratum twice, or the file can't
/// be written
void write_masks(std::filesystem::path const& path, std::vector<mask_record> const& masks);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/dcm_file.ipp>
#endif
