#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/utf8.hpp>

namespace engraft {

ENGRAFT_BODY code_point code_point_at(std::string_view text, std::size_t at) {
    auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
    unsigned const lead = byte(0);
    if (lead < 0x80)
        return {lead, 1, true};
    if (lead < 0xC2 || lead > 0xF4)
        return {};
    std::size_t const length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    unsigned least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    char32_t value = lead & (0x7Fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if (at + i >= text.size() || byte(i) < least || byte(i) > most)
            return {0xFFFD, i, false};
        value = (value << 6) | (byte(i) & 0x3Fu);
        least = 0x80;
        most = 0xBF;
    }
    return {value, length, true};
}

ENGRAFT_BODY void append_code_point(std::string& text, char32_t c) {
    auto const put = [&](char32_t byte) { text += static_cast<char>(static_cast<unsigned char>(byte)); };
    if (c < 0x80) {
        put(c);
    } else if (c < 0x800) {
        put(0xC0 | (c >> 6)), put(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        put(0xE0 | (c >> 12)), put(0x80 | ((c >> 6) & 0x3F)), put(0x80 | (c & 0x3F));
    } else {
        put(0xF0 | (c >> 18)), put(0x80 | ((c >> 12) & 0x3F)), put(0x80 | ((c >> 6) & 0x3F)), put(0x80 | (c & 0x3F));
    }
}

ENGRAFT_BODY bool is_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        auto const c = code_point_at(text, i);
        if (!c.valid)
            return false;
        i += c.length;
    }
    return true;
}

ENGRAFT_BODY std::string valid_utf8(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
        auto const c = code_point_at(text, i);
        append_code_point(out, c.value);
        i += c.length;
    }
    return out;
}

ENGRAFT_BODY void require_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        auto const c = code_point_at(text, i);
        if (!c.valid)
            throw bad_input({"the text is not valid UTF-8 at byte ", i});
        i += c.length;
    }
}

} // namespace engraft
