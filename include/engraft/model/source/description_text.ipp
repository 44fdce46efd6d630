#pragma once

#include <charconv>
#include <string>
#include <string_view>

#include <engraft/core/linkage.hpp>
#include <engraft/model/description_fields.hpp>
#include <engraft/model/description_text.hpp>

namespace engraft::detail {

ENGRAFT_BODY std::string cpp_literal(std::string_view text) {
    std::string literal = "\"";
    for (char const c : text) {
        auto const byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\' && c != '?')
            literal += c;
        else
            (((literal += '\\') += char('0' + byte / 64)) += char('0' + byte / 8 % 8)) += char('0' + byte % 8);
    }
    return literal + '"';
}

ENGRAFT_BODY std::string cpp_literal(double value) {
    char digits[32];
    return {digits, std::to_chars(digits, digits + sizeof(digits), value).ptr};
}

} // namespace engraft::detail

namespace engraft {

ENGRAFT_BODY std::string cpp_identifier(std::string_view text) {
    auto const digit = [](char c) { return c >= '0' && c <= '9'; };
    auto const letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    std::string name;
    for (char const c : text)
        if (letter(c) || digit(c))
            name += c;
        else if (!name.empty() && name.back() != '_')
            name += '_';
    return name.empty() || digit(name.front()) ? "model_" + name : name;
}

ENGRAFT_BODY std::string cpp_text(description const& d, std::string_view variable) {
    description const standard;
    std::string text = "inline constexpr engraft::description " + std::string(variable) + "{\n";
    text += "    .name = " + detail::cpp_literal(std::string_view(d.name)) + ",\n";
    for_each_field([&](char const* field, auto description::*member) {
        if (d.*member != standard.*member)
            text += "    ." + std::string(field) + " = " + detail::cpp_literal(d.*member) + ",\n";
    });
    return text + "};\n";
}

} // namespace engraft
