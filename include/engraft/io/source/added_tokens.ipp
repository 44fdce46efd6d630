#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <engraft/io/text_pattern.hpp>
#include <engraft/io/tokenizer_parts.hpp>
#include <engraft/io/utf8.hpp>

namespace engraft {

namespace detail {

/// A stretch of a text that is an added token, or none.
struct stretch {
    std::string_view text;
    tokenizer_steps::added_token const* found = nullptr;
};

/// Finds added tokens in a text: the leftmost, of those the longest, then on behind it. `word` is a character of a
/// word.
class added_token_finder {
public:
    void add(std::string text, std::size_t index) {
        if (!text.empty())
            entries_.push_back({std::move(text), index});
    }
    void sort() {
        std::vector<std::size_t> order(entries_.size()); // which is quicker to compile a sort for than texts
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) {
            auto const &a = entries_[i].text, &b = entries_[j].text;
            auto const first_a = static_cast<unsigned char>(a[0]), first_b = static_cast<unsigned char>(b[0]);
            if (first_a != first_b)
                return first_a < first_b;
            return a.size() != b.size() ? a.size() > b.size() : i < j;
        });
        std::vector<entry> sorted;
        for (auto const i : order)
            sorted.push_back(std::move(entries_[i]));
        entries_ = std::move(sorted);
        begins_.fill(0);
        for (auto const& e : entries_)
            ++begins_[static_cast<unsigned char>(e.text[0]) + 1u];
        for (std::size_t b = 1; b < begins_.size(); ++b)
            begins_[b] += begins_[b - 1];
    }

    std::vector<stretch> cut(std::string_view text, std::vector<tokenizer_steps::added_token> const& added,
                             text_pattern const& word) const {
        std::vector<stretch> out;
        std::size_t done = 0;
        for (std::size_t at = 0; !entries_.empty() && at < text.size();) {
            auto const* const found = longest_at(text, at);
            if (!found) {
                ++at;
                continue;
            }
            auto const& candidate = added[found->index];
            std::size_t begin = at, end = at + found->text.size();
            at = end;
            if (begin < done)
                continue; // inside white space that the token before took along
            if (candidate.single_word &&
                (ends_with(text.substr(0, begin), word) || begins_with(text.substr(end), word)))
                continue;
            if (candidate.strip_left)
                begin = std::max(done, space_begin(text, begin));
            if (candidate.strip_right)
                end = space_end(text, end);
            if (begin > done)
                out.push_back({text.substr(done, begin - done)});
            out.push_back({text.substr(begin, end - begin), &candidate});
            done = end;
        }
        if (done < text.size())
            out.push_back({text.substr(done)});
        return out;
    }

private:
    struct entry {
        std::string text;
        std::size_t index;
    };

    entry const* longest_at(std::string_view text, std::size_t at) const {
        auto const first = static_cast<unsigned char>(text[at]);
        for (std::size_t i = begins_[first]; i < begins_[first + 1u]; ++i)
            if (text.substr(at).starts_with(entries_[i].text))
                return &entries_[i];
        return nullptr;
    }

    static bool ends_with(std::string_view text, text_pattern const& character) {
        std::size_t last = text.empty() ? 0 : text.size() - 1;
        while (last > 0 && (static_cast<unsigned char>(text[last]) & 0xC0) == 0x80)
            --last;
        return character.occurs(text.substr(last));
    }
    static bool begins_with(std::string_view text, text_pattern const& character) {
        return !text.empty() && character.occurs(text.substr(0, code_point_at(text, 0).length));
    }

    static bool is_space(char32_t c) {
        return (c >= 0x9 && c <= 0xD) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
               (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
    }
    static std::size_t space_begin(std::string_view text, std::size_t at) {
        while (at > 0) {
            std::size_t before = at - 1;
            while (before > 0 && (static_cast<unsigned char>(text[before]) & 0xC0) == 0x80)
                --before;
            if (!is_space(code_point_at(text, before).value))
                break;
            at = before;
        }
        return at;
    }
    static std::size_t space_end(std::string_view text, std::size_t at) {
        while (at < text.size()) {
            auto const c = code_point_at(text, at);
            if (!is_space(c.value))
                break;
            at += c.length;
        }
        return at;
    }

    std::vector<entry> entries_;
    std::array<std::size_t, 257> begins_{}; ///< entries of first byte b are begins_[b] .. begins_[b + 1]
};

} // namespace detail

} // namespace engraft
