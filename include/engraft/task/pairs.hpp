#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <engraft/core/linkage.hpp>
#include <engraft/core/token.hpp>
#include <engraft/intervene/where.hpp>
#include <engraft/io/pair_row.hpp>
#include <engraft/io/tokenizer.hpp>
#include <engraft/run/batch.hpp>

namespace engraft {

/// The positions of a role in both prompts of a pair, from the first token on.
struct role_place {
    std::string name;
    long clean = 0, corrupted = 0;

    friend bool operator==(role_place const&, role_place const&) = default;
};

/// A clean prompt, a corrupted one, and what should follow the clean one. The prompts may differ in length: roles say
/// what corresponds.
struct prompt_pair {
    std::vector<token> clean, corrupted;
    std::vector<token> answers;    ///< each is right
    std::vector<token> wrong;      ///< may be empty
    std::vector<role_place> roles; ///< as they stand in the clean prompt

    /// throws bad_input when the pair has no such role
    role_place const& role(std::string_view name) const;

    friend bool operator==(prompt_pair const&, prompt_pair const&) = default;
};

/// Pairs of prompts of one task, from a file or from a generator.
struct prompt_pairs {
    std::vector<prompt_pair> pairs;
    std::vector<std::string> left_out{}; ///< a generator's words that are not one token here

    /// The clean prompts. throws bad_input when there are none
    batch clean() const;
    /// The corrupted prompts; example i belongs to example i of `clean()`. throws bad_input when there are none
    batch corrupted() const;
    /// The first answer of each pair. throws bad_input when a pair has none
    std::vector<token> first_answers() const;
    /// The first wrong answer of each pair. throws bad_input when a pair has none
    std::vector<token> first_wrong() const;
    /// A role in the clean prompts, with its positions in the corrupted ones for policies that take activations from
    /// there. throws bad_input when a pair has no such role
    engraft::role role(std::string_view name) const;
    /// The same in the corrupted prompts. throws as `role`
    engraft::role corrupted_role(std::string_view name) const;
};

/// A pair as a tokenizer sees it. A role's text is looked for among the words of the prompt and, if it is none of them,
/// inside them; it must not end inside a token that has more of the word. An answer is what follows the clean prompt,
/// or the text by itself, whichever is one token.
/// throws bad_input when an answer is not one token (unless `first_token`) or is wrong as well, a role is not where the
///        row says, or the prompts differ in length and a role does not say where it is in the corrupted one
prompt_pair encode_pair(tokenizer const& t, pair_row const& row);

/// The pairs of a file, as `read_pair_rows` reads it.
/// throws bad_file when the file can't be read, and, naming all lines that do not fit, when there are any
prompt_pairs read_pairs(std::filesystem::path const& path, tokenizer const& t);

/// Writes pairs as tokens and positions, so that `read_pairs` makes the same of them with any tokenizer that has these
/// tokens; all of them or, on an error, nothing.
/// throws bad_input when the file can't be written
void write_pairs(std::filesystem::path const& path, prompt_pairs const& all);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/task/source/pairs.ipp>
#endif
