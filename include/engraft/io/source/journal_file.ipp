#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <engraft/core/error.hpp>
#include <engraft/core/hash.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/checkpoint.hpp>
#include <engraft/io/journal_file.hpp>
#include <engraft/io/mapped_file.hpp>
#include <engraft/io/source/mapped_file.ipp> // system_message

namespace engraft {

namespace detail {

inline constexpr std::string_view journal_magic = "engraft journal 1\n";

struct journal_head {
    std::uint64_t size, work, checksum;

    static journal_head of(std::uint64_t work, std::span<std::byte const> content) {
        return {content.size(), work, hasher().add(work).add(content).value()};
    }
};
static_assert(std::endian::native == std::endian::little && sizeof(journal_head) == 24);

/// "name\0" and 8 bytes of the hash, one after the other.
inline std::vector<std::byte> bytes_of(std::vector<journal_input> const& inputs) {
    std::vector<std::byte> bytes;
    auto const append = [&](void const* data, std::size_t size) {
        auto const* first = static_cast<std::byte const*>(data);
        bytes.insert(bytes.end(), first, first + size);
    };
    for (auto const& input : inputs) {
        append(input.name.c_str(), input.name.size() + 1);
        append(&input.hash, sizeof(input.hash));
    }
    return bytes;
}

/// The other way round; what can't be read is left out.
inline std::vector<journal_input> inputs_of(std::span<std::byte const> bytes) {
    std::vector<journal_input> inputs;
    while (!bytes.empty()) {
        auto const end = std::ranges::find(bytes, std::byte{0});
        auto const length = static_cast<std::size_t>(end - bytes.begin());
        if (bytes.size() < length + 1 + sizeof(std::uint64_t))
            break;
        journal_input input{std::string(reinterpret_cast<char const*>(bytes.data()), length), 0};
        std::memcpy(&input.hash, bytes.data() + length + 1, sizeof(input.hash));
        inputs.push_back(std::move(input));
        bytes = bytes.subspan(length + 1 + sizeof(std::uint64_t));
    }
    return inputs;
}

/// The names of what differs: "model, prompts".
inline std::string differing(std::vector<journal_input> const& before, std::vector<journal_input> const& now) {
    std::string names;
    for (auto const& input : now)
        if (std::ranges::find(before, input) == before.end())
            names += (names.empty() ? "" : ", ") + input.name;
    return names.empty() ? "list of inputs" : names;
}

/// The files that a model or an adapter in a folder is read from, sorted. throws bad_file when there are none
inline std::vector<std::filesystem::path> files_read_in(std::filesystem::path const& folder) {
    std::set<std::filesystem::path> files;
    auto const add = [&](std::string_view name) {
        auto const file = folder / name;
        return is_there(file) && files.insert(file).second;
    };
    bool const has_whole = add("model.safetensors"), has_index = add("model.safetensors.index.json");
    if (has_whole || has_index)
        for (auto const& file : checkpoint(folder).files())
            files.insert(file);
    for (auto const* name : {"adapter_config.json", "adapter_model.safetensors", "config.json", "tokenizer.json"})
        add(name);
    if (add("tokenizer_config.json")) // and what is read beside it
        for (auto const* name : {"added_tokens.json", "special_tokens_map.json"})
            add(name);
    if (files.empty())
        throw bad_file(folder.string(), "neither a model nor an adapter is in this folder");
    return {files.begin(), files.end()};
}

} // namespace detail

ENGRAFT_BODY journal_file::journal_file(std::filesystem::path const& path, std::vector<journal_input> const& inputs,
                                        journal_start how)
    : path_(path.string()) {
    try {
        open(how);
        auto const whole = read_all();
        if (::ftruncate(file_, static_cast<off_t>(whole)) != 0 || ::lseek(file_, 0, SEEK_END) < 0)
            throw bad_file(path_, {"the journal can't be written to: ", detail::system_message(errno)});
        if (whole == 0)
            write(std::as_bytes(std::span(detail::journal_magic)));
        if (entries_.empty()) {
            add(0, detail::bytes_of(inputs));
        } else if (auto const before = detail::inputs_of(entries_.front().content); before != inputs) {
            throw bad_input({path_, ": these numbers were begun with another ", detail::differing(before, inputs),
                             "; go on with the same, name another file, or start anew"});
        }
        found_ = std::max<std::size_t>(found_, 1) - 1; // the inputs are no work
    } catch (...) {
        if (file_ >= 0)
            ::close(file_);
        throw;
    }
}

ENGRAFT_BODY journal_file::~journal_file() { ::close(file_); }

ENGRAFT_BODY void journal_file::open(journal_start how) {
    file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    if (file_ < 0)
        throw bad_file(path_, {"the journal can't be opened: ", detail::system_message(errno)});
    struct ::stat about {};
    if (::fstat(file_, &about) != 0 || !S_ISREG(about.st_mode))
        throw bad_file(path_, "a journal must be an ordinary file");
    if (::flock(file_, LOCK_EX | LOCK_NB) != 0)
        throw bad_file(path_, "another program has this journal open");
    if (how == journal_start::anew && ::ftruncate(file_, 0) != 0)
        throw bad_file(path_, {"the journal can't be written to: ", detail::system_message(errno)});
}

/// Reads all whole records. Returns where the last one ends. The file is mapped, so that only what it proves to hold
/// takes memory, whatever size it has.
ENGRAFT_BODY std::size_t journal_file::read_all() {
    struct ::stat about {};
    if (::fstat(file_, &about) != 0)
        throw bad_file(path_, {"the journal can't be read: ", detail::system_message(errno)});
    if (about.st_size == 0)
        return 0;
    mapped_file const file(path_);
    auto const all = file.bytes();
    auto const magic = detail::journal_magic;
    if (!magic.starts_with(file.text().substr(0, magic.size())))
        throw bad_file(path_, "this file is no journal of engraft's; it is left as it is");
    if (all.size() < magic.size()) {
        dropped_ = all.size();
        return 0;
    }
    std::size_t at = magic.size();
    while (all.size() - at >= sizeof(detail::journal_head)) {
        detail::journal_head head{};
        std::memcpy(&head, all.data() + at, sizeof(head));
        auto const rest = all.subspan(at + sizeof(head));
        if (head.size > rest.size())
            break;
        auto const content = rest.first(static_cast<std::size_t>(head.size));
        if (detail::journal_head::of(head.work, content).checksum != head.checksum)
            break;
        entries_.push_back({head.work, {content.begin(), content.end()}});
        at += sizeof(head) + content.size();
    }
    found_ = entries_.size();
    dropped_ = all.size() - at;
    return at;
}

ENGRAFT_BODY std::vector<std::span<std::byte const>> journal_file::finished(std::uint64_t work) const {
    std::vector<std::span<std::byte const>> records;
    for (std::size_t i = 1; i < entries_.size(); ++i)
        if (entries_[i].work == work)
            records.push_back(entries_[i].content);
    return records;
}

ENGRAFT_BODY void journal_file::add(std::uint64_t work, std::span<std::byte const> record) {
    auto const head = detail::journal_head::of(work, record);
    std::vector<std::byte> bytes(sizeof(head) + record.size());
    std::memcpy(bytes.data(), &head, sizeof(head));
    std::ranges::copy(record, bytes.begin() + sizeof(head));
    write(bytes);
    if (::fdatasync(file_) != 0)
        throw bad_file(path_, {"the journal can't be written to: ", detail::system_message(errno)});
    entries_.push_back({work, {record.begin(), record.end()}});
}

ENGRAFT_BODY void journal_file::write(std::span<std::byte const> bytes) {
    while (!bytes.empty()) {
        auto const written = ::write(file_, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            throw bad_file(path_, {"the journal can't be written to: ", detail::system_message(errno)});
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
}

ENGRAFT_BODY std::uint64_t hash_of_files(std::filesystem::path const& path) {
    std::error_code failed;
    hasher h;
    if (!std::filesystem::is_directory(path, failed))
        return h.add(mapped_file(path).bytes()).value();
    for (auto const& file : detail::files_read_in(path))
        h.add(file.filename().string()).add(mapped_file(file).bytes());
    return h.value();
}

} // namespace engraft
