#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <engraft/circuit/trained_mask.hpp>

namespace engraft {

/// One group's mask for one desideratum, as far as it is trained.
struct dcm_mask {
    std::string group, desideratum;
    trained_mask now;
    std::vector<double> best;    ///< weights with the best accuracy so far, 0 or 1; empty before the first evaluation
    std::vector<double> relaxed; ///< the same before rounding
    double best_accuracy = -1;
    double loss = 0; ///< of the last batch, before its step

    friend bool operator==(dcm_mask const&, dcm_mask const&) = default;
};

/// All that a training of masks has come to: what is kept so that it can go on later.
struct dcm_state {
    std::string of;       ///< what is trained, and how: a digest that must be the same to go on
    std::size_t step = 0; ///< batches that are done
    std::vector<dcm_mask> masks;

    friend bool operator==(dcm_state const&, dcm_state const&) = default;
};

namespace detail {

/// FNV-1a, 64 bits.
class digest {
public:
    digest& add(std::string_view bytes) {
        for (char const c : bytes)
            hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
        return *this;
    }
    digest& add(double x) { return add(std::string_view(reinterpret_cast<char const*>(&x), sizeof x)); }
    digest& add(std::uint64_t x) { return add(std::string_view(reinterpret_cast<char const*>(&x), sizeof x)); }

    std::string text() const {
        std::string hex;
        for (int shift = 60; shift >= 0; shift -= 4)
            hex += "0123456789abcdef"[hash_ >> shift & 15];
        return hex;
    }

private:
    std::uint64_t hash_ = 0xCBF29CE484222325u;
};

} // namespace detail
} // namespace engraft
