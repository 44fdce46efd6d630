#pragma once

#include <algorithm>
#include <cstring>
#include <optional>

#include <engraft/core/error.hpp>
#include <engraft/io/gguf.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/utf8.hpp>

namespace engraft::detail {

/// Arrays in arrays deeper than this have no honest use.
inline constexpr int gguf_nesting_limit = 4;
inline constexpr std::size_t gguf_most_dimensions = 4;
inline constexpr std::size_t gguf_longest_name = 65535;

inline constexpr std::size_t gguf_bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
inline constexpr std::string_view gguf_type_names[] = {
    "u8", "i8", "u16", "i16", "u32", "i32", "f32", "true or false", "text", "array", "u64", "i64", "f64"};

struct gguf_tensor_type {
    std::uint32_t number;
    std::string_view name;
    std::optional<engraft::dtype> read_as;
};

/// Types of tensors that ggml has or had, by their numbers in files.
inline constexpr gguf_tensor_type gguf_tensor_types[] = {
    {0, "F32", dtype::f32},    {1, "F16", dtype::f16},    {2, "Q4_0", dtype::q4_0},  {3, "Q4_1", dtype::q4_1},
    {6, "Q5_0", dtype::q5_0},  {7, "Q5_1", dtype::q5_1},  {8, "Q8_0", dtype::q8_0},  {9, "Q8_1", {}},
    {10, "Q2_K", dtype::q2_k}, {11, "Q3_K", dtype::q3_k}, {12, "Q4_K", dtype::q4_k}, {13, "Q5_K", dtype::q5_k},
    {14, "Q6_K", dtype::q6_k}, {15, "Q8_K", {}},          {16, "IQ2_XXS", {}},       {17, "IQ2_XS", {}},
    {18, "IQ3_XXS", {}},       {19, "IQ1_S", {}},         {20, "IQ4_NL", {}},        {21, "IQ3_S", {}},
    {22, "IQ2_S", {}},         {23, "IQ4_XS", {}},        {24, "I8", dtype::i8},     {25, "I16", dtype::i16},
    {26, "I32", dtype::i32},   {27, "I64", dtype::i64},   {28, "F64", dtype::f64},   {29, "IQ1_M", {}},
    {30, "BF16", dtype::bf16}, {34, "TQ1_0", {}},         {35, "TQ2_0", {}},         {39, "MXFP4", {}},
    {40, "NVFP4", {}},
};

/// Takes a GGUF file's header apart, front to back; nothing is taken that the file does not have.
class gguf_reader {
public:
    gguf_reader(std::span<std::byte const> bytes, std::string const& path) : bytes_(bytes), path_(path) {}

    std::size_t at() const { return at_; }

    template <class Number>
    Number take(std::string_view what) {
        Number number;
        std::memcpy(&number, take_bytes(sizeof(Number), what).data(), sizeof(Number));
        return number;
    }

    std::span<std::byte const> take_bytes(std::uint64_t count, std::string_view what) {
        if (count > bytes_.size() - at_)
            throw bad_file(path_, {"at byte ", at_, ", ", what, " takes ", count, " bytes, but the file has only ",
                                   bytes_.size() - at_, " more; it is truncated or damaged"});
        auto const taken = bytes_.subspan(at_, static_cast<std::size_t>(count));
        at_ += taken.size();
        return taken;
    }

    /// So many things of at least so many bytes each must still fit in the file; the first thing that is asked of a
    /// count that a file gives.
    std::size_t take_count(std::string_view what, std::size_t least_bytes) {
        auto const count = take<std::uint64_t>(what);
        if (count > (bytes_.size() - at_) / least_bytes)
            throw bad_file(path_, {what, " is said to be ", count, ", but the ", bytes_.size() - at_,
                                   " bytes that follow can't hold so many; the file is truncated or damaged"});
        return static_cast<std::size_t>(count);
    }

    std::string_view take_text(std::string_view what) {
        std::size_t const begin = at_;
        auto const length = take<std::uint64_t>(what);
        auto const raw = take_bytes(length, what);
        std::string_view const taken(reinterpret_cast<char const*>(raw.data()), raw.size());
        if (!is_utf8(taken))
            throw bad_file(path_, {"at byte ", begin, ", ", what, " is not valid UTF-8"});
        return taken;
    }

    std::string take_name(std::string_view what) {
        auto const taken = take_text(what);
        if (taken.empty() || taken.size() > gguf_longest_name)
            throw bad_file(path_, {what, " must have 1 to ", gguf_longest_name, " bytes, but has ", taken.size()});
        return std::string(taken);
    }

    gguf_value take_value(std::string const& key) {
        gguf_value value;
        value.type = take_type(key);
        value.is_array = value.type == gguf_type::array;
        std::size_t begin = at_;
        if (value.is_array) {
            value.type = take_type(key);
            value.count = take_count("the number of elements of '" + printable(key) + "'", least_bytes(value.type));
            begin = at_;
        }
        skip(value.type, value.count, key, 1);
        value.bytes = bytes_.subspan(begin, at_ - begin);
        return value;
    }

private:
    static std::size_t least_bytes(gguf_type type) {
        if (type == gguf_type::text)
            return 8;
        return type == gguf_type::array ? 12 : gguf_bytes[static_cast<std::size_t>(type)];
    }

    gguf_type take_type(std::string const& key) {
        auto const number = take<std::uint32_t>("the type of '" + printable(key) + "'");
        if (number > static_cast<std::uint32_t>(gguf_type::f64))
            throw bad_file(
                path_, {"'", printable(key), "' has a value of type ", number, ", which is none of GGUF's (0 to 12)"});
        return static_cast<gguf_type>(number);
    }

    void skip(gguf_type type, std::size_t count, std::string const& key, int depth) {
        if (type == gguf_type::text) {
            for (std::size_t i = 0; i < count; ++i)
                take_text("a text of '" + printable(key) + "'");
        } else if (type == gguf_type::array) {
            if (depth == gguf_nesting_limit)
                throw bad_file(path_,
                               {"'", printable(key), "' has arrays in arrays, deeper than ", gguf_nesting_limit});
            for (std::size_t i = 0; i < count; ++i) {
                auto const inner = take_type(key);
                skip(inner, take_count("the number of elements of '" + printable(key) + "'", least_bytes(inner)), key,
                     depth + 1);
            }
        } else {
            // The count fits: `take_count` asked.
            auto const raw = take_bytes(count * least_bytes(type), "'" + printable(key) + "'");
            if (type == gguf_type::boolean)
                for (auto const b : raw)
                    if (std::to_integer<unsigned>(b) > 1)
                        throw bad_file(path_, {"'", printable(key), "' must be true (1) or false (0), but is ",
                                               std::to_integer<unsigned>(b)});
        }
    }

    std::span<std::byte const> bytes_;
    std::string const& path_;
    std::size_t at_ = 0;
};

inline gguf_tensor_type const& gguf_tensor_type_of(std::uint32_t number, std::string const& where) {
    std::string readable;
    for (auto const& type : gguf_tensor_types) {
        if (type.read_as)
            readable += (readable.empty() ? "" : ", ") + std::string(type.name);
        if (type.number == number && type.read_as)
            return type;
    }
    for (auto const& type : gguf_tensor_types)
        if (type.number == number)
            throw bad_file(where, {"unsupported: its type is ", type.name, "; read are ", readable,
                                   "; quantise the model to one of them"});
    throw bad_file(where, {"its type ", number, " is none of GGUF's; read are ", readable});
}

/// Where a tensor lies, in the order in which files list them.
struct gguf_place {
    std::size_t begin, end;
    std::string_view name;
};

/// A tensor's line in the list; its bytes are found once it is known where those of all tensors begin.
struct gguf_listed {
    stored_tensor tensor;
    std::uint64_t offset;
    std::size_t bytes;
};

inline gguf_listed take_listed(gguf_reader& from, std::string const& where) {
    gguf_listed listed{};
    auto const dimensions = from.take<std::uint32_t>("a tensor's number of dimensions");
    if (dimensions == 0 || dimensions > gguf_most_dimensions)
        throw bad_file(where, {"it must have 1 to ", gguf_most_dimensions, " dimensions, but has ", dimensions});
    // What comes out is at most 2^62 elements of at most 8 bytes in blocks of more than one, so that nothing wraps
    // around.
    constexpr std::uint64_t most = std::uint64_t{1} << 59;
    std::uint64_t size = 1;
    for (std::uint32_t i = 0; i < dimensions; ++i) {
        auto const n = from.take<std::uint64_t>("a tensor's dimension");
        if (n == 0 || n > most / size)
            throw bad_file(where, {"its dimension ", i, " is ", n,
                                   n == 0 ? ", so that it has no elements"
                                          : ", so that it has more elements than can "
                                            "be counted"});
        size *= n;
        listed.tensor.shape.push_back(static_cast<std::size_t>(n));
    }
    auto const& facts = facts_of(*gguf_tensor_type_of(from.take<std::uint32_t>("a tensor's type"), where).read_as);
    listed.tensor.dtype = facts.dtype;
    if (listed.tensor.shape[0] % facts.elements != 0)
        throw bad_file(where, {"its rows of ", listed.tensor.shape[0], " elements are no whole number of blocks of ",
                               facts.name, ", which have ", facts.elements});
    listed.bytes = static_cast<std::size_t>(size / facts.elements * facts.bytes);
    listed.offset = from.take<std::uint64_t>("a tensor's offset");
    // The file's first dimension is the one whose elements are neighbours.
    std::reverse(listed.tensor.shape.begin(), listed.tensor.shape.end());
    return listed;
}

/// throws bad_file where tensors overlap or leave more unused bytes than the alignment asks for
inline void check_places(std::vector<gguf_place>& places, std::size_t size, std::size_t alignment,
                         std::string const& path) {
    std::sort(places.begin(), places.end(), [](gguf_place const& a, gguf_place const& b) { return a.begin < b.begin; });
    std::size_t next = 0;
    for (auto const& place : places) {
        if (place.begin < next)
            throw bad_file(path, {"tensor '", printable(place.name), "' begins at byte ", place.begin,
                                  " of the data, inside another tensor that ends at ", next});
        if (place.begin - next >= alignment)
            throw bad_file(path, {"the bytes ", next, " to ", place.begin, " of the data belong to no tensor"});
        next = place.end;
    }
    if (size > next && size - next >= alignment)
        throw bad_file(path, {size - next, " bytes follow the last tensor"});
}

} // namespace engraft::detail
