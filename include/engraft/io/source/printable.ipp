#pragma once

#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

#include <engraft/core/linkage.hpp>
#include <engraft/io/printable.hpp>

namespace engraft {

namespace detail {

ENGRAFT_BODY std::string printable(std::string_view text, std::size_t limit) {
    std::string out;
    for (char const c : text.substr(0, limit))
        out += c >= ' ' && c <= '~' ? c : '?';
    return text.size() > limit ? out + "..." : out;
}

ENGRAFT_BODY std::string without_controls(std::string text) {
    for (char& c : text)
        if (static_cast<unsigned char>(c) < ' ' || c == '\x7F')
            c = '?';
    return text;
}

ENGRAFT_BODY std::string number_text(double value) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.9g", value);
    return text;
}

} // namespace detail

} // namespace engraft
