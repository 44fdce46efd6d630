#pragma once

#include <initializer_list>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include <engraft/core/error.hpp>
#include <engraft/io/json.hpp>
#include <engraft/io/printable.hpp>

namespace engraft::detail {

/// Anything larger is no model, and could overflow sums of sizes later.
inline constexpr int largest_dimension = 1 << 24;

/// An object of a config.json, which remembers what it was asked for. What nobody asked for might change what the model
/// computes, so `require_rest_known` refuses it where it is on.
class config_object {
public:
    /// `file` begins messages; `name` is the key of an object inside the outermost one.
    config_object(nlohmann::json const& object, std::string const& file, std::string name = "")
        : object_(object), file_(file), path_(name.empty() ? file : file + ": " + name), name_(std::move(name)) {
        as_object(object_, name_.empty() ? "config.json" : name_, file_);
    }

    std::string const& file() const { return file_; }

    std::string const& path() const { return path_; }

    /// Whether a key is there, if only as null: a key that is missing has its family's default, null can switch it off.
    bool has(std::string_view key) {
        asked_.emplace(key);
        return object_.contains(std::string(key));
    }

    nlohmann::json const* find(std::string_view key) {
        asked_.emplace(key);
        return find_value(object_, key, path_);
    }

    nlohmann::json const& require(std::string_view key) {
        asked_.emplace(key);
        return require_value(object_, key, path_);
    }

    int dimension(std::string_view key) {
        return static_cast<int>(as_int(require(key), key, path_, 1, largest_dimension));
    }
    int dimension_or(std::string_view key, int otherwise) { return find(key) ? dimension(key) : otherwise; }

    double positive(std::string_view key) {
        auto const& found = require(key);
        double const value = as_number(found, key, path_);
        if (value <= 0)
            throw bad_file(path_, {"'", key, "' must be positive, but is ", shown(found)});
        return value;
    }
    double positive_or(std::string_view key, double otherwise) { return find(key) ? positive(key) : otherwise; }

    bool flag_or(std::string_view key, bool otherwise) {
        auto const* found = find(key);
        return found ? as_bool(*found, key, path_) : otherwise;
    }

    std::string text_or(std::string_view key, std::string const& otherwise) {
        auto const* found = find(key);
        return found ? as_string(*found, key, path_) : otherwise;
    }

    [[noreturn]] void unsupported(std::string_view key, std::string const& value, std::string_view supported) const {
        throw bad_file(path_, {"unsupported: '", key, "' is ", value, "; supported: ", supported});
    }

    /// For a fact that can have one value only, whether the key is there or not.
    void require_same(std::string_view key, nlohmann::json const& only) {
        if (auto const* found = find(key); found && *found != only)
            unsupported(key, shown(*found), only.is_null() ? "none" : shown(only));
    }

    /// For keys that are known to change nothing.
    void pass_over(std::span<std::string_view const> keys) { asked_.insert(keys.begin(), keys.end()); }

    /// The key as messages show it.
    std::string spelled(std::string_view key) const {
        return "'" + (name_.empty() ? "" : name_ + ".") + std::string(key) + "'";
    }

    /// throws bad_file for the first key that nobody asked for and that is on
    void require_rest_known() const {
        for (auto const& [key, value] : as_object(object_, name_, path_))
            if (!asked_.contains(key) && !is_off(value))
                throw bad_file(path_, {"unsupported: '", printable(key), "' is ", shown(value),
                                       ", a key that is not known for this kind of model and might change what it "
                                       "computes; if it does not, take it out of the file"});
    }

private:
    nlohmann::json const& object_;
    std::string file_, path_, name_;
    std::set<std::string, std::less<>> asked_;
};

/// A key of an object, as one of several spellings of a fact.
struct spelling {
    config_object* object;
    std::string_view key;
};

/// The first spelling that is there, or none. Configs that were written for old and new versions of a library have
/// some facts twice. throws bad_file where two of them differ
inline std::optional<spelling> agreed(std::initializer_list<spelling> spellings) {
    std::optional<spelling> first;
    for (auto const& other : spellings) {
        auto const* value = other.object->find(other.key);
        if (!value)
            continue;
        if (!first)
            first = other;
        else if (auto const& before = first->object->require(first->key); before != *value)
            throw bad_file(other.object->file(), {first->object->spelled(first->key), " is ", shown(before), " and ",
                                                  other.object->spelled(other.key), " is ", shown(*value),
                                                  ", but both name the same fact; take one of them out"});
    }
    return first;
}

} // namespace engraft::detail
