#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <engraft/core/linkage.hpp>
#include <engraft/core/memory.hpp>
#include <engraft/core/view.hpp>
#include <engraft/io/npy.hpp>
#include <engraft/io/safetensors.hpp>
#include <engraft/io/stored_tensor.hpp>

namespace engraft {

/// What a store has of a site: of each row, so many numbers at each of the layers.
struct stored_site {
    std::string name;
    std::vector<int> layers;
    std::vector<std::size_t> shape; ///< of a row: [heads, d_head], or [d_model] and the like

    friend bool operator==(stored_site const&, stored_site const&) = default;
};

/// What manifest.json of a store says.
struct store_manifest {
    /// A file of the store: the rows of some consecutive examples.
    struct shard {
        std::string file;
        std::size_t first_example = 0, examples = 0, rows = 0;
        std::uint64_t hash = 0; ///< of the names and bytes of its tensors

        friend bool operator==(shard const&, shard const&) = default;
    };

    engraft::dtype dtype = dtype::f32; ///< F32, BF16 or F16
    std::uint64_t of = 0;              ///< a hash of the prompts and of what was done with them
    std::vector<stored_site> sites{};
    std::vector<shard> shards{};

    std::size_t examples() const;
    std::size_t rows() const;

    friend bool operator==(store_manifest const&, store_manifest const&) = default;
};

/// One file of a store, memory-mapped: nothing is read before it is looked at. Its tensors are SITE.LAYER, which are
/// [rows, ...], and `tokens`, `examples` and `positions` of the rows.
class store_shard {
public:
    /// throws bad_file if the file does not have what the manifest says
    store_shard(std::filesystem::path const& folder, store_manifest const& manifest, std::size_t number);

    std::size_t rows() const { return rows_; }

    /// What lies in the file. throws bad_input if the store does not have it
    stored_tensor const& tensor(std::string_view site, int layer) const;

    /// A copy as floats. shape [rows, ...]
    array<float> read(std::string_view site, int layer) const;

    /// The file's own memory, to be used no longer than the shard. shape [rows, elements of a row]
    /// throws bad_input unless the store is of F32
    view<float const, host_memory, extents<dynamic, dynamic>> whole(std::string_view site, int layer) const;

    /// Of each row: its token, the example among all of the store, the position in that.
    std::vector<std::int64_t> tokens() const { return labels("tokens"); }
    std::vector<std::int64_t> examples() const { return labels("examples"); }
    std::vector<std::int64_t> positions() const { return labels("positions"); }

    /// The hash that the manifest should have.
    std::uint64_t hash() const;

private:
    std::vector<std::int64_t> labels(std::string_view name) const;

    safetensors_file file_;
    std::size_t rows_ = 0;
};

/// Activations of many prompts on the disk, as `write_store` leaves them: a folder with manifest.json and shards in the
/// safetensors format.
///
///     activation_store const all(folder);
///     for (std::size_t i = 0; i < all.shards(); ++i) {
///         auto const shard = all.shard(i);
///         auto const rows = shard.whole("resid_post", 12);   // [rows, d_model]
///     }
///
/// throws bad_file if there is no manifest, which is written last, or the manifest or a file is not as it should be
class activation_store {
public:
    explicit activation_store(std::filesystem::path folder);

    store_manifest const& manifest() const { return manifest_; }
    std::size_t shards() const { return manifest_.shards.size(); }
    /// throws bad_input when there is no such shard
    store_shard shard(integer number) const;

    /// Reads all bytes. throws bad_file, naming the file, if a hash is another than the manifest's
    void verify() const;

private:
    std::filesystem::path folder_;
    store_manifest manifest_;
};

/// Reads a manifest. throws bad_file for anything but a manifest
store_manifest read_store_manifest(std::filesystem::path const& path);

/// Writes a manifest, whole or not at all. throws bad_input if it can't be written
void write_store_manifest(std::filesystem::path const& path, store_manifest const& manifest);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/store.ipp>
#endif
