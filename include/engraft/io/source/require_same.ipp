#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/config.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/model/description_fields.hpp>

namespace engraft {

namespace detail {

inline std::string field_text(int value) { return std::to_string(value); }
inline std::string field_text(bool value) { return value ? "true" : "false"; }
inline std::string field_text(double value) { return number_text(value); }
inline std::string field_text(std::string_view value) { return "'" + std::string(value) + "'"; }
template <class Choice>
    requires std::is_enum_v<Choice> std::string field_text(Choice value) { return std::string(name_of(value)); }

} // namespace detail

ENGRAFT_BODY void require_same(description const& expected, description const& read, std::string const& path) {
    std::string differences;
    auto aligned = read; // becomes equal to `expected` when the fields below are all there are
    aligned.name = expected.name;
    for_each_field([&](char const* field, auto description::*member) {
        auto const& a = expected.*member;
        auto& b = aligned.*member;
        bool same = a == b;
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(a)>, double>)
            same = static_cast<float>(a) == static_cast<float>(b);
        if (!same)
            differences += std::string(differences.empty() ? "" : "; ") + field + " is " + detail::field_text(b) +
                           ", described as " + detail::field_text(a);
        b = a;
    });
    if (!(aligned == expected))
        differences += differences.empty() ? "a field that has no name here" : "; and more";
    if (!differences.empty())
        throw bad_model({path, ": not the model '", std::string_view(expected.name),
                         "' that this program describes: ", differences});
}

} // namespace engraft
