#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/json.hpp>
#include <engraft/io/mapped_file.hpp>
#include <engraft/io/printable.hpp>

namespace engraft {

namespace detail {

ENGRAFT_BODY std::string shown(nlohmann::json const& value) {
    if (value.is_string())
        return '"' + printable(value.get_ref<std::string const&>(), 60) + '"';
    if (value.is_number_unsigned())
        return std::to_string(value.get<std::uint64_t>());
    if (value.is_number_integer())
        return std::to_string(value.get<std::int64_t>());
    if (value.is_boolean())
        return value.get<bool>() ? "true" : "false";
    if (value.is_null())
        return "null";
    if (value.is_array())
        return "an array of " + std::to_string(value.size());
    if (value.is_object())
        return "an object with " + std::to_string(value.size()) + (value.size() == 1 ? " key" : " keys");
    return number_text(value.get<double>());
}

ENGRAFT_BODY std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (char const c : text) {
        if (c == '"' || c == '\\') {
            (out += '\\') += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            char code[8];
            std::snprintf(code, sizeof(code), "\\u%04x", static_cast<unsigned>(c));
            out += code;
        } else {
            out += c;
        }
    }
    return out + '"';
}

ENGRAFT_BODY bool is_name(std::string_view name) {
    return !name.empty() && name.size() <= 120 && one_line(std::string(name)) == name;
}

/// Watches the parser: too deep nesting and too many values stop it at once, so that such a document never comes into
/// being, and a key that stands twice when its object ends. (The library's parse with a callback, since its own event
/// interface drags every binary format along.)
class json_guard {
public:
    /// `keep_names` is for the second reading of a document that has a key twice, to say which.
    json_guard(std::string const& path, bool keep_outermost, bool keep_names)
        : path_(path), keep_outermost_(keep_outermost), keep_names_(keep_names) {}

    void operator()(nlohmann::json::parse_event_t event, nlohmann::json const& value) {
        using at = nlohmann::json::parse_event_t;
        if (event != at::key && event != at::object_end && event != at::array_end && ++values_ > json_value_limit)
            throw bad_file(path_, {"JSON of more than ", json_value_limit, " values is not read"});
        if (event == at::object_start || event == at::array_start) {
            if (open_.size() == json_nesting_limit)
                throw bad_file(path_, {"JSON nested deeper than ", json_nesting_limit, " levels is not read"});
            open_.emplace_back();
        } else if (event == at::object_end || event == at::array_end) {
            if (event == at::object_end && value.size() != open_.back().keys)
                twice_ = true;
            open_.pop_back();
        } else if (event == at::key) {
            add_key(value.get_ref<std::string const&>());
        }
    }

    bool has_key_twice() const { return twice_; }

    /// The keys of the outermost object, in the order of the text, when all is read.
    std::vector<std::string>& outermost() { return outermost_; }

private:
    void add_key(std::string const& key) {
        auto& object = open_.back();
        ++object.keys;
        if (keep_outermost_ && open_.size() == 1)
            outermost_.push_back(key);
        if (keep_names_ && !object.names.insert(key).second)
            throw bad_file(path_, {"the key '", printable(key), "' stands twice in one JSON object"});
    }

    struct container {
        std::size_t keys = 0; ///< none in arrays
        std::set<std::string> names{};
    };

    std::string const& path_;
    bool keep_outermost_, keep_names_, twice_ = false;
    std::size_t values_ = 0;
    std::vector<container> open_;
    std::vector<std::string> outermost_;
};

inline nlohmann::json parse_guarded(std::string_view text, json_guard& guard) {
    return nlohmann::json::parse(text.begin(), text.end(),
                                 [&guard](int, nlohmann::json::parse_event_t event, nlohmann::json const& value) {
                                     guard(event, value);
                                     return true;
                                 });
}

[[noreturn]] inline void refuse_json(std::string_view text, std::string const& path,
                                     nlohmann::json::parse_error const& cause) {
    std::size_t const end = std::min(cause.byte, text.size());
    std::size_t line = 1, column = 1;
    for (char const c : text.substr(0, end ? end - 1 : 0)) {
        ++column;
        if (c == '\n')
            ++line, column = 1;
    }
    // The library's text is "[json.exception.parse_error.101] parse error at line 1, column 2: what was expected".
    std::string_view what = cause.what();
    if (auto const at = what.find("] "); at != what.npos)
        what.remove_prefix(at + 2);
    if (auto const at = what.find(": "); at != what.npos && what.starts_with("parse error"))
        what.remove_prefix(at + 2);
    throw bad_file(path, {"not valid JSON at line ", line, ", column ", column, ": ", printable(what, 240)});
}

/// What else the library refuses is a number that no double can hold, which it quotes at the end of its text.
[[noreturn]] inline void refuse_large_number(std::string const& path, std::string_view what) {
    auto const end = what.rfind('\''), begin = what.substr(0, std::min(end, what.size())).rfind('\'');
    auto const number = end == what.npos || begin == what.npos ? "" : what.substr(begin + 1, end - begin - 1);
    throw bad_file(path, {"the number ", printable(number, 40), " is too large for a double"});
}

inline void refuse_unknown(nlohmann::json const& object, std::initializer_list<std::string_view> known,
                           bool off_is_harmless, std::string const& path) {
    if (!object.is_object())
        throw bad_file(path, {"expected a JSON object, found ", shown(object)});
    for (auto const& [key, value] : object.get_ref<nlohmann::json::object_t const&>()) {
        if (std::find(known.begin(), known.end(), key) != known.end() || (off_is_harmless && is_off(value)))
            continue;
        std::string names;
        for (auto const& name : known)
            (names += names.empty() ? "'" : ", '").append(name) += '\'';
        throw bad_file(path, {"'", printable(key), "' is ", shown(value), ", but no such key is read here; known are ",
                              names, "; correct the key or take it out"});
    }
}

} // namespace detail

ENGRAFT_BODY nlohmann::json parse_json(std::string_view text, std::string const& path, std::vector<std::string>* keys,
                                       std::size_t most) {
    if (text.size() > most)
        throw bad_file(path, {"this is JSON of ", text.size(), " bytes; at most ", most, " are read here"});
    try {
        detail::json_guard guard(path, keys != nullptr, false);
        auto document = detail::parse_guarded(text, guard);
        if (guard.has_key_twice()) {
            detail::json_guard naming(path, false, true);
            detail::parse_guarded(text, naming);
        }
        if (keys)
            *keys = std::move(guard.outermost());
        return document;
    } catch (nlohmann::json::parse_error const& cause) {
        detail::refuse_json(text, path, cause);
    } catch (nlohmann::json::exception const& cause) {
        detail::refuse_large_number(path, cause.what());
    }
}

ENGRAFT_BODY nlohmann::json read_json(std::filesystem::path const& path, std::vector<std::string>* keys,
                                      std::size_t most) {
    mapped_file const file(path);
    return parse_json(file.text(), file.path(), keys, most);
}

ENGRAFT_BODY bool is_off(nlohmann::json const& value) {
    if (value.is_boolean())
        return !value.get<bool>();
    if (value.is_number())
        return value == 0;
    return value.is_string() ? value.get_ref<std::string const&>().empty() : value.empty();
}

ENGRAFT_BODY void require_only(nlohmann::json const& object, std::initializer_list<std::string_view> known,
                               std::string const& path) {
    detail::refuse_unknown(object, known, false, path);
}

ENGRAFT_BODY void require_rest_off(nlohmann::json const& object, std::initializer_list<std::string_view> known,
                                   std::string const& path) {
    detail::refuse_unknown(object, known, true, path);
}

ENGRAFT_BODY nlohmann::json const* find_value(nlohmann::json const& object, std::string_view key,
                                              std::string const& path) {
    if (!object.is_object())
        throw bad_file(path, {"expected a JSON object, found ", detail::shown(object)});
    auto const& members = object.get_ref<nlohmann::json::object_t const&>();
    auto const at = members.find(std::string(key));
    return at == members.end() || at->second.is_null() ? nullptr : &at->second;
}

ENGRAFT_BODY nlohmann::json const& require_value(nlohmann::json const& object, std::string_view key,
                                                 std::string const& path) {
    if (auto const* value = find_value(object, key, path))
        return *value;
    throw bad_file(path, {"'", detail::printable(key), "' is missing"});
}

ENGRAFT_BODY std::int64_t as_int(nlohmann::json const& value, std::string_view name, std::string const& path,
                                 std::int64_t least, std::int64_t most) {
    bool fits = value.is_number_integer();
    std::int64_t number = 0;
    if (fits && value.is_number_unsigned()) {
        auto const n = value.get<std::uint64_t>();
        fits = n <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
        if (fits)
            number = static_cast<std::int64_t>(n);
    } else if (fits) {
        number = value.get<std::int64_t>();
    }
    if (!fits || number < least || number > most)
        throw bad_file(path, {"'", detail::printable(name), "' must be a whole number from ", least, " to ", most,
                              ", but is ", detail::shown(value)});
    return number;
}

ENGRAFT_BODY std::string const& as_string(nlohmann::json const& value, std::string_view name, std::string const& path) {
    if (!value.is_string())
        throw bad_file(path, {"'", detail::printable(name), "' must be a text, but is ", detail::shown(value)});
    return value.get_ref<std::string const&>();
}

ENGRAFT_BODY double as_number(nlohmann::json const& value, std::string_view name, std::string const& path) {
    double const number = value.is_number() ? value.get<double>() : std::numeric_limits<double>::quiet_NaN();
    if (!std::isfinite(number))
        throw bad_file(path, {"'", detail::printable(name), "' must be a number, but is ", detail::shown(value)});
    return number;
}

ENGRAFT_BODY double as_accuracy(nlohmann::json const& value, std::string_view name, std::string const& path,
                                double most) {
    double const a = as_number(value, name, path);
    if (a < 0 || a > most)
        throw bad_file(path, {"'", detail::printable(name), "' must be an accuracy from 0 to ", static_cast<int>(most),
                              ", but is ", detail::shown(value)});
    return a;
}

ENGRAFT_BODY bool as_bool(nlohmann::json const& value, std::string_view name, std::string const& path) {
    if (!value.is_boolean())
        throw bad_file(path, {"'", detail::printable(name), "' must be true or false, but is ", detail::shown(value)});
    return value.get<bool>();
}

ENGRAFT_BODY nlohmann::json::array_t const& as_array(nlohmann::json const& value, std::string_view name,
                                                     std::string const& path) {
    if (!value.is_array())
        throw bad_file(path, {"'", detail::printable(name), "' must be an array, but is ", detail::shown(value)});
    return value.get_ref<nlohmann::json::array_t const&>();
}

ENGRAFT_BODY nlohmann::json::object_t const& as_object(nlohmann::json const& value, std::string_view name,
                                                       std::string const& path) {
    if (!value.is_object())
        throw bad_file(path, {"'", detail::printable(name), "' must be an object, but is ", detail::shown(value)});
    return value.get_ref<nlohmann::json::object_t const&>();
}

ENGRAFT_BODY std::int64_t require_int(nlohmann::json const& object, std::string_view key, std::string const& path,
                                      std::int64_t least, std::int64_t most) {
    return as_int(require_value(object, key, path), key, path, least, most);
}

ENGRAFT_BODY double require_number(nlohmann::json const& object, std::string_view key, std::string const& path) {
    return as_number(require_value(object, key, path), key, path);
}

ENGRAFT_BODY std::string const& require_string(nlohmann::json const& object, std::string_view key,
                                               std::string const& path) {
    return as_string(require_value(object, key, path), key, path);
}

ENGRAFT_BODY nlohmann::json::array_t const& require_array(nlohmann::json const& object, std::string_view key,
                                                          std::string const& path) {
    return as_array(require_value(object, key, path), key, path);
}

ENGRAFT_BODY nlohmann::json::object_t const& require_object(nlohmann::json const& object, std::string_view key,
                                                            std::string const& path) {
    return as_object(require_value(object, key, path), key, path);
}

ENGRAFT_BODY std::string const& require_name(std::string const& name, std::string_view what, std::string const& path) {
    if (!detail::is_name(name))
        throw bad_file(path, {what, " must have 1 to 120 bytes and no control characters, but is '",
                              detail::printable(name, 40), "'"});
    return name;
}

ENGRAFT_BODY double number_or(nlohmann::json const& object, std::string_view key, std::string const& path,
                              double otherwise) {
    auto const* value = find_value(object, key, path);
    return value ? as_number(*value, key, path) : otherwise;
}

ENGRAFT_BODY bool bool_or(nlohmann::json const& object, std::string_view key, std::string const& path, bool otherwise) {
    auto const* value = find_value(object, key, path);
    return value ? as_bool(*value, key, path) : otherwise;
}

ENGRAFT_BODY std::string string_or(nlohmann::json const& object, std::string_view key, std::string const& path,
                                   std::string const& otherwise) {
    auto const* value = find_value(object, key, path);
    return value ? as_string(*value, key, path) : otherwise;
}

} // namespace engraft
