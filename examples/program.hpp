#pragma once

// What every example program has: options with --help, one clear sentence and exit code 2 for bad input, a progress
// line on a terminal, and its numbers as JSON. The bodies are in program.cpp, which alone reads CLI11 and the JSON
// library: those take longer to compile than most programs do.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include <unistd.h>

#include <engraft/core/error.hpp>

#include "json.hpp"

namespace CLI {
class App;
class Option;
} // namespace CLI

namespace example {

class stopwatch {
public:
    double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }

private:
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

/// A line on standard error that says how far the work is; only on a terminal and only after two seconds.
class progress {
public:
    explicit progress(std::size_t steps) : steps_(steps) {}
    progress(progress const&) = delete;
    progress& operator=(progress const&) = delete;
    ~progress() { done(); }

    /// Called when a step begins.
    void step(std::string const& what) {
        show(steps_ > 0 ? double(done_) / double(steps_) : 0,
             std::to_string(done_) + "/" + std::to_string(steps_) + " " + what);
        ++done_;
    }

    /// Called with the share of the work that is done, from 0 to 1.
    void at(double share, std::string const& what) {
        show(share, std::to_string(static_cast<int>(100 * share)) + " % " + what);
    }

    /// Takes the line away.
    void done() {
        if (shown_)
            std::fputs("\r\033[K", stderr);
        shown_ = false;
    }

private:
    void show(double share, std::string const& what) {
        if (watch_.seconds() <= 2 || !isatty(STDERR_FILENO))
            return;
        constexpr std::size_t wide = 30;
        auto const full = std::min(static_cast<std::size_t>(wide * share), wide);
        std::fprintf(stderr, "\r\033[K[%s%s] %s", std::string(full, '#').c_str(), std::string(wide - full, '.').c_str(),
                     what.c_str());
        std::fflush(stderr);
        shown_ = true;
    }

    stopwatch watch_;
    std::size_t steps_;
    std::size_t done_ = 0;
    bool shown_ = false;
};

/// The numbers that an option takes: --help names them, and anything else is refused.
template <class T>
struct between {
    T least, most;
};
inline constexpr int most_threads = 1024;
inline constexpr std::size_t most_examples = 1'000'000;
inline constexpr std::uint64_t largest_seed = (std::uint64_t{1} << 53) - 1; ///< every reader of JSON keeps it exactly

/// One option, as `options::add` made it; what it says of it can be joined: add(...).with_default().each_once()
class option {
public:
    explicit option(CLI::Option& o) : option_(&o) {}

    option with_default(); ///< --help shows the value that the variable has now
    option required();
    option expected(int count);
    option expected(int least, int most);
    option delimiter(char between); ///< of several values in one word
    option in_one_word();           ///< the next word is no further value
    option one_of(std::vector<std::string> const& words);
    option each_once(); ///< none of several values is given twice

private:
    CLI::Option* option_;
};

/// The options of a program; --help lists them, and --json FILE is one of every program.
class options {
public:
    options(std::string const& about, std::string const& program);
    ~options();

    /// name: "--name", or "name" for what stands without one. A text must not be empty.
    option add(std::string const& name, std::string& to, std::string const& about);
    option add(std::string const& name, std::vector<std::string>& to, std::string const& about);

    /// A number, or several. T: int, std::size_t or double
    template <class T>
    option add(std::string const& name, T& to, std::type_identity_t<between<T>> within, std::string const& about);
    template <class T>
    option add(std::string const& name, std::vector<T>& to, std::type_identity_t<between<T>> within,
               std::string const& about);

    /// Those that many programs have.
    option threads(int& to) {
        return add("--threads", to, {0, most_threads}, "Threads; 0 means one for each core that may be used")
            .with_default();
    }
    option seed(std::uint64_t& to, std::string const& about, std::string const& name = "--seed") {
        return add(name, to, {0, largest_seed}, about).with_default();
    }
    option examples(std::size_t& to, std::string const& about, std::string const& name = "--examples") {
        return add(name, to, {1, most_examples}, about).with_default();
    }

    /// "!--no-name" sets it to false.
    option flag(std::string const& name, bool& to, std::string const& about);

private:
    friend int run(options&, int, char**, std::function<json()> const&);
    std::unique_ptr<CLI::App> app_;
};

/// The words of a file, for example examples/pair/objects.txt.
/// throws bad_file if it can't be read, is not a regular file, has no words, or has a word twice
std::vector<std::string> words_of(std::string const& file);

/// What a program says if a signal stops it (control-C, kill): "finished scores are kept in FILE; run the same command
/// again to go on". Until this is called it says that nothing is kept.
void keep(std::string const& what);

/// Parses the options and runs `work`, which returns the program's numbers; returns the program's exit code:
/// 0, or 2 for options, files and values that can't be used, and for output that could not be written.
int run(options& all, int argc, char** argv, std::function<json()> const& work);

} // namespace example
