#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include <engraft/core/linkage.hpp>

namespace engraft {

/// The bytes of a file, read-only, without copying them: pages come from the disk when they are first looked at.
/// Moving a mapped file does not move its bytes. As with any mapping, a file that another process cuts short while it
/// is mapped ends the program.
/// throws bad_file when there is no such file, it is not a regular file, it can't be read or it is empty
class mapped_file {
public:
    explicit mapped_file(std::filesystem::path const& path);

    mapped_file(mapped_file&& other) noexcept;
    mapped_file& operator=(mapped_file&& other) noexcept;
    ~mapped_file();

    std::string const& path() const { return path_; }
    std::size_t size() const { return size_; }
    std::span<std::byte const> bytes() const { return {static_cast<std::byte const*>(data_), size_}; }
    /// Lets the system take the memory of some of a mapped file's bytes back; they come from the disk again when they
    /// are looked at again.
    static void release(std::span<std::byte const> part);
    std::string_view text() const { return {static_cast<char const*>(data_), size_}; }

private:
    void map(int descriptor);

    std::string path_;
    void* data_ = nullptr;
    std::size_t size_ = 0;
};

/// Whether a path leads to anything, if only to a link whose file is missing: what reads it says what is wrong.
bool is_there(std::filesystem::path const& path);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/mapped_file.ipp>
#endif
