#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/json.hpp>
#include <engraft/io/mapped_file.hpp>
#include <engraft/io/pair_row.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/source/csv.ipp>
#include <engraft/io/whole_file.hpp>

namespace engraft {

namespace detail {

inline constexpr std::size_t most_pairs = 1'000'000;

inline token as_token(nlohmann::json const& value, std::string_view name, std::string const& where) {
    return static_cast<token>(as_int(value, name, where, 0, std::numeric_limits<token>::max()));
}

inline pair_row::prompt prompt_of(nlohmann::json const& row, std::string_view key, std::string const& where) {
    auto const& value = require_value(row, key, where);
    if (value.is_string() && !value.get_ref<std::string const&>().empty())
        return value.get_ref<std::string const&>();
    if (!value.is_array() || value.empty())
        throw bad_file(where, {"'", key, "' must be a text or a list of tokens, and not empty"});
    std::vector<token> tokens;
    for (auto const& t : as_array(value, key, where))
        tokens.push_back(as_token(t, key, where));
    return tokens;
}

/// The value of a key as one answer or a list of them.
inline std::vector<pair_row::answer> answers_of(nlohmann::json const& value, std::string_view key,
                                                std::string const& where) {
    auto const one = [&](nlohmann::json const& answer) -> pair_row::answer {
        if (answer.is_number())
            return as_token(answer, key, where);
        if (!answer.is_string() || answer.get_ref<std::string const&>().empty())
            throw bad_file(where,
                           {"'", key, "' must be a text or a token, or a list of these, none of them empty; found ",
                            shown(answer)});
        return answer.get_ref<std::string const&>();
    };
    std::vector<pair_row::answer> all;
    if (!value.is_array())
        all.push_back(one(value));
    else
        for (auto const& answer : as_array(value, key, where))
            all.push_back(one(answer));
    return all;
}

/// `otherwise` says which token is meant if the place does not.
inline said_place place_of(nlohmann::json const& value, std::string const& where, bool first_otherwise,
                           bool of_corrupted) {
    as_object(value, "a role", where);
    auto const* position = find_value(value, "position", where);
    auto const* text = find_value(value, "text", where);
    if (!position == !text)
        throw bad_file(where, "a role must have either \"text\" or \"position\"");
    said_place place;
    if (position) {
        of_corrupted ? require_only(value, {"position"}, where) : require_only(value, {"position", "corrupted"}, where);
        place.position = static_cast<long>(as_int(*position, "position", where, -(1 << 30), 1 << 30));
        return place;
    }
    of_corrupted ? require_only(value, {"text", "occurrence", "token"}, where)
                 : require_only(value, {"text", "occurrence", "token", "corrupted"}, where);
    place.text = as_string(*text, "text", where);
    if (place.text.empty())
        throw bad_file(where, "a role's text is empty");
    if (find_value(value, "occurrence", where))
        place.occurrence = static_cast<std::size_t>(require_int(value, "occurrence", where, 1, 1 << 30));
    auto const which = string_or(value, "token", where, first_otherwise ? "first" : "last");
    if (which != "first" && which != "last")
        throw bad_file(where, {"'token' must be \"first\" or \"last\", not \"", printable(which, 40), "\""});
    place.first_token = which == "first";
    return place;
}

inline pair_row row_of(nlohmann::json const& object, std::size_t line, std::string const& where) {
    require_only(object, {"clean", "corrupted", "answer", "wrong", "first_token", "roles"}, where);
    pair_row row;
    row.line = line;
    row.clean = prompt_of(object, "clean", where);
    row.corrupted = prompt_of(object, "corrupted", where);
    row.answers = answers_of(require_value(object, "answer", where), "answer", where);
    if (row.answers.empty())
        throw bad_file(where, "'answer' must have at least one answer");
    if (auto const* wrong = find_value(object, "wrong", where))
        row.wrong = answers_of(*wrong, "wrong", where);
    row.first_token = bool_or(object, "first_token", where, false);
    if (auto const* roles = find_value(object, "roles", where))
        for (auto const& [name, value] : as_object(*roles, "roles", where)) {
            require_name(name, "a role's name", where);
            auto const here = where + ", role '" + printable(name, 40) + "'";
            said_role role{name, place_of(value, here, false, false)};
            if (auto const* other = find_value(value, "corrupted", here))
                role.corrupted = place_of(*other, here + ", corrupted", role.clean.first_token, true);
            row.roles.push_back(std::move(role));
        }
    return row;
}

/// Reads one row, or keeps what is wrong with it. `object(where)` is the row's JSON.
template <class Object>
void add_row(pair_rows& found, std::size_t line, Object const& object) {
    if (found.rows.size() + found.bad.size() == most_pairs)
        throw bad_input({"more than ", most_pairs, " pairs of prompts are not read"});
    auto const where = "line " + std::to_string(line);
    try {
        found.rows.push_back(row_of(object(where), line, where));
    } catch (bad_file const& e) {
        std::string what = e.what();
        constexpr std::string_view inside = "at line 1, column"; // of the line
        if (auto const at = what.find(inside); at != what.npos)
            what.replace(at, inside.size(), "at column");
        found.bad.push_back({line, what});
    }
}

inline bool is_blank(std::string_view line) { return line.find_first_not_of(" \t\r") == line.npos; }

inline pair_rows rows_of_json_lines(std::string_view text) {
    pair_rows found;
    for (std::size_t line = 1; !text.empty(); ++line) {
        auto const end = std::min(text.find('\n'), text.size());
        auto const here = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (!is_blank(here))
            add_row(found, line,
                    [&](std::string const& where) { return parse_json(here, where, nullptr, settings_size_limit); });
    }
    return found;
}

/// A cell as the JSON value that it stands for.
inline nlohmann::json value_of_cell(std::string const& key, std::string const& cell, std::string const& where) {
    bool const is_list = cell.starts_with('[') && cell.ends_with(']') && cell.size() > 2;
    if (key == "roles" || (is_list && (key == "answer" || key == "wrong")))
        return parse_json(cell, where + ", " + key, nullptr, settings_size_limit);
    if (key != "first_token")
        return cell;
    if (cell != "true" && cell != "false")
        throw bad_file(where, {"'first_token' must be true or false, not '", printable(cell, 40), "'"});
    return cell == "true";
}

inline pair_rows rows_of_csv(std::string_view text, std::string const& path) {
    csv_reader reader(text);
    auto const header = reader.next();
    if (!header.fault.empty())
        throw bad_file(path, {"the header on line 1 can't be read: ", header.fault});
    nlohmann::json names = nlohmann::json::object();
    for (auto const& name : header.fields)
        if (!names.emplace(name, true).second)
            throw bad_file(path, {"the header has '", printable(name, 40), "' twice"});
    require_only(names, {"clean", "corrupted", "answer", "wrong", "first_token", "roles"}, path + ": the header");
    for (auto const* name : {"clean", "corrupted", "answer"})
        if (!names.contains(name))
            throw bad_file(path, {"the header has no '", name, "'"});
    pair_rows found;
    while (!reader.at_end()) {
        auto const record = reader.next();
        if (record.fault.empty() && record.fields.size() == 1 && is_blank(record.fields[0]))
            continue;
        add_row(found, record.line, [&](std::string const& where) {
            if (!record.fault.empty())
                throw bad_file(where, record.fault);
            if (record.fields.size() != header.fields.size())
                throw bad_file(
                    where, {"the record has ", record.fields.size(), " fields; the header has ", header.fields.size()});
            nlohmann::json row = nlohmann::json::object();
            for (std::size_t i = 0; i < header.fields.size(); ++i)
                if (!record.fields[i].empty())
                    row[header.fields[i]] = value_of_cell(header.fields[i], record.fields[i], where);
            return row;
        });
    }
    return found;
}

template <class T, class Shown>
std::string list_of(std::vector<T> const& all, Shown const& shown) {
    std::string text = "[";
    for (auto const& one : all)
        text += (text.size() > 1 ? ", " : "") + shown(one);
    return text + "]";
}

inline std::string json_of(pair_row::answer const& answer) {
    auto const* text = std::get_if<std::string>(&answer);
    return text ? detail::quoted(*text) : std::to_string(std::get<token>(answer));
}
inline std::string json_of(pair_row::prompt const& prompt) {
    auto const* text = std::get_if<std::string>(&prompt);
    return text ? detail::quoted(*text)
                : list_of(std::get<std::vector<token>>(prompt), [](token t) { return std::to_string(t); });
}

/// Without the closing brace.
inline std::string json_of(said_place const& place) {
    if (place.position)
        return "{\"position\": " + std::to_string(*place.position);
    return "{\"text\": " + detail::quoted(place.text) + ", \"occurrence\": " + std::to_string(place.occurrence) +
           ", \"token\": \"" + (place.first_token ? "first" : "last") + '"';
}

inline std::string json_of(pair_row const& row) {
    auto const answers = [](auto const& all) { return list_of(all, [](auto const& a) { return json_of(a); }); };
    auto text = "{\"clean\": " + json_of(row.clean) + ", \"corrupted\": " + json_of(row.corrupted) +
                ", \"answer\": " + answers(row.answers) + ", \"wrong\": " + answers(row.wrong);
    if (row.first_token)
        text += ", \"first_token\": true";
    text += ", \"roles\": {";
    for (auto const& role : row.roles) {
        text += (&role == row.roles.data() ? "" : ", ") + detail::quoted(role.name) + ": " + json_of(role.clean);
        if (role.corrupted)
            text += ", \"corrupted\": " + json_of(*role.corrupted) + '}';
        text += '}';
    }
    return text + "}}\n";
}

} // namespace detail

ENGRAFT_BODY pair_rows read_pair_rows(std::filesystem::path const& path) {
    mapped_file const file(path);
    auto text = file.text();
    if (text.starts_with("\xEF\xBB\xBF")) // a byte order mark
        text.remove_prefix(3);
    auto found = path.extension() == ".csv" ? detail::rows_of_csv(text, file.path()) : detail::rows_of_json_lines(text);
    if (found.rows.empty() && found.bad.empty())
        throw bad_file(file.path(), "there are no pairs of prompts in it");
    return found;
}

ENGRAFT_BODY void write_pair_rows(std::filesystem::path const& path, std::vector<pair_row> const& rows) {
    std::string text;
    for (auto const& row : rows)
        text += detail::json_of(row);
    write_whole_file(path, text);
}

} // namespace engraft
