#pragma once

#include <concepts>
#include <cstddef>
#include <string_view>

#include <engraft/core/error.hpp>

namespace engraft {

/// The number of an example, position, head or row as a caller writes it: any type of integer, signed or not. `below`
/// refuses a number that is negative or too large; functions of positions count negative ones from the end.
class integer {
public:
    template <std::integral Number>
    constexpr integer(Number value) : value_(static_cast<long long>(value)) {}

    constexpr long long value() const { return value_; }

    /// The number, which must be from 0 to count - 1. what: "row", for the message.
    /// throws bad_input otherwise
    constexpr std::size_t below(std::size_t count, std::string_view what) const {
        if (value_ < 0 || static_cast<std::size_t>(value_) >= count) [[unlikely]]
            refuse(count, what);
        return static_cast<std::size_t>(value_);
    }

private:
    [[noreturn, gnu::cold, gnu::noinline]] void refuse(std::size_t count, std::string_view what) const {
        throw bad_input(
            {"engraft [index.range]: ", what, ' ', value_, " was asked for; there are ", count, ", numbered from 0"});
    }

    long long value_;
};

} // namespace engraft
