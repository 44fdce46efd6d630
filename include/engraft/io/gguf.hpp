#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <engraft/core/linkage.hpp>
#include <engraft/io/mapped_file.hpp>
#include <engraft/io/stored_tensor.hpp>

namespace engraft {

/// What a value of a GGUF file's metadata is, numbered as in the file.
// clang-format off
enum class gguf_type : std::uint32_t {
    u8, i8, u16, i16, u32, i32, f32, boolean, text, array, u64, i64, f64,
};
// clang-format on

/// A value of a GGUF file's metadata as it lies in the file; who makes one has checked that `bytes` holds it whole.
struct gguf_value {
    gguf_type type = gguf_type::u8; ///< of the value, or of each element of an array
    bool is_array = false;
    std::size_t count = 1;
    std::span<std::byte const> bytes;
};

/// A GGUF file, version 2 or 3: "GGUF", the version, how many tensors and how many metadata there are; the metadata,
/// from keys to typed values; the tensors' names, dimensions, types and offsets; then their bytes, each tensor at a
/// multiple of the alignment. The whole of it is checked when the file is opened, so that nothing that it says needs
/// to be doubted afterwards; what its metadata mean is for those who ask for them.
/// source  docs/gguf.md in the ggml project
/// throws  bad_file, saying where in the file and what is wrong there; types of tensors that are not read by name
class gguf_file {
public:
    explicit gguf_file(std::filesystem::path const& path);

    std::string const& path() const { return file_.path(); }
    mapped_file const& file() const { return file_; }

    /// The tensors by name, [out, in] as elsewhere. Their bytes live as long as this object, wherever it is moved.
    std::map<std::string, stored_tensor, std::less<>> const& tensors() const { return tensors_; }
    std::map<std::string, gguf_value, std::less<>> const& metadata() const { return metadata_; }

    /// A value of the metadata. Texts are valid UTF-8.
    /// throws bad_file when there is none of that key, or it is of another kind or outside the bounds
    bool contains(std::string_view key) const { return metadata_.find(key) != metadata_.end(); }
    std::int64_t whole(std::string_view key, std::int64_t least, std::int64_t most) const;
    double number(std::string_view key) const; ///< what is stored as float comes as the shortest decimal that is it
    bool flag(std::string_view key) const;
    std::string text(std::string_view key) const;
    std::vector<std::string> texts(std::string_view key) const;
    std::vector<double> numbers(std::string_view key) const;

    std::int64_t whole_or(std::string_view key, std::int64_t otherwise, std::int64_t least, std::int64_t most) const {
        return contains(key) ? whole(key, least, most) : otherwise;
    }
    double number_or(std::string_view key, double otherwise) const { return contains(key) ? number(key) : otherwise; }
    bool flag_or(std::string_view key, bool otherwise) const { return contains(key) ? flag(key) : otherwise; }
    std::string text_or(std::string_view key, std::string const& otherwise) const {
        return contains(key) ? text(key) : otherwise;
    }

    /// A value as messages show it.
    std::string shown(std::string_view key) const;

private:
    gguf_value const& require(std::string_view key) const;
    [[noreturn]] void wrong_kind(std::string_view key, std::string_view expected) const;

    mapped_file file_;
    std::map<std::string, stored_tensor, std::less<>> tensors_;
    std::map<std::string, gguf_value, std::less<>> metadata_;
};

/// Whether a path is a file that begins like a GGUF file or is named like one; a folder or nothing is not.
bool is_gguf(std::filesystem::path const& path);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/gguf.ipp>
#endif
