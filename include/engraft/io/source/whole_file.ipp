#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/source/mapped_file.ipp> // system_message
#include <engraft/io/whole_file.hpp>

namespace engraft {

namespace detail {

/// The file X.part, of this process alone until it has become X. Without `finish` it is removed.
class unfinished_file {
public:
    explicit unfinished_file(std::string of) : final_(std::move(of)), path_(final_ + ".part") {
        while (!open())
            ;
        if (::ftruncate(file_, 0) != 0)
            refuse("cannot write ");
    }
    unfinished_file(unfinished_file const&) = delete;
    unfinished_file& operator=(unfinished_file const&) = delete;
    ~unfinished_file() { drop(); }

    void write(std::string_view bytes) {
        while (!bytes.empty()) {
            auto const written = ::write(file_, bytes.data(), bytes.size());
            if (written < 0 && errno == EINTR)
                continue;
            if (written <= 0)
                refuse("cannot write ");
            bytes.remove_prefix(static_cast<std::size_t>(written));
        }
    }

    /// On the disk first, then under its name.
    void finish() {
        if (::fsync(file_) != 0)
            refuse("cannot write ");
        if (std::rename(path_.c_str(), final_.c_str()) != 0)
            refuse("cannot rename " + path_ + " to ");
        ::close(std::exchange(file_, -1));
    }

private:
    /// Whether it is open, locked and still has its name, which another process may have renamed meanwhile.
    bool open() {
        // Neither through a symbolic link, nor waiting for the other end of a pipe.
        file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
        if (file_ < 0 && errno != ELOOP)
            throw bad_input({"cannot write ", final_, ": ", system_message(errno), "; is the folder there?"});
        struct ::stat opened {
        }, named{};
        if (file_ < 0 || ::fstat(file_, &opened) != 0 || !S_ISREG(opened.st_mode) || opened.st_nlink > 1) {
            close();
            throw bad_input({"cannot write ", final_, ": ", path_, " is not an ordinary file; remove it"});
        }
        if (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
            close();
            throw bad_input({"cannot write ", final_, ": another program is writing it"});
        }
        if (::lstat(path_.c_str(), &named) == 0 && named.st_dev == opened.st_dev && named.st_ino == opened.st_ino)
            return true;
        close();
        return false;
    }

    [[noreturn]] void refuse(std::string const& what) {
        auto const reason = system_message(errno);
        drop();
        throw bad_input({what, final_, ": ", reason, "; what was there before is unchanged"});
    }

    void drop() {
        if (file_ >= 0)
            ::unlink(path_.c_str());
        close();
    }

    void close() {
        if (file_ >= 0)
            ::close(std::exchange(file_, -1));
    }

    std::string final_, path_;
    int file_ = -1;
};

} // namespace detail

ENGRAFT_BODY void write_whole_file(std::filesystem::path const& path, std::string_view bytes) {
    detail::unfinished_file file(path.string());
    file.write(bytes);
    file.finish();
}

} // namespace engraft
