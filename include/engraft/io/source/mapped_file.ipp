#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define ENGRAFT_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ENGRAFT_ADDRESS_SANITIZER
#endif
#endif
#ifdef ENGRAFT_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/mapped_file.hpp>

namespace engraft {

namespace detail {

inline std::string system_message(int reason) { return std::generic_category().message(reason); }

/// The address sanitizer is told whether what follows a mapped file in its last page may be read: the system has zeros
/// there, so that a read behind the file's end would not be seen.
inline void guard_end([[maybe_unused]] void* data, [[maybe_unused]] std::size_t size, [[maybe_unused]] bool guarded) {
#ifdef ENGRAFT_ADDRESS_SANITIZER
    auto const page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    auto* const end = static_cast<std::byte*>(data) + size;
    if (std::size_t const rest = (page - size % page) % page; guarded)
        ASAN_POISON_MEMORY_REGION(end, rest);
    else
        ASAN_UNPOISON_MEMORY_REGION(end, rest);
#endif
}

} // namespace detail

ENGRAFT_BODY mapped_file::mapped_file(std::filesystem::path const& path) : path_(path.string()) {
    if (path_.find('\0') != path_.npos)
        throw bad_file(path_, "the name has a character with the number 0, which no file's has");
    // Without O_NONBLOCK, opening a pipe that nobody writes to waits for ever.
    int const descriptor = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        int const reason = errno;
        if (reason == ENOENT || reason == ENOTDIR)
            throw bad_file(path_, "there is no such file");
        throw bad_file(path_, {"the file can't be opened: ", detail::system_message(reason)});
    }
    try {
        map(descriptor);
    } catch (...) {
        ::close(descriptor);
        throw;
    }
    ::close(descriptor);
}

ENGRAFT_BODY mapped_file::mapped_file(mapped_file&& other) noexcept
    : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

ENGRAFT_BODY mapped_file& mapped_file::operator=(mapped_file&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

ENGRAFT_BODY mapped_file::~mapped_file() {
    if (!data_)
        return;
    detail::guard_end(data_, size_, false);
    ::munmap(data_, size_);
}

ENGRAFT_BODY void mapped_file::release(std::span<std::byte const> part) {
    static auto const page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    auto const begin = reinterpret_cast<std::uintptr_t>(part.data()) / page * page;
    auto const end = (reinterpret_cast<std::uintptr_t>(part.data()) + part.size() + page - 1) / page * page;
    // Whole pages, their neighbours' bytes included: nobody has written to them, so nothing is lost. A refusal only
    // costs memory.
    if (!part.empty())
        ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

ENGRAFT_BODY void mapped_file::map(int descriptor) {
    struct ::stat facts {};
    if (::fstat(descriptor, &facts) != 0)
        throw bad_file(path_, {"the file can't be examined: ", detail::system_message(errno)});
    if (S_ISDIR(facts.st_mode))
        throw bad_file(path_, "this is a folder, not a file");
    if (!S_ISREG(facts.st_mode))
        throw bad_file(path_, "this is not a regular file");
    if (facts.st_size <= 0)
        throw bad_file(path_, "the file is empty");
    if (static_cast<unsigned long long>(facts.st_size) > std::numeric_limits<std::size_t>::max())
        throw bad_file(path_, "the file is larger than the address space of this program");
    auto const size = static_cast<std::size_t>(facts.st_size);
    void* const data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (data == MAP_FAILED)
        throw bad_file(path_, {"the file can't be mapped into memory: ", detail::system_message(errno)});
    data_ = data;
    size_ = size;
    detail::guard_end(data_, size_, true);
}

ENGRAFT_BODY bool is_there(std::filesystem::path const& path) {
    std::error_code ignored;
    return std::filesystem::exists(std::filesystem::symlink_status(path, ignored));
}

} // namespace engraft

#undef ENGRAFT_ADDRESS_SANITIZER
