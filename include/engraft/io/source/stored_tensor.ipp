#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/core/numeric.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/stored_tensor.hpp>

namespace engraft {

namespace detail {

template <class T, class Stored>
bool converts(Stored from, T& to) {
    if constexpr (std::same_as<T, float> && std::same_as<Stored, double>) {
        if (std::isfinite(from) && std::abs(from) > static_cast<double>(std::numeric_limits<float>::max()))
            return false;
    } else if constexpr (std::same_as<T, std::int64_t> && std::same_as<Stored, std::uint64_t>) {
        if (from > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
            return false;
    }
    to = static_cast<T>(from);
    return true;
}

/// Converts elements from unaligned bytes; returns how many came through before one that T can't hold.
template <class Stored, class T, class Decode>
std::size_t convert_elements(std::byte const* from, std::span<T> out, Decode decode) {
    if constexpr (std::same_as<Stored, T>) {
        if (!out.empty())
            std::memcpy(out.data(), from, out.size_bytes());
        return out.size();
    } else {
        for (std::size_t i = 0; i < out.size(); ++i) {
            Stored bits;
            std::memcpy(&bits, from + i * sizeof(Stored), sizeof(Stored));
            if (!converts(decode(bits), out[i]))
                return i;
        }
        return out.size();
    }
}

/// Elements first .. first + out.size() of blocks; returns how many.
template <class T>
std::size_t dequantize_elements(dtype_facts const& facts, std::byte const* from, std::size_t first, std::span<T> out) {
    float block[256];
    for (std::size_t done = 0; done < out.size();) {
        std::size_t const at = (first + done) % facts.elements;
        std::size_t const count = std::min(facts.elements - at, out.size() - done);
        dequantize(facts.dtype, from + (first + done) / facts.elements * facts.bytes, block);
        for (std::size_t i = 0; i < count; ++i)
            out[done + i] = static_cast<T>(block[at + i]);
        done += count;
    }
    return out.size();
}

/// Elements first .. first + out.size(), which are there; returns how many came through before one that T can't hold.
template <class T>
std::size_t convert(stored_tensor const& tensor, std::size_t first, std::span<T> out) {
    auto const& facts = facts_of(tensor.dtype);
    std::byte const* const from = tensor.bytes.data() + (facts.elements == 1 ? first * facts.bytes : 0);
    auto const same = [](auto value) { return value; };
    switch (tensor.dtype) {
    case dtype::boolean:
        return convert_elements<std::uint8_t>(from, out, [](std::uint8_t b) { return std::uint8_t(b != 0); });
    case dtype::u8:
        return convert_elements<std::uint8_t>(from, out, same);
    case dtype::i8:
        return convert_elements<std::int8_t>(from, out, same);
    case dtype::u16:
        return convert_elements<std::uint16_t>(from, out, same);
    case dtype::i16:
        return convert_elements<std::int16_t>(from, out, same);
    case dtype::u32:
        return convert_elements<std::uint32_t>(from, out, same);
    case dtype::i32:
        return convert_elements<std::int32_t>(from, out, same);
    case dtype::u64:
        return convert_elements<std::uint64_t>(from, out, same);
    case dtype::i64:
        return convert_elements<std::int64_t>(from, out, same);
    case dtype::f16:
        return convert_elements<std::uint16_t>(from, out, from_float16);
    case dtype::bf16:
        return convert_elements<std::uint16_t>(from, out, from_bfloat16);
    case dtype::f32:
        return convert_elements<float>(from, out, same);
    case dtype::f64:
        return convert_elements<double>(from, out, same);
    case dtype::q4_0:
    case dtype::q4_1:
    case dtype::q5_0:
    case dtype::q5_1:
    case dtype::q8_0:
    case dtype::q2_k:
    case dtype::q3_k:
    case dtype::q4_k:
    case dtype::q5_k:
    case dtype::q6_k:
        return dequantize_elements(facts, from, first, out);
    default:
        return 0;
    }
}

/// The first of some elements that is NaN or infinite, or their number: one whose bits have all of the exponent's set.
/// Compilers compare many at a time, whatever they assume about NaN.
template <std::unsigned_integral Bits>
std::size_t first_not_finite(void const* elements, std::size_t count, Bits exponent) {
    auto const* const from = static_cast<std::byte const*>(elements);
    auto const exponent_at = [&](std::size_t i) {
        Bits bits;
        std::memcpy(&bits, from + i * sizeof(Bits), sizeof(Bits));
        return static_cast<Bits>(bits & exponent);
    };
    auto const lowest = static_cast<Bits>(exponent & (~exponent + 1)); // which carries into the sign if all are set
    constexpr std::size_t block = 256;
    for (std::size_t begin = 0; begin < count; begin += block) {
        std::size_t const end = std::min(begin + block, count);
        Bits carries = 0;
        if (end == begin + block)
            for (std::size_t i = 0; i < block; ++i)
                carries = static_cast<Bits>(carries | (exponent_at(begin + i) + lowest));
        if (end == begin + block && carries >> (sizeof(Bits) * 8 - 1) == 0)
            continue;
        for (std::size_t i = begin; i < end; ++i)
            if (exponent_at(i) == exponent)
                return i;
    }
    return count;
}

/// The same for elements of a tensor as they are stored; those of blocks, as they were made in `out`.
template <class T>
std::size_t first_not_finite(stored_tensor const& tensor, std::size_t first, std::span<T const> out) {
    auto const& facts = facts_of(tensor.dtype);
    auto const* const from = tensor.bytes.data() + (facts.elements == 1 ? first * facts.bytes : 0);
    constexpr std::uint32_t f32 = 0x7F800000;
    constexpr std::uint64_t f64 = 0x7FF0000000000000;
    switch (tensor.dtype) {
    case dtype::f16:
        return first_not_finite(from, out.size(), std::uint16_t{0x7C00});
    case dtype::bf16:
        return first_not_finite(from, out.size(), std::uint16_t{0x7F80});
    case dtype::f32:
        return first_not_finite(from, out.size(), f32);
    case dtype::f64:
        return first_not_finite(from, out.size(), f64);
    default:
        if constexpr (std::same_as<T, float>)
            return first_not_finite(out.data(), out.size(), f32);
        else if constexpr (std::same_as<T, double>)
            return first_not_finite(out.data(), out.size(), f64);
        else
            return out.size(); // integers
    }
}

/// An element's place in a tensor: "[2, 3]".
inline std::string index_text(std::span<std::size_t const> shape, std::size_t element) {
    std::string text;
    for (auto n = shape.rbegin(); n != shape.rend(); ++n) {
        text = std::to_string(element % *n) + (text.empty() ? "" : ", ") + text;
        element /= *n;
    }
    return "[" + text + "]";
}

template <class T>
void require_finite_elements(stored_tensor const& tensor, std::size_t first, std::span<T const> out,
                             std::string const& label) {
    if (auto const bad = first_not_finite(tensor, first, out); bad < out.size())
        throw bad_file(label, {"the element ", index_text(tensor.shape, first + bad), " is ",
                               number_text(static_cast<double>(out[bad])),
                               ", and weights must be finite numbers; the file is damaged, or the training failed"});
}

} // namespace detail

ENGRAFT_BODY std::string shape_text(std::span<std::size_t const> shape) {
    constexpr std::size_t shown = 8; // no honest file has more, a dishonest one could fill a message with them
    std::string text;
    for (auto const s : shape.first(std::min(shape.size(), shown)))
        text += (text.empty() ? "" : " x ") + std::to_string(s);
    if (shape.size() > shown)
        text += " x ... (" + std::to_string(shape.size()) + " dimensions)";
    return text.empty() ? "scalar" : text;
}

template <readable_number T>
void read_elements(stored_tensor const& tensor, std::size_t first, std::span<T> out, std::string const& label,
                   element_check check) {
    std::size_t const size = tensor.size();
    if (first > size || out.size() > size - first)
        throw bad_input({label, ": elements ", first, " to ", first + out.size(),
                         " were asked for, but the tensor of shape ", shape_text(tensor.shape), " has ", size});
    if (std::same_as<T, std::int64_t> && (tensor.dtype >= dtype::f16))
        throw bad_file(label, {"the tensor holds ", to_string(tensor.dtype), ", and integers were asked for"});
    if (tensor.dtype > dtype::q6_k)
        throw bad_file(label, {"numbers of type ", to_string(tensor.dtype), " are not converted; ",
                               "store the tensor as F32, F16 or BF16"});

    constexpr std::size_t piece = 1 << 12; // elements, which are checked while they are in the processor's cache
    for (std::size_t at = 0; at < out.size(); at += piece) {
        auto const part = out.subspan(at, std::min(piece, out.size() - at));
        if (auto const done = detail::convert(tensor, first + at, part); done != part.size())
            throw bad_file(label, {"element ", first + at + done, " is too large for the type it is read as"});
        if (check == element_check::finite)
            detail::require_finite_elements<T>(tensor, first + at, part, label);
    }
}

} // namespace engraft
