#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

/// Eight numbers at a time, by the vector types that GCC and Clang share; processors without such registers get the
/// same bits from shorter ones. Sums are kept in eight lanes which are added in one order: what is added never depends
/// on how many numbers stand beside it.
namespace engraft::detail {

inline constexpr std::size_t lane_count = 8;

template <class T>
struct lane_types {
    typedef T numbers __attribute__((vector_size(lane_count * sizeof(T))));
};
template <class T>
using lanes = typename lane_types<T>::numbers;

/// Loads and stores of any alignment; a part beyond `count` is zero and not stored.
template <class T>
inline void load(lanes<T>& to, T const* from) {
    std::memcpy(&to, from, sizeof(to));
}
template <class T>
inline void load(lanes<T>& to, T const* from, std::size_t count) {
    to = lanes<T>{};
    std::memcpy(&to, from, count * sizeof(T));
}
template <class T>
inline void store(T* to, lanes<T> const& from) {
    std::memcpy(to, &from, sizeof(from));
}
template <class T>
inline void store(T* to, lanes<T> const& from, std::size_t count) {
    std::memcpy(to, &from, count * sizeof(T));
}

/// sum + a * b, rounded once where the program is compiled for a processor that can.
template <class T>
[[gnu::always_inline]] inline void add_product(lanes<T>& sum, lanes<T> const& a, lanes<T> const& b) {
#if defined(__FMA__) && defined(__AVX2__) // not by <immintrin.h>, which is a third of all that a program would read
    if constexpr (std::is_same_v<T, float>) {
#if __has_builtin(__builtin_elementwise_fma)
        sum = __builtin_elementwise_fma(a, b, sum);
#else
        sum = __builtin_ia32_vfmaddps256(a, b, sum);
#endif
        return;
    }
#endif
    sum += a * b;
}

template <class T>
[[gnu::always_inline]] inline T sum_of(lanes<T> const& x) {
    return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

/// x becomes e^x, to 2 units in the last place; 0 where x is below the smallest normal number's logarithm, and e^88
/// from there on. With n = round(x / ln 2) it is 2^n times the series of e^(x - n ln 2) up to the 7th power, which
/// leaves out less than 6e-9; ln 2 is two numbers, so that n times the first is exact.
inline void exponential(lanes<float>& x) {
    typedef std::int32_t integers __attribute__((vector_size(lane_count * sizeof(std::int32_t))));
    integers const tiny = x < -87.33654f;
    integers const large = x > 88.0f;
    lanes<float> const bounded = large ? lanes<float>{} + 88.0f : (tiny ? lanes<float>{} - 87.33654f : x);
    lanes<float> const magic = lanes<float>{} + 12582912.0f; // 1.5 * 2^23: adding it rounds to a whole number
    lanes<float> const shifted = bounded * 1.44269504f + magic;
    lanes<float> const n = shifted - magic;
    lanes<float> const r = (bounded - n * 0.693359375f) + n * 2.12194440e-4f;
    lanes<float> p = r * 1.9841270e-4f + 1.3888889e-3f;
    p = p * r + 8.3333333e-3f;
    p = p * r + 4.1666667e-2f;
    p = p * r + 1.6666667e-1f;
    p = p * r + 0.5f;
    p = p * r * r + r + 1.0f;
    integers const exponent = __builtin_convertvector(n, integers);
    integers const power = (exponent + 127) << 23;
    lanes<float> factor;
    std::memcpy(&factor, &power, sizeof(factor));
    x = tiny ? lanes<float>{} : p * factor;
}

inline void exponential(lanes<double>& x) {
    for (std::size_t i = 0; i < lane_count; ++i)
        x[i] = std::exp(x[i]);
}

/// f(lanes&) on every element of a row.
template <class T, class F>
inline void each_lane(T* row, std::size_t count, F const& f) {
    lanes<T> x;
    std::size_t i = 0;
    for (; i + lane_count <= count; i += lane_count) {
        load<T>(x, row + i);
        f(x);
        store<T>(row + i, x);
    }
    if (i < count) {
        load<T>(x, row + i, count - i);
        f(x);
        store<T>(row + i, x, count - i);
    }
}

/// f(lanes& of a, lanes of b) on every pair of elements of two rows.
template <class T, class F>
inline void each_lane(T* a, T const* b, std::size_t count, F const& f) {
    lanes<T> x, y;
    std::size_t i = 0;
    for (; i + lane_count <= count; i += lane_count) {
        load<T>(x, a + i);
        load<T>(y, b + i);
        f(x, y);
        store<T>(a + i, x);
    }
    if (i < count) {
        load<T>(x, a + i, count - i);
        load<T>(y, b + i, count - i);
        f(x, y);
        store<T>(a + i, x, count - i);
    }
}

/// Logarithm of the sum of the exponentials of a row; every 256 terms are added up in double.
template <class T>
double log_sum_exp(T const* row, std::size_t count) {
    T const largest = *std::max_element(row, row + count);
    double sum = 0;
    for (std::size_t begin = 0; begin < count; begin += 256) {
        auto const end = std::min(begin + 256, count);
        lanes<T> sums{};
        for (std::size_t i = begin; i < end; i += lane_count) {
            lanes<T> x = lanes<T>{} - std::numeric_limits<T>::infinity();
            if (i + lane_count <= end)
                load<T>(x, row + i);
            else
                std::memcpy(&x, row + i, (end - i) * sizeof(T));
            x -= largest;
            exponential(x);
            sums += x;
        }
        sum += sum_of<T>(sums);
    }
    return largest + std::log(sum);
}

} // namespace engraft::detail
