#pragma once

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>
#include <limits>
#include <utility>

#include <engraft/core/error.hpp>
#include <engraft/io/gguf.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/source/gguf_reader.ipp>
#include <engraft/io/utf8.hpp>

namespace engraft {

namespace detail {

/// The shortest decimal that is the float, as a double: 1e-5 for the float next to it, as a config.json has it.
inline double shortest_decimal(float value) {
    char text[64];
    auto const written = std::to_chars(text, text + sizeof(text), value);
    double shortest = value;
    std::from_chars(text, written.ptr, shortest);
    return shortest;
}

inline double gguf_number_at(gguf_value const& value, std::size_t i) {
    auto const as = [&](auto number) {
        std::memcpy(&number, value.bytes.data() + i * sizeof(number), sizeof(number));
        return number;
    };
    switch (value.type) {
    case gguf_type::u8:
    case gguf_type::boolean:
        return as(std::uint8_t{});
    case gguf_type::i8:
        return as(std::int8_t{});
    case gguf_type::u16:
        return as(std::uint16_t{});
    case gguf_type::i16:
        return as(std::int16_t{});
    case gguf_type::u32:
        return as(std::uint32_t{});
    case gguf_type::i32:
        return as(std::int32_t{});
    case gguf_type::f32:
        return shortest_decimal(as(float{}));
    case gguf_type::u64:
        return static_cast<double>(as(std::uint64_t{}));
    case gguf_type::i64:
        return static_cast<double>(as(std::int64_t{}));
    case gguf_type::f64:
        return as(double{});
    case gguf_type::text:
    case gguf_type::array:
        break;
    }
    return 0;
}

inline bool is_number(gguf_type type) {
    return type != gguf_type::text && type != gguf_type::array && type != gguf_type::boolean;
}
inline bool is_whole(gguf_type type) { return is_number(type) && type != gguf_type::f32 && type != gguf_type::f64; }

} // namespace detail

ENGRAFT_BODY gguf_file::gguf_file(std::filesystem::path const& path) : file_(path) {
    auto const bytes = file_.bytes();
    auto const& name = file_.path();
    detail::gguf_reader from(bytes, name);
    if (!file_.text().starts_with("GGUF"))
        throw bad_file(name, {"a GGUF file begins with 'GGUF', but this one with '",
                              detail::printable(file_.text().substr(0, 4)), "'"});
    from.take_bytes(4, "GGUF");
    auto const version = from.take<std::uint32_t>("the version");
    if (version == 0x02000000 || version == 0x03000000)
        throw bad_file(name, "this GGUF file is big-endian; only little-endian ones are read");
    if (version != 2 && version != 3)
        throw bad_file(name, {"this GGUF file has the version ", version, "; read are 2 and 3"});
    std::size_t const tensors = from.take_count("the number of tensors", 32);
    std::size_t const values = from.take_count("the number of metadata", 13);

    for (std::size_t i = 0; i < values; ++i) {
        auto const key = from.take_name("the name of a value");
        auto const value = from.take_value(key);
        if (!metadata_.emplace(key, value).second)
            throw bad_file(name, {"the key '", detail::printable(key), "' stands twice"});
    }
    auto const alignment = static_cast<std::size_t>(whole_or("general.alignment", 32, 1, 1 << 20));
    if (alignment % 8 != 0 || !std::has_single_bit(alignment))
        throw bad_file(name, {"'general.alignment' must be a power of two and a multiple of 8, but is ", alignment});

    std::vector<std::pair<std::string, detail::gguf_listed>> listed;
    for (std::size_t i = 0; i < tensors; ++i) {
        auto const tensor = from.take_name("the name of a tensor");
        listed.emplace_back(tensor, detail::take_listed(from, name + ": tensor '" + detail::printable(tensor) + "'"));
    }
    std::size_t const padding = (alignment - from.at() % alignment) % alignment;
    if (tensors > 0 && padding > bytes.size() - from.at())
        throw bad_file(name, "the file ends before the bytes of its tensors; it is truncated");
    auto const data = bytes.subspan(std::min(from.at() + padding, bytes.size()));

    std::vector<detail::gguf_place> places;
    for (auto& [tensor, line] : listed) {
        std::string const where = name + ": tensor '" + detail::printable(tensor) + "'";
        if (line.offset % alignment != 0)
            throw bad_file(where,
                           {"it begins at byte ", line.offset, " of the data, which is no multiple of ", alignment});
        if (line.offset > data.size() || line.bytes > data.size() - static_cast<std::size_t>(line.offset))
            throw bad_file(where, {"it takes ", line.bytes, " bytes from byte ", line.offset,
                                   " of the data on, but the file has only ", data.size(), "; it is truncated"});
        auto const begin = static_cast<std::size_t>(line.offset);
        line.tensor.bytes = data.subspan(begin, line.bytes);
        auto const [at, fresh] = tensors_.emplace(tensor, std::move(line.tensor));
        if (!fresh)
            throw bad_file(where, "it stands twice");
        places.push_back({begin, begin + line.bytes, at->first});
    }
    detail::check_places(places, data.size(), alignment, name);
}

ENGRAFT_BODY gguf_value const& gguf_file::require(std::string_view key) const {
    if (auto const at = metadata_.find(key); at != metadata_.end())
        return at->second;
    throw bad_file(path(), {"'", detail::printable(key), "' is missing from the metadata"});
}

ENGRAFT_BODY void gguf_file::wrong_kind(std::string_view key, std::string_view expected) const {
    throw bad_file(path(), {"'", detail::printable(key), "' must be ", expected, ", but is ", shown(key)});
}

ENGRAFT_BODY std::int64_t gguf_file::whole(std::string_view key, std::int64_t least, std::int64_t most) const {
    auto const& value = require(key);
    bool fits = !value.is_array && detail::is_whole(value.type);
    std::int64_t number = 0;
    if (fits && value.type == gguf_type::u64) {
        std::uint64_t raw;
        std::memcpy(&raw, value.bytes.data(), sizeof(raw));
        fits = raw <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
        number = fits ? static_cast<std::int64_t>(raw) : 0;
    } else if (fits && value.type == gguf_type::i64) {
        std::memcpy(&number, value.bytes.data(), sizeof(number));
    } else if (fits) {
        number = static_cast<std::int64_t>(detail::gguf_number_at(value, 0)); // of at most 32 bits, so exactly
    }
    if (!fits || number < least || number > most)
        throw bad_file(path(), {"'", detail::printable(key), "' must be a whole number from ", least, " to ", most,
                                ", but is ", shown(key)});
    return number;
}

ENGRAFT_BODY double gguf_file::number(std::string_view key) const {
    auto const& value = require(key);
    if (value.is_array || !detail::is_number(value.type))
        wrong_kind(key, "a number");
    double const number = detail::gguf_number_at(value, 0);
    if (!std::isfinite(number))
        wrong_kind(key, "a finite number");
    return number;
}

ENGRAFT_BODY bool gguf_file::flag(std::string_view key) const {
    auto const& value = require(key);
    if (value.is_array || value.type != gguf_type::boolean)
        wrong_kind(key, "true or false");
    return detail::gguf_number_at(value, 0) != 0;
}

ENGRAFT_BODY std::string gguf_file::text(std::string_view key) const {
    auto const& value = require(key);
    if (value.is_array || value.type != gguf_type::text)
        wrong_kind(key, "a text");
    return std::string(detail::gguf_reader(value.bytes, path()).take_text(key));
}

ENGRAFT_BODY std::vector<std::string> gguf_file::texts(std::string_view key) const {
    auto const& value = require(key);
    if (!value.is_array || value.type != gguf_type::text)
        wrong_kind(key, "an array of texts");
    detail::gguf_reader from(value.bytes, path());
    std::vector<std::string> all;
    all.reserve(value.count);
    for (std::size_t i = 0; i < value.count; ++i)
        all.emplace_back(from.take_text(key));
    return all;
}

ENGRAFT_BODY std::vector<double> gguf_file::numbers(std::string_view key) const {
    auto const& value = require(key);
    if (!value.is_array || !detail::is_number(value.type))
        wrong_kind(key, "an array of numbers");
    std::vector<double> all(value.count);
    for (std::size_t i = 0; i < value.count; ++i)
        all[i] = detail::gguf_number_at(value, i);
    return all;
}

ENGRAFT_BODY std::string gguf_file::shown(std::string_view key) const {
    auto const& value = require(key);
    if (value.is_array)
        return "an array of " + std::to_string(value.count) + " (" +
               std::string(detail::gguf_type_names[static_cast<std::size_t>(value.type)]) + ")";
    if (value.type == gguf_type::text)
        return "'" + detail::printable(text(key), 60) + "'";
    double const number = detail::gguf_number_at(value, 0);
    if (value.type == gguf_type::boolean)
        return number != 0 ? "true" : "false";
    return detail::number_text(number);
}

ENGRAFT_BODY bool is_gguf(std::filesystem::path const& path) {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(path, ignored))
        return false;
    if (path.extension() == ".gguf")
        return true;
    char magic[4] = {};
    std::ifstream(path, std::ios::binary).read(magic, sizeof(magic));
    return std::string_view(magic, sizeof(magic)) == "GGUF";
}

} // namespace engraft
