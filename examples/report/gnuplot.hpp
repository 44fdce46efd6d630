#pragma once

#include <filesystem>
#include <initializer_list>
#include <string>
#include <utility>

#include "figure.hpp"

namespace report {

/// Draws figures with gnuplot, a program of its own, found in PATH.
class gnuplot {
public:
    /// program: its name or path
    explicit gnuplot(std::string program = "gnuplot") : program_(std::move(program)) {}

    /// Whether it can be started.
    bool found() const { return start({program_.c_str(), "--version", nullptr}, "/dev/null") == 0; }

    /// Writes NAME.svg, NAME.png and NAME.gp into the folder: whole drawings, and then the script with a hash of each.
    /// A figure is drawn again if its script has changed, or if a drawing is no longer the one that the script names.
    /// throws bad_input if the figure can't be drawn, with what gnuplot says, or can't be written whole
    void draw(figure const& f, std::filesystem::path const& folder) const;

private:
    /// The exit code; -1 when it can't be started.
    static int start(std::initializer_list<char const*> arguments, char const* messages);

    std::string program_;
};

} // namespace report
