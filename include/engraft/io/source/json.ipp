#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
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
        return "an object with " + std::to_string(value.size()) + " keys";
    return number_text(value.get<double>());
}

/// Watches the parser: too deep nesting stops it at once, so that a deep document never comes into being, and a key
/// that stands twice when its object ends. (The library's parse with a callback, since its own event interface drags
/// every binary format along.)
class json_guard {
public:
    explicit json_guard(std::string const& path) : path_(path) {}

    void operator()(nlohmann::json::parse_event_t event, nlohmann::json const& value) {
        using at = nlohmann::json::parse_event_t;
        if (event == at::object_start || event == at::array_start) {
            if (keys_.size() == json_nesting_limit)
                throw bad_file(path_, {"JSON nested deeper than ", json_nesting_limit, " levels is not read"});
            keys_.emplace_back();
        } else if (event == at::object_end || event == at::array_end) {
            if (event == at::object_end && value.size() != keys_.back().size())
                refuse_twice();
            if (keys_.size() == 1)
                outermost_ = std::move(keys_.back());
            keys_.pop_back();
        } else if (event == at::key) {
            keys_.back().push_back(value.get_ref<std::string const&>());
        }
    }

    /// The keys of the outermost object, in the order of the text, when all is read.
    std::vector<std::string>& outermost() { return outermost_; }

private:
    [[noreturn]] void refuse_twice() {
        std::set<std::string> seen;
        for (auto const& key : keys_.back())
            if (!seen.insert(key).second)
                throw bad_file(path_, {"the key '", printable(key), "' stands twice in one JSON object"});
        throw bad_file(path_, "a key stands twice in one JSON object");
    }

    std::string const& path_;
    std::vector<std::vector<std::string>> keys_; ///< of the objects that are open; none for arrays
    std::vector<std::string> outermost_;
};

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

} // namespace detail

ENGRAFT_BODY nlohmann::json parse_json(std::string_view text, std::string const& path, std::vector<std::string>* keys) {
    detail::json_guard guard(path);
    auto const watch = [&guard](int, nlohmann::json::parse_event_t event, nlohmann::json const& value) {
        guard(event, value);
        return true;
    };
    try {
        auto document = nlohmann::json::parse(text.begin(), text.end(), watch);
        if (keys)
            *keys = std::move(guard.outermost());
        return document;
    } catch (nlohmann::json::parse_error const& cause) {
        detail::refuse_json(text, path, cause);
    } catch (nlohmann::json::exception const& cause) { // such as a number that no double can hold
        throw bad_file(path, {"JSON that can't be read: ", detail::printable(cause.what(), 240)});
    }
}

ENGRAFT_BODY nlohmann::json read_json(std::filesystem::path const& path, std::vector<std::string>* keys) {
    mapped_file const file(path);
    return parse_json(file.text(), file.path(), keys);
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
