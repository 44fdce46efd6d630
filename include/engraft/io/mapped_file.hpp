#pragma once

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <engraft/core/error.hpp>

namespace engraft {

/// The bytes of a file, read-only, without copying them: pages come from the disk when they are first looked at.
/// Moving a mapped file does not move its bytes. As with any mapping, a file that another process cuts short while it
/// is mapped ends the program.
/// throws bad_file when there is no such file, it is not a regular file, it can't be read or it is empty
class mapped_file {
public:
    explicit mapped_file(std::filesystem::path const& path) : path_(path.string()) {
        // Without O_NONBLOCK, opening a pipe that nobody writes to waits for ever.
        int const descriptor = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (descriptor < 0) {
            int const reason = errno;
            if (reason == ENOENT || reason == ENOTDIR)
                throw bad_file(path_, "there is no such file");
            throw bad_file(path_, {"the file can't be opened: ", message(reason)});
        }
        try {
            map(descriptor);
        } catch (...) {
            ::close(descriptor);
            throw;
        }
        ::close(descriptor);
    }

    mapped_file(mapped_file&& other) noexcept
        : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)),
          size_(std::exchange(other.size_, 0)) {}
    mapped_file& operator=(mapped_file&& other) noexcept {
        std::swap(path_, other.path_);
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~mapped_file() {
        if (data_)
            ::munmap(data_, size_);
    }

    std::string const& path() const { return path_; }
    std::size_t size() const { return size_; }
    std::span<std::byte const> bytes() const { return {static_cast<std::byte const*>(data_), size_}; }
    std::string_view text() const { return {static_cast<char const*>(data_), size_}; }

private:
    static std::string message(int reason) { return std::generic_category().message(reason); }

    void map(int descriptor) {
        struct ::stat facts {};
        if (::fstat(descriptor, &facts) != 0)
            throw bad_file(path_, {"the file can't be examined: ", message(errno)});
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
            throw bad_file(path_, {"the file can't be mapped into memory: ", message(errno)});
        data_ = data;
        size_ = size;
    }

    std::string path_;
    void* data_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace engraft
