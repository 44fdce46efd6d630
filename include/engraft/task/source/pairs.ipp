#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/core/token.hpp>
#include <engraft/intervene/where.hpp>
#include <engraft/io/byte_range.hpp>
#include <engraft/io/pair_row.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/tokenizer.hpp>
#include <engraft/run/batch.hpp>
#include <engraft/task/pairs.hpp>

namespace engraft {

namespace detail {

/// A prompt that is being aligned: which = "clean" or "corrupted", for messages.
struct aligned_prompt {
    std::string_view which;
    std::string text; ///< empty if the row gives tokens
    encoding encoded;
};

inline aligned_prompt align(tokenizer const& t, pair_row::prompt const& prompt, std::string_view which) {
    if (auto const* text = std::get_if<std::string>(&prompt)) {
        aligned_prompt made{which, *text, t.encode_with_offsets(*text)};
        if (made.encoded.tokens.empty())
            throw bad_input({"the ", which, " prompt becomes no token"});
        return made;
    }
    auto const& tokens = std::get<std::vector<token>>(prompt);
    for (auto const id : tokens)
        if (!t.contains(id))
            throw bad_input({"the ", which, " prompt has the token ", id, ", which this vocabulary of ", t.size(),
                             " does not have"});
    return {which, "", {tokens, {}}};
}

/// A letter, a digit, '_', or a part of any character beyond ASCII.
inline bool in_word(char c) {
    auto const lower = static_cast<char>(c | 0x20);
    return static_cast<signed char>(c) < 0 || (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z') || c == '_';
}

/// Whether a text that stands at `at` is not a part of a longer word.
inline bool is_own_word(std::string_view all, std::size_t at, std::string_view text) {
    auto const end = at + text.size();
    return !(at > 0 && in_word(all[at - 1]) && in_word(text.front())) &&
           !(end < all.size() && in_word(all[end]) && in_word(text.back()));
}

/// Where a text stands in another, as words of its own or, if it never does, inside words.
inline std::vector<std::size_t> occurrences(std::string_view all, std::string_view text) {
    std::vector<std::size_t> own, any;
    for (auto at = all.find(text); at != all.npos; at = all.find(text, at + text.size())) {
        any.push_back(at);
        if (is_own_word(all, at, text))
            own.push_back(at);
    }
    return own.empty() ? any : own;
}

/// The bytes of a prompt at which a place's text stands. throws bad_input when it does not
inline byte_range bytes_of(aligned_prompt const& prompt, said_place const& place) {
    auto const shown = printable(place.text, 60);
    if (prompt.text.empty())
        throw bad_input({"the ", prompt.which, " prompt is given as tokens, in which the text '", shown,
                         "' can't be found; give the role's position"});
    auto const all = occurrences(prompt.text, place.text);
    if (all.size() < place.occurrence)
        throw bad_input({"the ", prompt.which, " prompt has '", shown, "' ", all.size(),
                         all.size() == 1 ? " time" : " times", ", and occurrence ", place.occurrence, " is asked for"});
    return {all[place.occurrence - 1], all[place.occurrence - 1] + place.text.size()};
}

/// The token of a place. throws bad_input when the prompt has no such place
inline long position_of(aligned_prompt const& prompt, said_place const& place) {
    auto const count = static_cast<long>(prompt.encoded.tokens.size());
    if (place.position) {
        auto const at = *place.position < 0 ? *place.position + count : *place.position;
        if (at < 0 || at >= count)
            throw bad_input({"the ", prompt.which, " prompt has ", count, " tokens, and position ", *place.position,
                             " is not one of them"});
        return at;
    }
    auto const wanted = bytes_of(prompt, place);
    auto const& bytes = prompt.encoded.bytes;
    std::optional<std::size_t> found;
    for (std::size_t i = 0; i < bytes.size() && !(found && place.first_token); ++i)
        if (!bytes[i].empty() && bytes[i].begin < wanted.end && bytes[i].end > wanted.begin)
            found = i;
    if (!found)
        throw bad_input(
            {"no token of the ", prompt.which, " prompt has anything of '", printable(place.text, 60), "'"});
    for (auto b = bytes[*found].begin; b < bytes[*found].end; ++b)
        if ((b < wanted.begin || b >= wanted.end) && in_word(prompt.text[b]))
            throw bad_input(
                {"'", printable(place.text, 60), "' is only a part of the token '",
                 printable(
                     std::string_view(prompt.text).substr(bytes[*found].begin, bytes[*found].end - bytes[*found].begin),
                     60),
                 "' of the ", prompt.which, " prompt"});
    return static_cast<long>(*found);
}

/// The tokens that a text becomes behind another; nothing if that changes the other's tokens.
inline std::optional<std::vector<token>> tokens_behind(tokenizer const& t, std::string const& before,
                                                       std::vector<token> const& tokens_before,
                                                       std::string const& text) {
    auto all = t.encode(before + text, false);
    if (all.size() < tokens_before.size() || !std::equal(tokens_before.begin(), tokens_before.end(), all.begin()))
        return std::nullopt;
    all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(tokens_before.size()));
    return all;
}

/// The tokens of answers to a prompt. which = "answer" or "wrong answer", for messages
inline std::vector<token> tokens_of(tokenizer const& t, std::string const& prompt,
                                    std::vector<pair_row::answer> const& answers, bool first_token,
                                    std::string_view which) {
    auto const before = prompt.empty() ? std::vector<token>() : t.encode(prompt, false);
    std::vector<token> all;
    for (auto const& answer : answers) {
        if (auto const* id = std::get_if<token>(&answer)) {
            if (!t.contains(*id))
                throw bad_input(
                    {"the ", which, " has the token ", *id, ", which this vocabulary of ", t.size(), " does not have"});
            all.push_back(*id);
            continue;
        }
        auto const& text = std::get<std::string>(answer);
        auto const alone = t.encode(text, false);
        auto const behind = prompt.empty() ? std::nullopt : tokens_behind(t, prompt, before, text);
        auto const& tokens =
            behind && (behind->size() == 1 || (alone.size() != 1 && !behind->empty())) ? *behind : alone;
        if (tokens.empty() || (tokens.size() > 1 && !first_token))
            throw bad_input({"the ", which, " '", printable(text, 60), "' is ", tokens.size(),
                             " tokens instead of one; choose another, or set \"first_token\": true to take the first"});
        all.push_back(tokens[0]);
    }
    return all;
}

inline void require_different(tokenizer const& t, prompt_pair const& pair) {
    for (auto const id : pair.answers)
        if (std::ranges::find(pair.wrong, id) != pair.wrong.end())
            throw bad_input({"the token ", id, " ('", printable(t.decode(std::span(&id, 1)), 40),
                             "') is both an answer and a wrong answer"});
}

/// As they stand in the clean prompt, whatever the order of a file's keys.
inline void put_in_order(std::vector<role_place>& roles) {
    std::ranges::sort(roles, {}, [](role_place const& r) { return std::tie(r.clean, r.name); });
}

/// Where a role stands in the corrupted prompt.
inline long corrupted_position(said_role const& role, long clean_position, aligned_prompt const& clean,
                               aligned_prompt const& corrupted) {
    if (role.corrupted)
        return position_of(corrupted, *role.corrupted);
    auto const size = clean.encoded.tokens.size(), other = corrupted.encoded.tokens.size();
    if (size == other)
        return clean_position;
    if (role.clean.position && *role.clean.position < 0)
        return position_of(corrupted, role.clean);
    throw bad_input({"the prompts have ", size, " and ", other,
                     " tokens, so that the role must say with \"corrupted\" where it is in the corrupted one"});
}

} // namespace detail

ENGRAFT_BODY prompt_pair encode_pair(tokenizer const& t, pair_row const& row) {
    auto const clean = detail::align(t, row.clean, "clean"), corrupted = detail::align(t, row.corrupted, "corrupted");
    prompt_pair pair{clean.encoded.tokens,
                     corrupted.encoded.tokens,
                     detail::tokens_of(t, clean.text, row.answers, row.first_token, "answer"),
                     detail::tokens_of(t, clean.text, row.wrong, row.first_token, "wrong answer"),
                     {}};
    detail::require_different(t, pair);
    if (row.roles.empty() && pair.clean.size() != pair.corrupted.size())
        throw bad_input({"the prompts have ", pair.clean.size(), " and ", pair.corrupted.size(),
                         " tokens, so that roles must say which tokens correspond"});
    for (auto const& role : row.roles)
        try {
            auto const at = detail::position_of(clean, role.clean);
            pair.roles.push_back({role.name, at, detail::corrupted_position(role, at, clean, corrupted)});
        } catch (bad_input const& e) {
            throw bad_input({"role '", detail::printable(role.name, 40), "': ", e.what()});
        }
    detail::put_in_order(pair.roles);
    return pair;
}

namespace detail {

/// One message for all lines that do not fit: the first with what is wrong, the others by their numbers.
[[noreturn]] inline void refuse_lines(std::string const& path, std::vector<bad_line> bad) {
    std::ranges::sort(bad, {}, &bad_line::line);
    std::string text, numbers;
    std::size_t more = 0;
    for (auto const& [line, what] : bad) {
        if (text.size() < 1200)
            text += (text.empty() ? "" : "; ") + what.substr(0, 300);
        else if (numbers.size() < 400)
            numbers += (numbers.empty() ? "; and lines " : ", ") + std::to_string(line);
        else
            ++more;
    }
    if (more > 0)
        numbers += " and " + std::to_string(more) + " more";
    throw bad_file(path, {bad.size(), bad.size() == 1 ? " line does not fit: " : " lines do not fit: ", text, numbers});
}

} // namespace detail

ENGRAFT_BODY prompt_pairs read_pairs(std::filesystem::path const& path, tokenizer const& t) {
    auto said = read_pair_rows(path);
    prompt_pairs all;
    for (auto const& row : said.rows) {
        try {
            all.pairs.push_back(encode_pair(t, row));
        } catch (bad_input const& e) {
            said.bad.push_back({row.line, "line " + std::to_string(row.line) + ": " + e.what()});
        }
    }
    if (!said.bad.empty())
        detail::refuse_lines(path.string(), std::move(said.bad));
    return all;
}

ENGRAFT_BODY void write_pairs(std::filesystem::path const& path, prompt_pairs const& all) {
    std::vector<pair_row> rows;
    for (auto const& pair : all.pairs) {
        pair_row row{.clean = pair.clean, .corrupted = pair.corrupted};
        row.answers.assign(pair.answers.begin(), pair.answers.end());
        row.wrong.assign(pair.wrong.begin(), pair.wrong.end());
        for (auto const& role : pair.roles)
            row.roles.push_back({role.name, {.position = role.clean}, said_place{.position = role.corrupted}});
        rows.push_back(std::move(row));
    }
    write_pair_rows(path, rows);
}

ENGRAFT_BODY role_place const& prompt_pair::role(std::string_view name) const {
    auto const found = std::ranges::find(roles, name, &role_place::name);
    if (found != roles.end())
        return *found;
    std::string names;
    for (auto const& r : roles)
        names += (names.empty() ? "; its roles are " : ", ") + detail::printable(r.name, 40);
    throw bad_input({"a pair of prompts has no role '", detail::printable(name, 40), "'", names});
}

ENGRAFT_BODY batch prompt_pairs::clean() const {
    std::vector<std::vector<token>> prompts;
    for (auto const& pair : pairs)
        prompts.push_back(pair.clean);
    return prompts;
}

ENGRAFT_BODY batch prompt_pairs::corrupted() const {
    std::vector<std::vector<token>> prompts;
    for (auto const& pair : pairs)
        prompts.push_back(pair.corrupted);
    return prompts;
}

namespace detail {

inline std::vector<token> first_of_each(std::vector<prompt_pair> const& pairs, std::vector<token> prompt_pair::*list,
                                        std::string_view what) {
    std::vector<token> all;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        if ((pairs[i].*list).empty())
            throw bad_input({"pair ", i, ", numbered from 0, has no ", what});
        all.push_back((pairs[i].*list)[0]);
    }
    return all;
}

} // namespace detail

ENGRAFT_BODY std::vector<token> prompt_pairs::first_answers() const {
    return detail::first_of_each(pairs, &prompt_pair::answers, "answer");
}
ENGRAFT_BODY std::vector<token> prompt_pairs::first_wrong() const {
    return detail::first_of_each(pairs, &prompt_pair::wrong, "wrong answer");
}

ENGRAFT_BODY engraft::role prompt_pairs::role(std::string_view name) const {
    engraft::role r{std::string(name), {}, {}};
    for (auto const& pair : pairs) {
        auto const& place = pair.role(name);
        r.positions.push_back(place.clean);
        r.source_positions.push_back(place.corrupted);
    }
    return r;
}

ENGRAFT_BODY engraft::role prompt_pairs::corrupted_role(std::string_view name) const {
    auto const r = role(name);
    return {r.name, r.source_positions, {}};
}

} // namespace engraft
