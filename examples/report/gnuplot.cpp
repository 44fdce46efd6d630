#include <algorithm>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "figure.hpp"
#include "gnuplot.hpp"
#include <engraft/core/error.hpp>
#include <engraft/core/hash.hpp>

extern char** environ;

namespace report {

namespace detail {

/// The bytes of an ordinary file; none where there is no such file.
inline std::string bytes_of(std::filesystem::path const& file) {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(file, ignored))
        return {};
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

inline bool is_whole_png(std::string_view png) {
    using namespace std::string_view_literals;
    return png.starts_with("\x89PNG\r\n\x1a\n"sv) && png.ends_with("\0\0\0\0IEND\xae\x42\x60\x82"sv);
}

inline std::string quoted_path(std::filesystem::path const& path) {
    std::string q = "'";
    for (char const c : path.string())
        q += c == '\'' ? std::string("''") : std::string(1, c);
    return q + "'";
}

/// A line behind a script that says which drawings it has made; empty unless both are whole.
inline std::string mark_of(std::filesystem::path const& svg_file, std::filesystem::path const& png_file) {
    auto const svg = bytes_of(svg_file), png = bytes_of(png_file);
    if (!is_whole_svg(svg) || !is_whole_png(png))
        return {};
    return engraft::message(
        {"# drawn: svg ", engraft::hasher().add(svg).value(), ", png ", engraft::hasher().add(png).value(), "\n"});
}

/// A new folder for one drawing, where nobody else's files are; removed with what is left in it.
struct drawing_folder {
    explicit drawing_folder(std::filesystem::path at) : path(std::move(at)) {
        std::error_code failed;
        std::filesystem::remove_all(path, failed); // left by a program that was killed
        if (!std::filesystem::create_directory(path, failed))
            throw engraft::bad_input({"the folder ", path.string(), " can't be made: ", failed.message()});
    }
    drawing_folder(drawing_folder const&) = delete;
    drawing_folder& operator=(drawing_folder const&) = delete;
    ~drawing_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }

    std::filesystem::path const path;
};

inline void write_script(std::filesystem::path const& file, std::string const& text) {
    std::ofstream out(file, std::ios::binary);
    out << text;
    out.close();
    if (!out)
        throw engraft::bad_input({"cannot write ", file.string(), "; is there space?"});
}

inline void move_file(std::filesystem::path const& from, std::filesystem::path const& to) {
    std::error_code failed;
    std::filesystem::rename(from, to, failed);
    if (failed)
        throw engraft::bad_input({"cannot rename ", from.string(), " to ", to.string(), ": ", failed.message()});
}

} // namespace detail

void gnuplot::draw(figure const& f, std::filesystem::path const& folder) const {
    auto const script = gnuplot_script(f);
    auto const gp = f.name + ".gp", svg = f.name + ".svg", png = f.name + ".png";
    if (auto const mark = detail::mark_of(folder / svg, folder / png);
        !mark.empty() && detail::bytes_of(folder / gp) == script + mark)
        return;
    detail::drawing_folder const here(folder / (f.name + ".part"));
    detail::write_script(here.path / gp, script);
    auto const go_there = "cd " + detail::quoted_path(here.path), messages = (here.path / "messages").string();
    int const code = start({program_.c_str(), "-e", go_there.c_str(), gp.c_str(), nullptr}, messages.c_str());
    // gnuplot ends with 0 also if the disk is full and a drawing is cut short.
    auto const mark = detail::mark_of(here.path / svg, here.path / png);
    if (code != 0 || mark.empty()) {
        auto said = detail::bytes_of(messages).substr(0, 300);
        std::ranges::replace_if(
            said, [](unsigned char c) { return c < ' ' || c == 0x7F; }, ' ');
        throw engraft::bad_input({"gnuplot could not draw ", (folder / svg).string(), ": ",
                                  !said.empty() ? said
                                  : code == 0   ? "the drawing is cut short; is there space?"
                                                : "it said nothing"});
    }
    detail::write_script(here.path / gp, script + mark);
    for (auto const& name : {svg, png, gp})
        detail::move_file(here.path / name, folder / name);
}

int gnuplot::start(std::initializer_list<char const*> arguments, char const* messages) {
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, messages, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    pid_t child = 0;
    int const failed =
        posix_spawnp(&child, *arguments.begin(), &files, nullptr, const_cast<char* const*>(arguments.begin()), environ);
    posix_spawn_file_actions_destroy(&files);
    int status = 0;
    if (failed != 0 || waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

} // namespace report
