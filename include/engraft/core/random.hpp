#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <numeric>
#include <utility>
#include <vector>

#include <engraft/core/error.hpp>

namespace engraft {

/// Random numbers that are the same on every machine, compiler and standard library.
///
/// Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): block n of a stream is a pure
/// function of (seed, stream, n), so that a device can make any part of a sequence by itself. 32-bit words are taken
/// from a block in order; 64-bit numbers are two words, low word first.
class random {
public:
    explicit random(std::uint64_t seed, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}

    /// Block n of the stream: four words.
    static constexpr std::array<std::uint32_t, 4> block(std::uint64_t seed, std::uint64_t stream, std::uint64_t n) {
        std::array<std::uint32_t, 4> c{std::uint32_t(n), std::uint32_t(n >> 32), std::uint32_t(stream),
                                       std::uint32_t(stream >> 32)};
        auto k0 = std::uint32_t(seed), k1 = std::uint32_t(seed >> 32);
        for (int round = 0; round < 10; ++round) {
            std::uint64_t const a = std::uint64_t{0xD2511F53u} * c[0], b = std::uint64_t{0xCD9E8D57u} * c[2];
            c = {std::uint32_t(b >> 32) ^ c[1] ^ k0, std::uint32_t(b), std::uint32_t(a >> 32) ^ c[3] ^ k1,
                 std::uint32_t(a)};
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        return c;
    }

    std::uint32_t word() {
        if (used_ == 4) {
            words_ = block(seed_, stream_, next_++);
            used_ = 0;
        }
        return words_[used_++];
    }

    std::uint64_t bits() {
        std::uint64_t const low = word();
        return low | (std::uint64_t(word()) << 32);
    }

    /// Uniform in [0, bound), without bias: numbers from the incomplete last interval are drawn again.
    std::uint64_t below(std::uint64_t bound) {
        if (bound == 0)
            throw bad_input("random::below needs a bound of at least 1");
        std::uint64_t const rejected = (0 - bound) % bound;
        for (;;)
            if (auto const x = bits(); x >= rejected)
                return x % bound;
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

    /// Standard normal, by Box and Muller's cosine branch; exact up to the C library's log and cos.
    double normal() {
        double const u = 1.0 - uniform(), angle = 2.0 * std::numbers::pi * uniform();
        return std::sqrt(-2.0 * std::log(u)) * std::cos(angle);
    }

    /// `count` different numbers of [0, n), in random order (the first steps of Fisher and Yates' shuffle).
    std::vector<std::size_t> sample(std::size_t n, std::size_t count) {
        if (count > n)
            throw bad_input({"cannot draw ", count, " different items from ", n});
        std::vector<std::size_t> items(n);
        std::iota(items.begin(), items.end(), std::size_t{0});
        for (std::size_t i = 0; i < count; ++i)
            std::swap(items[i], items[i + below(n - i)]);
        items.resize(count);
        return items;
    }

private:
    std::uint64_t seed_, stream_, next_ = 0;
    std::array<std::uint32_t, 4> words_{};
    std::size_t used_ = 4;
};

} // namespace engraft
