#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace engraft {

/// A 64-bit hash of a sequence of numbers, texts and lists, the same on every machine: it tells inputs apart that
/// differ by accident, not such as are made to collide.
///
///     hasher h;
///     h.add(prompts.tokens()).add("last");
///     h.value();
class hasher {
public:
    template <class Number>
        requires(std::is_integral_v<Number> || std::is_enum_v<Number>)
    hasher& add(Number number) { return word(static_cast<std::uint64_t>(number)); }
    /// By its bits: 0 and -0 differ.
    hasher& add(double number) { return word(std::bit_cast<std::uint64_t>(number)); }

    hasher& add(std::span<std::byte const> bytes) {
        word(bytes.size());
        for (; bytes.size() >= sizeof(std::uint64_t); bytes = bytes.subspan(sizeof(std::uint64_t)))
            word(first_word(bytes, sizeof(std::uint64_t)));
        return bytes.empty() ? *this : word(first_word(bytes, bytes.size()));
    }
    hasher& add(std::string_view text) { return add(std::as_bytes(std::span(text.data(), text.size()))); }
    hasher& add(char const* text) { return add(std::string_view(text)); }

    template <class T>
    hasher& add(std::vector<T> const& list) {
        word(list.size());
        for (auto const& item : list)
            add(item);
        return *this;
    }

    /// What something says of itself by add_to(hasher); nothing where it has no such function.
    template <class T>
    hasher& add_known(T const& t) {
        if constexpr (requires { t.add_to(*this); })
            t.add_to(*this);
        return *this;
    }

    /// The last step is that of SplitMix64. source Steele et al. 2014
    std::uint64_t value() const {
        auto h = state_;
        h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9u;
        h = (h ^ (h >> 27)) * 0x94D049BB133111EBu;
        return h ^ (h >> 31);
    }

private:
    static std::uint64_t first_word(std::span<std::byte const> bytes, std::size_t count) {
        static_assert(std::endian::native == std::endian::little);
        std::uint64_t w = 0;
        std::memcpy(&w, bytes.data(), count);
        return w;
    }

    hasher& word(std::uint64_t w) {
        state_ = std::rotl(state_ ^ (w * 0x9E3779B97F4A7C15u), 29) * 0xD6E8FEB86659FD93u + 0x2545F4914F6CDD1Du;
        return *this;
    }

    std::uint64_t state_ = 0x6A09E667F3BCC909u;
};

} // namespace engraft
