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
void read_elements(stored_tensor const& tensor, std::size_t first, std::span<T> out, std::string const& label) {
    std::size_t const size = tensor.size();
    if (first > size || out.size() > size - first)
        throw bad_input({label, ": elements ", first, " to ", first + out.size(),
                         " were asked for, but the tensor of shape ", shape_text(tensor.shape), " has ", size});
    if (std::same_as<T, std::int64_t> && (tensor.dtype >= dtype::f16))
        throw bad_file(label, {"the tensor holds ", to_string(tensor.dtype), ", and integers were asked for"});
    if (tensor.dtype > dtype::q6_k)
        throw bad_file(label, {"numbers of type ", to_string(tensor.dtype), " are not converted; ",
                               "store the tensor as F32, F16 or BF16"});

    auto const& facts = facts_of(tensor.dtype);
    std::byte const* const from = tensor.bytes.data() + (facts.elements == 1 ? first * facts.bytes : 0);
    auto const same = [](auto value) { return value; };
    std::size_t done = 0;
    switch (tensor.dtype) {
    case dtype::boolean:
        done = detail::convert_elements<std::uint8_t>(from, out, [](std::uint8_t b) { return std::uint8_t(b != 0); });
        break;
    case dtype::u8:
        done = detail::convert_elements<std::uint8_t>(from, out, same);
        break;
    case dtype::i8:
        done = detail::convert_elements<std::int8_t>(from, out, same);
        break;
    case dtype::u16:
        done = detail::convert_elements<std::uint16_t>(from, out, same);
        break;
    case dtype::i16:
        done = detail::convert_elements<std::int16_t>(from, out, same);
        break;
    case dtype::u32:
        done = detail::convert_elements<std::uint32_t>(from, out, same);
        break;
    case dtype::i32:
        done = detail::convert_elements<std::int32_t>(from, out, same);
        break;
    case dtype::u64:
        done = detail::convert_elements<std::uint64_t>(from, out, same);
        break;
    case dtype::i64:
        done = detail::convert_elements<std::int64_t>(from, out, same);
        break;
    case dtype::f16:
        done = detail::convert_elements<std::uint16_t>(from, out, from_float16);
        break;
    case dtype::bf16:
        done = detail::convert_elements<std::uint16_t>(from, out, from_bfloat16);
        break;
    case dtype::f32:
        done = detail::convert_elements<float>(from, out, same);
        break;
    case dtype::f64:
        done = detail::convert_elements<double>(from, out, same);
        break;
    case dtype::q4_0:
    case dtype::q4_1:
    case dtype::q8_0:
    case dtype::q4_k:
    case dtype::q6_k:
        done = detail::dequantize_elements(facts, from, first, out);
        break;
    case dtype::f8_e4m3:
    case dtype::f8_e5m2:
    case dtype::f8_e8m0:
    case dtype::c64:
        break;
    }
    if (done != out.size())
        throw bad_file(label, {"element ", first + done, " is too large for the type it is read as"});
}

} // namespace engraft
