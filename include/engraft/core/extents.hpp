#pragma once

#include <array>
#include <cstddef>
#include <string>

namespace engraft {

/// Marks a dimension that is known at run time only, such as the number of rows of a batch.
inline constexpr std::size_t dynamic = static_cast<std::size_t>(-1);

/// Shape of a row-major tensor; dimensions that the description fixes are part of the type.
///
///     extents<dynamic, 9, 64> z(53);   // 53 rows of 9 heads of 64
///     z[0] == 53, z[2] == 64, z.size() == 53 * 9 * 64, z.row_size() == 9 * 64
template <std::size_t... Dimensions>
class extents {
public:
    static constexpr std::size_t rank = sizeof...(Dimensions);
    static constexpr std::array<std::size_t, rank> fixed{Dimensions...};
    static constexpr std::size_t dynamic_rank = ((Dimensions == dynamic ? 1 : 0) + ... + 0);

    constexpr extents() = default;

    /// Takes the dynamic dimensions, in order.
    template <class... Sizes>
        requires(sizeof...(Sizes) == dynamic_rank && sizeof...(Sizes) > 0)
    constexpr explicit extents(Sizes... sizes) {
        std::array<std::size_t, dynamic_rank> given{static_cast<std::size_t>(sizes)...};
        for (std::size_t d = 0, next = 0; d < rank; ++d)
            if (fixed[d] == dynamic)
                sizes_[d] = given[next++];
    }

    constexpr std::size_t operator[](std::size_t d) const { return sizes_[d]; }

    constexpr std::size_t size() const {
        std::size_t n = 1;
        for (auto s : sizes_)
            n *= s;
        return n;
    }

    /// Elements of one row: the product of all dimensions but the first.
    constexpr std::size_t row_size() const {
        std::size_t n = 1;
        for (std::size_t d = 1; d < rank; ++d)
            n *= sizes_[d];
        return n;
    }

    friend constexpr bool operator==(extents const&, extents const&) = default;

private:
    static constexpr std::array<std::size_t, rank> initial() {
        auto sizes = fixed;
        for (auto& s : sizes)
            if (s == dynamic)
                s = 0;
        return sizes;
    }

    std::array<std::size_t, rank> sizes_ = initial();
};

/// "53 x 9 x 64", for messages.
template <std::size_t... Dimensions>
std::string to_string(extents<Dimensions...> const& e) {
    std::string text;
    for (std::size_t d = 0; d < e.rank; ++d)
        text += (d ? " x " : "") + std::to_string(e[d]);
    return text;
}

} // namespace engraft
