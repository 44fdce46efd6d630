#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <engraft/core/linkage.hpp>

namespace engraft {

/// What stands at one place of a UTF-8 text: a code point of `length` bytes or, where `valid` is false, the longest
/// beginning of one that is broken off, which a lenient reader replaces by one U+FFFD (as the Unicode standard
/// recommends).
struct code_point {
    char32_t value = 0xFFFD;
    std::size_t length = 1;
    bool valid = false;
};

/// The code point at a byte of a text that is not at its end. Surrogates and overlong forms are not valid.
code_point code_point_at(std::string_view text, std::size_t at);

void append_code_point(std::string& text, char32_t c);

bool is_utf8(std::string_view text);

/// The text with each broken sequence replaced by U+FFFD.
std::string valid_utf8(std::string_view text);

/// throws bad_input, naming the byte, when a text is not UTF-8
void require_utf8(std::string_view text);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/utf8.ipp>
#endif
