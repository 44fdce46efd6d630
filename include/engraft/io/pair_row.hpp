#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <engraft/core/linkage.hpp>
#include <engraft/core/token.hpp>

namespace engraft {

/// Where a role stands in a prompt, as a file says it: at a token position, or at the first or last token of a text.
struct said_place {
    std::optional<long> position{}; ///< from the end when negative; if it is there, the rest is not used
    std::string text{};
    std::size_t occurrence = 1; ///< of the text, from 1
    bool first_token = false;   ///< of the text's tokens; otherwise the last
};

struct said_role {
    std::string name;
    said_place clean;
    std::optional<said_place> corrupted{}; ///< otherwise at the same position, if both prompts have as many tokens
};

/// A pair of prompts as a file says it, before a tokenizer has seen it.
struct pair_row {
    using prompt = std::variant<std::string, std::vector<token>>;
    using answer = std::variant<std::string, token>;

    std::size_t line = 0; ///< of the file, from 1
    prompt clean, corrupted;
    std::vector<answer> answers{}, wrong{};
    bool first_token = false; ///< an answer of several tokens stands for the first of them
    std::vector<said_role> roles{};
};

/// What is wrong with a line, as a sentence that names the line.
struct bad_line {
    std::size_t line;
    std::string what;
};

struct pair_rows {
    std::vector<pair_row> rows;
    std::vector<bad_line> bad;
};

/// Reads pairs of prompts (docs/how_to/tasks.md): a JSON object a line or, from a file whose name ends in .csv, a
/// record of CSV (RFC 4180) whose header has the names of the JSON's keys. Empty lines are skipped. Lines that are not
/// such a pair are in `bad`. throws bad_file when the file can't be read, has no pair, or its CSV header is wrong
pair_rows read_pair_rows(std::filesystem::path const& path);

/// Writes rows as JSON, one a line; all of them or, on an error, nothing.
/// throws bad_input when the file can't be written
void write_pair_rows(std::filesystem::path const& path, std::vector<pair_row> const& rows);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/pair_row.ipp>
#endif
