#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <engraft/io/byte_range.hpp>
#include <engraft/io/normalization.hpp>

namespace engraft {

namespace detail {

/// For each byte of a text, the bytes that it comes from in the text that the user gave; empty if nobody asks. A byte
/// that a tokenizer's step put in comes from no bytes, where it stands.
using origins = std::vector<byte_range>;

/// Of a text that is `size` bytes of the given text from `begin` on.
inline origins own_origins(std::size_t begin, std::size_t size) {
    origins of;
    of.reserve(size);
    for (std::size_t i = begin; i < begin + size; ++i)
        of.push_back({i, i + 1});
    return of;
}

/// Where some neighbouring bytes of a text come from together.
inline byte_range together(std::span<byte_range const> of) {
    byte_range all;
    bool first = true;
    for (auto const& r : of)
        if (!r.empty()) {
            all = first ? r : byte_range{std::min(all.begin, r.begin), std::max(all.end, r.end)};
            first = false;
        }
    return first && !of.empty() ? of.front() : all;
}

/// Some of the bytes; nothing if nobody asks.
inline origins some_of(origins const& of, std::size_t begin, std::size_t size) {
    if (of.empty())
        return {};
    auto const from = of.begin() + static_cast<std::ptrdiff_t>(begin);
    return {from, from + static_cast<std::ptrdiff_t>(size)};
}

/// `count` bytes that are put before the text.
inline void put_in_front(origins& of, std::size_t count) {
    if (!of.empty())
        of.insert(of.begin(), count, {of.front().begin, of.front().begin});
}

/// Normalization form C, and where its bytes come from. An ASCII character and what follows it up to the next one
/// (its accents, or a word of another script) are normalized together, which changes nothing: no character composes
/// with an ASCII character behind it. What changes in such a stretch comes from all of the stretch that is not the
/// same at its ends.
inline std::string composed_characters(std::string_view text, origins& of) {
    if (of.empty())
        return nfc(text);
    std::string out;
    origins now;
    for (std::size_t begin = 0; begin < text.size();) {
        std::size_t end = begin + 1;
        while (end < text.size() && static_cast<unsigned char>(text[end]) >= 0x80)
            ++end;
        auto const old = text.substr(begin, end - begin);
        auto const made = nfc(old);
        auto const most = std::min(old.size(), made.size());
        std::size_t front = 0, back = 0;
        while (front < most && old[front] == made[front])
            ++front;
        while (back < most - front && old[old.size() - 1 - back] == made[made.size() - 1 - back])
            ++back;
        auto const changed = together(std::span(of).subspan(begin + front, old.size() - front - back));
        for (std::size_t i = 0; i < made.size(); ++i)
            now.push_back(i < front ? of[begin + i] : i >= made.size() - back ? of[end - (made.size() - i)] : changed);
        out += made;
        begin = end;
    }
    of = std::move(now);
    return out;
}

} // namespace detail

} // namespace engraft
