#pragma once

#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

namespace engraft::detail {

/// The part of a text from a file that fits in a message: short, and without control or non-ASCII bytes.
inline std::string printable(std::string_view text, std::size_t limit = 120) {
    std::string out;
    for (char const c : text.substr(0, limit))
        out += c >= ' ' && c <= '~' ? c : '?';
    return text.size() > limit ? out + "..." : out;
}

/// UTF-8 with '?' for each control character of ASCII.
inline std::string without_controls(std::string text) {
    for (char& c : text)
        if (static_cast<unsigned char>(c) < ' ' || c == '\x7F')
            c = '?';
    return text;
}

/// A number as short as tells any two floats apart.
inline std::string number_text(double value) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.9g", value);
    return text;
}

} // namespace engraft::detail
