#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <engraft/io/unicode_tables.hpp>
#include <engraft/io/utf8.hpp>

namespace engraft {

namespace detail {

struct canonical_tables {
    std::unordered_map<char32_t, std::pair<char32_t, char32_t>> parts;
    std::unordered_map<std::uint64_t, char32_t> whole;

    canonical_tables() {
        for (auto const& [code, first, second] : canonical_pairs) {
            parts.emplace(code, std::pair(first, second));
            whole.emplace((std::uint64_t{first} << 32) | second, code);
        }
        for (auto const& [code, first, second] : canonical_one_way)
            parts.emplace(code, std::pair(first, second));
    }

    static canonical_tables const& get() {
        static canonical_tables const tables;
        return tables;
    }
};

inline unsigned combining_class(char32_t c) {
    if (c < 0x300)
        return 0;
    auto const* const at = std::lower_bound(std::begin(combining_classes), std::end(combining_classes), c,
                                            [](auto const& row, char32_t code) { return row[1] < code; });
    return at != std::end(combining_classes) && (*at)[0] <= c ? (*at)[2] : 0;
}

// Hangul syllables are numbered by their parts (Unicode standard, section 3.12).
inline constexpr char32_t hangul_first = 0xAC00, lead_first = 0x1100, vowel_first = 0x1161, tail_first = 0x11A7;
inline constexpr char32_t leads = 19, vowels = 21, tails = 28;

inline void decompose(char32_t c, std::u32string& out) {
    if (c >= hangul_first && c < hangul_first + leads * vowels * tails) {
        char32_t const n = c - hangul_first;
        out += lead_first + n / (vowels * tails);
        out += vowel_first + n % (vowels * tails) / tails;
        if (n % tails)
            out += tail_first + n % tails;
        return;
    }
    auto const& parts = canonical_tables::get().parts;
    auto const at = parts.find(c);
    if (at == parts.end()) {
        out += c;
        return;
    }
    decompose(at->second.first, out);
    if (at->second.second)
        out += at->second.second;
}

/// The character that two make together, or 0.
inline char32_t canonical_composition(char32_t first, char32_t second) {
    if (first >= lead_first && first < lead_first + leads && second >= vowel_first && second < vowel_first + vowels)
        return hangul_first + ((first - lead_first) * vowels + (second - vowel_first)) * tails;
    if (first >= hangul_first && first < hangul_first + leads * vowels * tails && (first - hangul_first) % tails == 0 &&
        second > tail_first && second < tail_first + tails)
        return first + (second - tail_first);
    auto const& whole = canonical_tables::get().whole;
    auto const at = whole.find((std::uint64_t{first} << 32) | second);
    return at == whole.end() ? 0 : at->second;
}

} // namespace detail

/// Normalization form C of valid UTF-8: canonical decomposition, canonical order, canonical composition.
/// source  Unicode Standard Annex #15 and section 3.11 of the Unicode standard
inline std::string nfc(std::string_view text) {
    std::u32string characters;
    bool plain = true;
    for (std::size_t i = 0; i < text.size();) {
        auto const c = code_point_at(text, i);
        plain = plain && c.value < 0x300; // none of these decomposes for good or combines with what is before it
        characters += c.value;
        i += c.length;
    }
    if (plain)
        return std::string(text);

    std::u32string parts;
    for (char32_t const c : characters)
        detail::decompose(c, parts);
    std::vector<std::uint64_t> keys;
    for (std::size_t i = 0; i < parts.size();) {
        if (detail::combining_class(parts[i]) == 0) {
            ++i;
            continue;
        }
        std::size_t end = i;
        while (end < parts.size() && detail::combining_class(parts[end]) != 0)
            ++end;
        // Class, then place, then the character: sorting these numbers keeps the order within a class.
        keys.clear();
        for (std::size_t n = i; n < end; ++n)
            keys.push_back((std::uint64_t{detail::combining_class(parts[n])} << 56) | (std::uint64_t{n - i} << 21) |
                           parts[n]);
        std::sort(keys.begin(), keys.end());
        for (std::uint64_t const key : keys)
            parts[i++] = static_cast<char32_t>(key & 0x1FFFFF);
    }

    std::u32string out;
    std::size_t starter = 0;
    bool has_starter = false;
    unsigned previous = 0; // class of the last character kept after the starter
    for (char32_t const c : parts) {
        unsigned const order = detail::combining_class(c);
        bool const adjacent = has_starter && starter + 1 == out.size();
        if (has_starter && (adjacent || (previous < order && previous != 0))) {
            if (char32_t const whole = detail::canonical_composition(out[starter], c)) {
                out[starter] = whole;
                continue;
            }
        }
        out += c;
        previous = order;
        if (order == 0) {
            starter = out.size() - 1;
            has_starter = true;
        }
    }
    std::string composed;
    for (char32_t const c : out)
        append_code_point(composed, c);
    return composed;
}

} // namespace engraft
