#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <engraft/core/journal.hpp>
#include <engraft/core/linkage.hpp>

namespace engraft {

/// Something that the numbers in a journal depend on, with a hash of it: {"model", hash_of_files(folder)}.
struct journal_input {
    std::string name;
    std::uint64_t hash;

    friend bool operator==(journal_input const&, journal_input const&) = default;
};

/// Whether to go on with what a journal has, or to throw it away.
enum class journal_start { go_on, anew };

/// A journal in a file to which records are only ever appended, each with a checksum. A record that was being written
/// when the program was killed is dropped, and so is everything from the first damaged record on; what is dropped will
/// be computed again. The file says of which inputs its numbers are. One program has it open at a time.
///
/// The bytes "engraft journal 1\n"; then records of three little-endian 64-bit numbers (bytes of content, number of the
/// work, checksum of these two and the content) and the content. The first record has the inputs, as work 0.
///
///     journal_file kept("scores.journal", {{"model", hash_of_files(folder)}, {"prompts", prompts_hash}});
///     sweep(model, clean, table, policy_of, metrics, {.journal = &kept});
class journal_file : public journal {
public:
    /// Opens the file, or begins it where there is none. throws bad_file when it is no journal, can't be read or
    /// written, or another program has it open; bad_input, naming what differs, when its inputs are others and `how` is
    /// go_on
    journal_file(std::filesystem::path const& path, std::vector<journal_input> const& inputs,
                 journal_start how = journal_start::go_on);
    journal_file(journal_file const&) = delete;
    journal_file& operator=(journal_file const&) = delete;
    ~journal_file() override;

    std::vector<std::span<std::byte const>> finished(std::uint64_t work) const override;

    /// throws bad_file when the file can't be written to, as on a full disk
    void add(std::uint64_t work, std::span<std::byte const> record) override;

    /// Records that an earlier program left behind.
    std::size_t found() const { return found_; }
    /// Bytes at the end of the file that were no whole records.
    std::size_t dropped() const { return dropped_; }

private:
    struct entry {
        std::uint64_t work;
        std::vector<std::byte> content;
    };

    void open(journal_start how);
    std::size_t read_all();
    void write(std::span<std::byte const> bytes);

    std::string path_;
    int file_ = -1;
    std::vector<entry> entries_;
    std::size_t found_ = 0, dropped_ = 0;
};

/// A hash of a file's bytes, or of the names and bytes of those files in a folder that a model or an adapter is read
/// from: settings, weights and tokenizer. Other files are not read and do not change the hash.
/// throws bad_file when there is no such file, one can't be read, or a folder has no model and no adapter
std::uint64_t hash_of_files(std::filesystem::path const& path);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/journal_file.ipp>
#endif
