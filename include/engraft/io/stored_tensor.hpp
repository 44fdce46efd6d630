#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/numeric.hpp>

namespace engraft {

static_assert(std::endian::native == std::endian::little, "weight files are little-endian, and so must the machine be");

/// How a file stores one number: integers, then floating point. Those behind f64 can stand in a file but are not
/// converted to other numbers.
// clang-format off
enum class dtype {
    boolean, u8, i8, u16, i16, u32, i32, u64, i64,
    f16, bf16, f32, f64,
    f8_e4m3, f8_e5m2, f8_e8m0, c64,
};
// clang-format on

struct dtype_facts {
    engraft::dtype dtype;
    std::string_view name; ///< in safetensors files and in messages
    std::size_t bytes;
};

inline constexpr dtype_facts dtypes[] = {
    {dtype::boolean, "BOOL", 1},    {dtype::u8, "U8", 1},           {dtype::i8, "I8", 1},
    {dtype::u16, "U16", 2},         {dtype::i16, "I16", 2},         {dtype::u32, "U32", 4},
    {dtype::i32, "I32", 4},         {dtype::u64, "U64", 8},         {dtype::i64, "I64", 8},
    {dtype::f16, "F16", 2},         {dtype::bf16, "BF16", 2},       {dtype::f32, "F32", 4},
    {dtype::f64, "F64", 8},         {dtype::f8_e4m3, "F8_E4M3", 1}, {dtype::f8_e5m2, "F8_E5M2", 1},
    {dtype::f8_e8m0, "F8_E8M0", 1}, {dtype::c64, "C64", 8},
};

constexpr dtype_facts const& facts_of(dtype type) {
    for (auto const& f : dtypes)
        if (f.dtype == type)
            return f;
    return dtypes[0];
}

constexpr std::optional<dtype> dtype_named(std::string_view name) {
    for (auto const& f : dtypes)
        if (f.name == name)
            return f.dtype;
    return std::nullopt;
}

constexpr std::string_view to_string(dtype type) { return facts_of(type).name; }

/// A tensor as it lies in a mapped file, row-major and at any alignment; somebody else owns the bytes. Who makes one
/// has checked that `bytes` holds exactly the elements of `shape`.
struct stored_tensor {
    engraft::dtype dtype = dtype::f32;
    std::vector<std::size_t> shape;
    std::span<std::byte const> bytes;

    /// Elements; 1 for a scalar, whose shape is empty.
    std::size_t size() const {
        std::size_t n = 1;
        for (auto const s : shape)
            n *= s;
        return n;
    }
};

/// "2 x 3", or "scalar".
inline std::string shape_text(std::span<std::size_t const> shape) {
    std::string text;
    for (auto const s : shape)
        text += (text.empty() ? "" : " x ") + std::to_string(s);
    return text.empty() ? "scalar" : text;
}

/// What weights and expected results can be read as.
template <class T>
concept readable_number = std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, std::int64_t>;

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

} // namespace detail

/// Reads elements first .. first + out.size() of a stored tensor, in row-major order. Values that T holds come out
/// exactly; F64 and large integers are rounded to the nearest float or double. NaN and infinity come through.
/// `label` begins messages: the file and the tensor's name.
/// throws bad_input when the tensor has no such elements; bad_file when floating point numbers are asked for as
/// integers, a value is too large for T, or the dtype is not convertible
template <readable_number T>
void read_elements(stored_tensor const& tensor, std::size_t first, std::span<T> out, std::string const& label) {
    std::size_t const size = tensor.size();
    if (first > size || out.size() > size - first)
        throw bad_input({label, ": elements ", first, " to ", first + out.size(),
                         " were asked for, but the tensor of shape ", shape_text(tensor.shape), " has ", size});
    if (std::same_as<T, std::int64_t> && (tensor.dtype >= dtype::f16))
        throw bad_file(label, {"the tensor holds ", to_string(tensor.dtype), ", and integers were asked for"});
    if (tensor.dtype > dtype::f64)
        throw bad_file(label, {"numbers of type ", to_string(tensor.dtype), " are not converted; ",
                               "store the tensor as F32, F16 or BF16"});

    std::byte const* const from = tensor.bytes.data() + first * facts_of(tensor.dtype).bytes;
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
