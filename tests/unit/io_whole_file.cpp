// A file that is written whole or not at all, whatever has its names.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catch.hpp"

#include <engraft/core/error.hpp>
#include <engraft/io/whole_file.hpp>

namespace eg = engraft;
namespace fs = std::filesystem;

namespace {

struct place {
    fs::path path = fs::temp_directory_path() / ("engraft-whole-" + std::to_string(::getpid()));
    place() { fs::create_directories(path); }
    ~place() { fs::remove_all(path); }
};

std::string text_of(fs::path const& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::string refusal_of(fs::path const& file) {
    try {
        eg::write_whole_file(file, "new");
    } catch (eg::bad_input const& e) {
        return e.what();
    }
    return "it was written";
}

} // namespace

TEST_CASE("a file is written over an older one, and nothing is left beside it") {
    place const here;
    auto const file = here.path / "a";
    eg::write_whole_file(file, "one");
    std::ofstream(here.path / "a.part") << "left by a program that was killed, and longer";
    eg::write_whole_file(file, "another");
    CHECK(text_of(file) == "another");
    CHECK_FALSE(fs::exists(here.path / "a.part"));
}

TEST_CASE("something other than an ordinary file at NAME.part is left alone and reported") {
    using Catch::Matchers::ContainsSubstring;
    place const here;
    auto const file = here.path / "a", part = here.path / "a.part", other = here.path / "other";
    std::ofstream(file) << "old";
    std::ofstream(other) << "kept";

    REQUIRE(::mkfifo(part.c_str(), 0600) == 0);
    CHECK_THAT(refusal_of(file), ContainsSubstring("a.part is not an ordinary file; remove it"));
    fs::remove(part);
    fs::create_symlink(other, part);
    CHECK_THAT(refusal_of(file), ContainsSubstring("a.part is not an ordinary file; remove it"));
    fs::remove(part);
    fs::create_hard_link(other, part);
    CHECK_THAT(refusal_of(file), ContainsSubstring("a.part is not an ordinary file; remove it"));
    fs::remove(part);
    CHECK(text_of(other) == "kept");

    fs::create_directory(part);
    CHECK_THAT(refusal_of(file), ContainsSubstring("Is a directory"));
    fs::remove(part);
    int const others = ::open(part.c_str(), O_RDWR | O_CREAT, 0600);
    REQUIRE(::flock(others, LOCK_EX) == 0);
    CHECK_THAT(refusal_of(file), ContainsSubstring("another program is writing it"));
    ::close(others);

    CHECK_THAT(refusal_of(here.path / "nowhere" / "a"), ContainsSubstring("is the folder there?"));
    fs::create_directory(here.path / "folder");
    CHECK_THAT(refusal_of(here.path / "folder"), ContainsSubstring("cannot rename"));
    CHECK_FALSE(fs::exists(here.path / "folder.part"));
    CHECK(text_of(file) == "old");
}
