#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/report/figure.hpp>

extern char** environ;

namespace engraft::report {

/// Draws figures with gnuplot, a program of its own, found in PATH.
class gnuplot {
public:
    /// program: its name or path
    explicit gnuplot(std::string program = "gnuplot") : program_(std::move(program)) {}

    /// Whether it can be started.
    bool found() const { return start({program_.c_str(), "--version", nullptr}, "/dev/null") == 0; }

    /// Writes NAME.gp, NAME.svg and NAME.png into the folder. A figure whose script has not changed is not drawn again.
    /// throws bad_input when gnuplot can't draw it, with what it says
    void draw(figure const& f, std::filesystem::path const& folder) const;

private:
    static std::string quoted_path(std::filesystem::path const& path);

    static std::string whole(std::filesystem::path const& file) {
        std::ifstream in(file, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }

    /// The exit code; -1 when it can't be started.
    static int start(std::initializer_list<char const*> arguments, char const* messages);

    std::string program_;
};

} // namespace engraft::report

#ifndef ENGRAFT_COMPILED
#include <engraft/report/source/gnuplot.ipp>
#endif
