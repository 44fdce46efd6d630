#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <engraft/core/linkage.hpp>

namespace engraft {

static_assert(std::endian::native == std::endian::little, "weight files are little-endian, and so must the machine be");

/// How a file stores numbers: integers, floating point, then blocks of quantised ones (GGUF files). Those behind q6_k
/// can stand in a file but are not converted to other numbers.
// clang-format off
enum class dtype {
    boolean, u8, i8, u16, i16, u32, i32, u64, i64,
    f16, bf16, f32, f64,
    q4_0, q4_1, q5_0, q5_1, q8_0, q2_k, q3_k, q4_k, q5_k, q6_k,
    f8_e4m3, f8_e5m2, f8_e8m0, c64,
};
// clang-format on

struct dtype_facts {
    engraft::dtype dtype;
    std::string_view name; ///< in safetensors files and in messages
    std::size_t bytes;     ///< of a number, or of a block of so many numbers
    std::size_t elements = 1;
};

inline constexpr dtype_facts dtypes[] = {
    {dtype::boolean, "BOOL", 1},
    {dtype::u8, "U8", 1},
    {dtype::i8, "I8", 1},
    {dtype::u16, "U16", 2},
    {dtype::i16, "I16", 2},
    {dtype::u32, "U32", 4},
    {dtype::i32, "I32", 4},
    {dtype::u64, "U64", 8},
    {dtype::i64, "I64", 8},
    {dtype::f16, "F16", 2},
    {dtype::bf16, "BF16", 2},
    {dtype::f32, "F32", 4},
    {dtype::f64, "F64", 8},
    {dtype::f8_e4m3, "F8_E4M3", 1},
    {dtype::f8_e5m2, "F8_E5M2", 1},
    {dtype::f8_e8m0, "F8_E8M0", 1},
    {dtype::c64, "C64", 8},
    {dtype::q4_0, "Q4_0", 18, 32},
    {dtype::q4_1, "Q4_1", 20, 32},
    {dtype::q5_0, "Q5_0", 22, 32},
    {dtype::q5_1, "Q5_1", 24, 32},
    {dtype::q8_0, "Q8_0", 34, 32},
    {dtype::q2_k, "Q2_K", 84, 256},
    {dtype::q3_k, "Q3_K", 110, 256},
    {dtype::q4_k, "Q4_K", 144, 256},
    {dtype::q5_k, "Q5_K", 176, 256},
    {dtype::q6_k, "Q6_K", 210, 256},
};

constexpr dtype_facts const& facts_of(dtype type) {
    for (auto const& f : dtypes)
        if (f.dtype == type)
            return f;
    return dtypes[0];
}

/// The dtype of that name in safetensors files, which have no blocks.
constexpr std::optional<dtype> dtype_named(std::string_view name) {
    for (auto const& f : dtypes)
        if (f.name == name && f.elements == 1)
            return f.dtype;
    return std::nullopt;
}

constexpr std::string_view to_string(dtype type) { return facts_of(type).name; }

/// Whether weights may be stored in this type: floating point numbers, or blocks that include their scale. Other types
/// can be converted, but the scale of a weight of such a type is stored elsewhere.
constexpr bool is_weight(dtype type) { return type >= dtype::f16 && type <= dtype::q6_k; }

/// What must hold of each element that is read.
enum class element_check { none, finite };

/// A tensor as it lies in a mapped file, row-major and at any alignment; somebody else owns the bytes. Who makes one
/// has checked that `bytes` holds exactly the elements of `shape`, in rows that are whole blocks.
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
std::string shape_text(std::span<std::size_t const> shape);

/// What weights and expected results can be read as.
template <class T>
concept readable_number = std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, std::int64_t>;

/// The elements of one block of a quantised type, as ggml computes them, each operation rounded to float. Of a block's
/// numbers n, and d, m and the like, which are fp16,
///   Q4_0  d (n - 8)       Q4_1  d n + m       Q8_0  d n          32 elements a block
///   Q5_0  d (n - 16)      Q5_1  d n + m                          32 elements a block
///   Q2_K  (d s) n - (m t), s and t of 4 bits for each 16         256 elements a block
///   Q3_K  (d (s - 32)) (n - 4), s of 6 bits for each 16          256 elements a block
///   Q4_K  (d s) n - (m t), s and t of 6 bits for each 32         256 elements a block
///   Q5_K  the same with n of 5 bits                              256 elements a block
///   Q6_K  (d s) (n - 32), s of 8 bits for each 16                256 elements a block
/// `out` has room for facts_of(type).elements; `block` may be at any alignment.
/// source  ggml's ggml-quants.c and the Python package gguf (gguf/quants.py)
void dequantize(dtype type, std::byte const* block, float* out);

/// Reads elements first .. first + out.size() of a stored tensor, in row-major order. Values that T holds come out
/// exactly; F64 and large integers are rounded to the nearest float or double, quantised ones are made by `dequantize`.
/// `label` begins messages: the file and the tensor's name. throws bad_input when the tensor has no such elements;
/// bad_file when floating point numbers are asked for as integers, a value is too large for T, or the dtype is not
/// convertible; and, if `check` is finite, when an element is NaN or infinite, naming its index
template <readable_number T>
void read_elements(stored_tensor const& tensor, std::size_t first, std::span<T> out, std::string const& label,
                   element_check check = element_check::none);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/dequantize.ipp>
#include <engraft/io/source/stored_tensor.ipp>
#endif
