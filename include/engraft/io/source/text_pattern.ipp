#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#ifndef PCRE2_CODE_UNIT_WIDTH
#define PCRE2_CODE_UNIT_WIDTH 8
#endif
#include <pcre2.h>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/text_pattern.hpp>

static_assert(PCRE2_CODE_UNIT_WIDTH == 8, "engraft reads UTF-8: PCRE2_CODE_UNIT_WIDTH must be 8");

namespace engraft {

namespace detail {

template <auto Free>
struct freed_by {
    template <class T>
    void operator()(T* p) const {
        Free(p);
    }
};

inline std::string pcre2_message(int code) {
    PCRE2_UCHAR text[256]{};
    pcre2_get_error_message(code, text, sizeof(text));
    return reinterpret_cast<char const*>(text);
}

/// White space and word characters are properties of Unicode in Oniguruma and slightly different sets in PCRE2.
inline std::string translated(std::string_view source, std::string const& path) {
    auto const refuse = [&](std::string const& what) {
        throw bad_file(path, {"unsupported in a regular expression: ", printable(what)});
    };
    // The superscripts and fractions of Latin-1 are word characters to Oniguruma, those behind Latin-1 are not.
    constexpr std::string_view word = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}";
    std::string out;
    bool in_class = false;
    for (std::size_t i = 0; i < source.size(); ++i) {
        char const c = source[i];
        auto const next = [&](std::size_t n) { return i + n < source.size() ? source[i + n] : '\0'; };
        if (c == '\\') {
            char const escaped = next(1);
            ++i;
            if (std::string_view("bBhHKQERXZG").find(escaped) != std::string_view::npos)
                refuse(std::string("\\") + escaped);
            switch (escaped) {
            case 's':
                out += "\\p{White_Space}";
                break;
            case 'S':
                out += "\\P{White_Space}";
                break;
            case 'w':
                out += in_class ? std::string(word) : "[" + std::string(word) + "]";
                break;
            case 'W':
                if (in_class)
                    refuse("\\W inside brackets");
                out += "[^" + std::string(word) + "]";
                break;
            case '\0':
                refuse("a lone \\ at the end");
                break;
            default:
                (out += c) += escaped;
            }
        } else if (in_class) {
            if (c == '[')
                refuse("brackets inside brackets");
            if (c == '&' && next(1) == '&')
                refuse("intersections of brackets");
            if (c == ']')
                in_class = false;
            out += c;
        } else if (c == '[') {
            in_class = true;
            out += c;
            if (next(1) == '^')
                out += source[++i];
            if (next(1) == ']')
                refuse("']' as the first character in brackets");
        } else {
            if (c == '(' && next(1) == '*')
                refuse("(*");
            if (c == '(' && next(1) == '?' && std::string_view(":=!<>i").find(next(2)) == std::string_view::npos)
                refuse(std::string("(?") + next(2));
            out += c;
        }
    }
    return out;
}

} // namespace detail

struct text_pattern::compiled {
    std::unique_ptr<pcre2_code, detail::freed_by<pcre2_code_free>> code;
};

ENGRAFT_BODY text_pattern text_pattern::regex(std::string_view source, std::string const& path) {
    return text_pattern(detail::translated(source, path),
                        PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, path);
}

ENGRAFT_BODY text_pattern text_pattern::literal(std::string_view text, std::string const& path) {
    if (text.empty())
        throw bad_file(path, "an empty text can't be looked for");
    return text_pattern(std::string(text), PCRE2_UTF | PCRE2_LITERAL, path);
}

ENGRAFT_BODY std::vector<std::string_view> text_pattern::split(std::string_view text, split_behavior behavior,
                                                               bool invert) const {
    auto ranges = cover(text);
    if (invert)
        for (auto& r : ranges)
            r.matches = !r.matches;

    std::vector<range> joined;
    bool previous = false;
    auto const step = [&](range const& r, auto grow) {
        bool const join = !joined.empty() &&
                          (behavior == split_behavior::contiguous ? r.matches == previous : r.matches && !previous);
        if (join)
            grow(joined.back(), r);
        else
            joined.push_back(r);
        previous = r.matches;
    };
    switch (behavior) {
    case split_behavior::removed:
        for (auto const& r : ranges)
            if (!r.matches)
                joined.push_back(r);
        break;
    case split_behavior::isolated:
        joined = std::move(ranges);
        break;
    case split_behavior::merged_with_previous:
    case split_behavior::contiguous:
        for (auto const& r : ranges)
            step(r, [](range& last, range const& next) { last.end = next.end; });
        break;
    case split_behavior::merged_with_next:
        for (auto r = ranges.rbegin(); r != ranges.rend(); ++r)
            step(*r, [](range& last, range const& before) { last.begin = before.begin; });
        std::reverse(joined.begin(), joined.end());
        break;
    }
    std::vector<std::string_view> pieces;
    for (auto const& r : joined)
        if (r.end > r.begin)
            pieces.push_back(text.substr(r.begin, r.end - r.begin));
    return pieces;
}

ENGRAFT_BODY bool text_pattern::occurs(std::string_view text) const {
    auto const ranges = cover(text);
    return std::any_of(ranges.begin(), ranges.end(), [](range const& r) { return r.matches; });
}

ENGRAFT_BODY text_pattern::text_pattern(std::string const& source, std::uint32_t options, std::string const& path) {
    std::unique_ptr<pcre2_compile_context, detail::freed_by<pcre2_compile_context_free>> context(
        pcre2_compile_context_create(nullptr));
    if (!context)
        throw std::bad_alloc();
    pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
    int code = 0;
    PCRE2_SIZE offset = 0;
    auto made = std::make_shared<compiled>();
    made->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(source.data()), source.size(), options, &code, &offset,
                                   context.get()));
    if (!made->code)
        throw bad_file(path, {"the regular expression is wrong: ", detail::pcre2_message(code)});
    // Where there is no just-in-time compiler, matching is only slower.
    pcre2_jit_compile(made->code.get(), PCRE2_JIT_COMPLETE);
    code_ = std::move(made);
}

ENGRAFT_BODY std::vector<text_pattern::range> text_pattern::cover(std::string_view text) const {
    std::vector<range> ranges;
    std::unique_ptr<pcre2_match_data, detail::freed_by<pcre2_match_data_free>> found(
        pcre2_match_data_create(1, nullptr));
    std::unique_ptr<pcre2_match_context, detail::freed_by<pcre2_match_context_free>> context(
        pcre2_match_context_create(nullptr));
    if (!found || !context)
        throw std::bad_alloc();
    pcre2_set_heap_limit(context.get(), 64 * 1024); // KiB
    std::size_t done = 0, from = 0;
    std::optional<std::size_t> last;
    while (from <= text.size()) {
        auto const match = [&](std::uint32_t options) {
            return pcre2_match(code_->code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                               options | PCRE2_NO_UTF_CHECK, found.get(), context.get());
        };
        int outcome = match(0);
        // The compiled code has a small stack; the interpreter takes what it needs from the heap.
        if (outcome == PCRE2_ERROR_JIT_STACKLIMIT)
            outcome = match(PCRE2_NO_JIT);
        if (outcome == PCRE2_ERROR_NOMATCH)
            break;
        if (outcome < 0)
            throw bad_input(
                {"the tokenizer's regular expression can't be matched on this text: ", detail::pcre2_message(outcome)});
        auto const* const ends = pcre2_get_ovector_pointer(found.get());
        std::size_t const begin = ends[0], end = ends[1];
        if (begin == end && last == end) {
            ++from;
            while (from < text.size() && (static_cast<unsigned char>(text[from]) & 0xC0) == 0x80)
                ++from;
            continue;
        }
        if (begin > done)
            ranges.push_back({done, begin, false});
        ranges.push_back({begin, end, true});
        done = from = end;
        last = end;
    }
    if (done < text.size())
        ranges.push_back({done, text.size(), false});
    return ranges;
}

} // namespace engraft
