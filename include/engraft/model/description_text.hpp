#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include <engraft/core/linkage.hpp>
#include <engraft/model/description_fields.hpp>

namespace engraft {

namespace detail {

/// A text as C++ has it, in quotes; whatever is not plain ASCII as three octal digits, which nothing after them
/// changes.
std::string cpp_literal(std::string_view text);

inline std::string cpp_literal(bool value) { return value ? "true" : "false"; }
inline std::string cpp_literal(int value) { return std::to_string(value); }

/// The shortest that reads back as the same number.
std::string cpp_literal(double value);

template <class Choice>
    requires std::is_enum_v<Choice> std::string cpp_literal(Choice value) {
        return "engraft::" + std::string(choice<Choice>::type) + "::" + std::string(name_of(value));
    }

} // namespace detail

/// A name that C++ takes for a variable, of any text: `SmolLM2-135M` becomes `SmolLM2_135M`.
std::string cpp_identifier(std::string_view text);

/// The definition of a description in C++, with designated initialisers for what is not the default. Compiled, it is
/// equal to `d`.
///
///     inline constexpr engraft::description gpt2{
///         .name = "gpt2",
///         .family = engraft::family::gpt2,
///         ...
std::string cpp_text(description const& d, std::string_view variable);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/model/source/description_text.ipp>
#endif
