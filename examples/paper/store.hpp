#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <engraft/circuit/circuit.hpp>

#include "../report/findings.hpp"

namespace paper {

/// A hash as text.
std::string hex(std::uint64_t hash);

/// One process has a folder to itself while this lives; the system lets go of it if the process dies.
class folder_lock {
public:
    /// throws bad_input if another process has it, or it can't be written to
    explicit folder_lock(std::filesystem::path const& folder);
    folder_lock(folder_lock const&) = delete;
    folder_lock& operator=(folder_lock const&) = delete;
    ~folder_lock();

private:
    int file_;
};

/// The folder of results: what each experiment found as JSON and .npy, circuits, and manifest.json, which says of which
/// inputs each file is. Every file is written whole or not at all, the manifest last: an experiment that was
/// interrupted is run again, one that has finished is not. What is read must be what was written, by the manifest's
/// hash.
class store {
public:
    /// Makes the folder where there is none.
    /// throws bad_input if that is not possible, or another run has the folder; bad_file for a damaged manifest
    explicit store(std::filesystem::path folder);

    std::filesystem::path const& folder() const { return folder_; }

    /// Whether an experiment's results of these inputs are there, each file as it was written.
    bool has(std::string const& experiment, std::uint64_t inputs) const;
    bool knows(std::string const& experiment) const { return entries_.contains(experiment); }
    /// A hash of all files of an experiment, as they were written. throws bad_input when it has not run
    std::uint64_t hash_of(std::string const& experiment) const;
    /// throws bad_file if there is none, or not the one that the experiment has written
    report::findings found(std::string const& experiment) const;
    double seconds(std::string const& experiment) const;

    /// Files of an experiment that is running.
    void begin(std::string const& experiment);
    void write_circuit(std::string const& name, engraft::circuit const& c);
    /// The experiment has finished: writes its findings, and then the manifest.
    void finish(report::findings const& found, std::uint64_t inputs, double seconds);

    /// throws bad_file if there is none, or not the one that an experiment has written
    engraft::circuit circuit(std::string const& name) const;

    void write(std::string const& file, std::string const& text) const;

private:
    struct entry {
        std::uint64_t inputs = 0;
        double seconds = 0;
        std::map<std::string, std::uint64_t> files; ///< by name inside the folder; a hash of each
    };

    void add_file(entry& e, std::string const& name) const;
    void require_as_written(std::string const& name) const;
    void read_manifest();
    void write_manifest() const;

    std::filesystem::path folder_;
    std::unique_ptr<folder_lock> lock_;
    std::map<std::string, entry> entries_;
    entry running_;
};

} // namespace paper
