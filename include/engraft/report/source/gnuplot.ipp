#pragma once

#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <spawn.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/report/figure.hpp>
#include <engraft/report/gnuplot.hpp>

namespace engraft::report {

ENGRAFT_BODY void gnuplot::draw(figure const& f, std::filesystem::path const& folder) const {
    auto const script = gnuplot_script(f);
    auto const file = folder / (f.name + ".gp"), svg = folder / (f.name + ".svg"), png = folder / (f.name + ".png");
    if (whole(file) == script && std::filesystem::exists(svg) && std::filesystem::exists(png))
        return;
    std::filesystem::remove(file); // it stands for finished drawings
    auto const unfinished = folder / (f.name + ".gp.part"), messages = folder / (f.name + ".log");
    std::ofstream(unfinished, std::ios::binary) << script;
    auto const go_there = "cd " + quoted_path(folder), name = f.name + ".gp.part";
    int const code = start({program_.c_str(), "-e", go_there.c_str(), name.c_str(), nullptr}, messages.c_str());
    auto const said = whole(messages);
    std::filesystem::remove(messages);
    if (code != 0 || !std::filesystem::exists(svg) || !std::filesystem::exists(png))
        throw bad_input(
            {"gnuplot could not draw ", svg.string(), ": ", said.empty() ? "it said nothing" : said.substr(0, 300)});
    std::filesystem::rename(unfinished, file);
}

ENGRAFT_BODY std::string gnuplot::quoted_path(std::filesystem::path const& path) {
    std::string q = "'";
    for (char const c : path.string())
        q += c == '\'' ? std::string("''") : std::string(1, c);
    return q + "'";
}

ENGRAFT_BODY int gnuplot::start(std::initializer_list<char const*> arguments, char const* messages) {
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

} // namespace engraft::report
