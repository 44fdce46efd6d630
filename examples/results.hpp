#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include <engraft/circuit/minimality.hpp>

/// Measurements of a circuit in files, in the form in which those of Prakash et al. 2024 are kept; the masks of DCM are
/// read by engraft/io/dcm_file.hpp. Heads that are keys are written "layer.head". Every function throws bad_file when
/// the file is not of its form.
namespace example {

/// What minimality was judged by, for one group.
struct minimality_record {
    std::string group;
    engraft::pair_accuracies pairs;              ///< heads by layer, then head: JSON keeps no order
    std::size_t partners = 0;                    ///< heads in K, as the file says
    std::vector<engraft::minimality_line> lines; ///< in the order of pairs.heads
};

/// {group: {"removed_with": {v: {w: accuracy}}, "size_of_K": n,
///          "accuracy_without_K_and_without_K_and_v": {v: [accuracy, accuracy]}}}, each v with each w, accuracies from
///          0 to 1.
std::vector<minimality_record> read_minimality(std::filesystem::path const& path);

/// Repeated measurements of activation patching.
struct patching_record {
    std::string model;
    std::string group;
    std::string desideratum;
    std::vector<double> accuracies; ///< in percent; at least one
};

/// {model: {group: {desideratum: [accuracy in percent, ...]}}}
std::vector<patching_record> read_patching(std::filesystem::path const& path);

/// Accuracies of attention knockout that begins at layer 1, 2, ...
struct knockout_record {
    std::string edge; ///< which attention was blocked
    std::vector<double> accuracies;
};

/// {edge: [accuracy, ...]}, from 0 to 1.
std::vector<knockout_record> read_knockouts(std::filesystem::path const& path);

} // namespace example
