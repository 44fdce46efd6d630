#pragma once

// What every example program has: options with --help, one clear sentence and exit code 2 for bad input, a progress
// line on a terminal, and its numbers as JSON.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <engraft/core/error.hpp>

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
    explicit progress(int steps) : steps_(steps) {}
    progress(progress const&) = delete;
    progress& operator=(progress const&) = delete;
    ~progress() { done(); }

    /// Called when a step begins.
    void step(std::string const& what) {
        show(steps_ > 0 ? double(done_) / steps_ : 0,
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
    int steps_;
    int done_ = 0;
    bool shown_ = false;
};

/// The words of a file, such as examples/pair/objects.txt. throws bad_file when it can't be read or has none
inline std::vector<std::string> words_of(std::string const& file) {
    std::ifstream in(file);
    if (!in)
        throw engraft::bad_file(file, "can't be opened");
    std::vector<std::string> words;
    for (std::string word; in >> word;)
        words.push_back(word);
    if (words.empty())
        throw engraft::bad_file(file, "there are no words in it");
    return words;
}

/// Writes all of the numbers or none: a program that is stopped leaves an older file as it was.
inline void write_json(std::string const& file, nlohmann::ordered_json const& numbers) {
    auto const unfinished = file + ".part";
    {
        std::ofstream out(unfinished);
        out << numbers.dump(2) << '\n';
        out.flush();
        if (!out)
            throw engraft::bad_input("cannot write " + unfinished + "; is the folder there, and is there space?");
    }
    std::error_code failed;
    std::filesystem::rename(unfinished, file, failed);
    if (failed)
        throw engraft::bad_input("cannot rename " + unfinished + " to " + file + ": " + failed.message());
}

/// Parses the options and runs `work`, which returns the program's numbers; returns the program's exit code:
/// 0, or 2 for options, files and values that can't be used.
template <class Work>
int run(CLI::App& app, int argc, char** argv, Work const& work) {
    std::string json_file;
    app.add_option("--json", json_file, "Write the numbers to this file as JSON");
    app.failure_message(
        [](CLI::App const*, CLI::Error const& e) { return std::string(e.what()) + "; --help lists the options\n"; });
    try {
        app.parse(argc, argv);
    } catch (CLI::ParseError const& e) {
        return app.exit(e) == 0 ? 0 : 2;
    }
    try {
        nlohmann::ordered_json const numbers = work();
        if (!json_file.empty())
            write_json(json_file, numbers);
        return 0;
    } catch (engraft::error const& e) {
        std::cerr << app.get_name() << ": " << e.what() << '\n';
    } catch (std::bad_alloc const&) {
        std::cerr << app.get_name() << ": there is not enough memory for this; take fewer examples\n";
    } catch (std::exception const& e) {
        std::cerr << app.get_name() << ": " << e.what() << '\n';
    }
    return 2;
}

} // namespace example
