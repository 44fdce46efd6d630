#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <engraft/core/linkage.hpp>
#include <engraft/io/store.hpp>

namespace engraft {

/// Writes a store shard by shard. A shard appears under its name when it is whole and on the disk, and manifest.json is
/// written last; a program that was killed finds the shards that are there and goes on behind them.
/// Example numbers and rows of a shard are those that were added since the one before.
class store_writer {
public:
    /// made: what the manifest will say, without shards. The folder is made if it is not there.
    /// throws bad_input [store.other] if the folder has a store or shards of something else
    store_writer(std::filesystem::path folder, store_manifest made);

    /// Examples in shards that are whole.
    std::size_t finished_examples() const { return manifest_.examples(); }
    std::size_t finished_shards() const { return manifest_.shards.size(); }
    /// Whether manifest.json is there: nothing is left to do.
    bool finished() const { return finished_; }

    /// Adds labels of rows to the shard that is being made.
    void add_labels(std::span<std::int64_t const> tokens, std::span<std::int64_t const> examples,
                    std::span<std::int64_t const> positions);
    /// Adds rows of a site and layer to it. throws bad_input [store.range] for a number that F16 can't hold
    template <std::floating_point T>
    void add(std::string_view site, int layer, std::span<T const> values);

    /// Writes the shard with so many examples. throws bad_input if a tensor has another number of rows than the labels
    void write_shard(std::size_t examples);

    /// Writes the manifest.
    void finish();

private:
    std::string& bytes_of(std::string_view name);
    void add_whole_shards();

    std::filesystem::path folder_;
    store_manifest manifest_;
    bool finished_ = false;
    std::vector<std::pair<std::string, std::string>> tensors_; ///< names and bytes, in the order of the file
};

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/store_writer.ipp>
#endif
