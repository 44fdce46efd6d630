#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/json.hpp>
#include <engraft/io/safetensors.hpp>

namespace engraft {

namespace detail {

inline stored_tensor read_entry(nlohmann::json const& entry, std::span<std::byte const> data,
                                std::string const& where) {
    stored_tensor tensor;
    require_only(entry, {"dtype", "shape", "data_offsets"}, where);
    auto const& type = require_string(entry, "dtype", where);
    if (auto const known = dtype_named(type))
        tensor.dtype = *known;
    else
        throw bad_file(where, {"unknown dtype '", printable(type), "'"});

    // What comes out is at most 2^63 - 1, so that no later sum or difference of sizes wraps around.
    constexpr std::size_t most = std::numeric_limits<std::size_t>::max() / 2;
    std::size_t size = facts_of(tensor.dtype).bytes;
    bool empty = false;
    for (auto const& dimension : require_array(entry, "shape", where)) {
        auto const n = static_cast<std::size_t>(as_int(dimension, "shape", where, 0, std::int64_t(most)));
        tensor.shape.push_back(n);
        if (n == 0)
            empty = true;
        else if (size > most / n)
            throw bad_file(where, {"the shape ", shape_text(tensor.shape), " has more bytes than can be counted"});
        else
            size *= n;
    }
    if (empty)
        size = 0;

    auto const& offsets = require_array(entry, "data_offsets", where);
    if (offsets.size() != 2)
        throw bad_file(where, {"'data_offsets' must be two numbers, but are ", offsets.size()});
    auto const offset = [&](std::size_t i) {
        return static_cast<std::size_t>(as_int(offsets[i], "data_offsets", where, 0, std::int64_t(most)));
    };
    std::size_t const begin = offset(0), end = offset(1);
    if (end < begin)
        throw bad_file(where, {"it ends at byte ", end, ", before its begin at ", begin});
    if (end > data.size())
        throw bad_file(
            where, {"it ends at byte ", end, " of the data, but the file has only ", data.size(), "; it is truncated"});
    if (end - begin != size)
        throw bad_file(where, {"its shape ", shape_text(tensor.shape), " of ", type, " takes ", size,
                               " bytes, but its offsets span ", end - begin});
    tensor.bytes = data.subspan(begin, size);
    return tensor;
}

/// Each byte of the data must belong to one tensor.
inline void check_layout(std::map<std::string, stored_tensor, std::less<>> const& tensors,
                         std::span<std::byte const> data, std::string const& path) {
    struct range {
        std::size_t begin, end;
        std::string_view name;
    };
    std::vector<range> ranges;
    for (auto const& [name, tensor] : tensors) {
        auto const begin = static_cast<std::size_t>(tensor.bytes.data() - data.data());
        ranges.push_back({begin, begin + tensor.bytes.size(), name});
    }
    std::sort(ranges.begin(), ranges.end(),
              [](range const& a, range const& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
    std::size_t next = 0;
    for (auto const& r : ranges) {
        if (r.begin < next)
            throw bad_file(path, {"tensor '", printable(r.name), "' begins at byte ", r.begin,
                                  " of the data, inside another tensor that ends at ", next});
        if (r.begin > next)
            throw bad_file(path, {"the bytes ", next, " to ", r.begin, " of the data belong to no tensor"});
        next = r.end;
    }
    if (next != data.size())
        throw bad_file(path, {data.size() - next, " bytes follow the last tensor"});
}

} // namespace detail

ENGRAFT_BODY safetensors_file::safetensors_file(std::filesystem::path const& path_of_file) : file_(path_of_file) {
    auto const bytes = file_.bytes();
    std::uint64_t length = 0;
    if (bytes.size() < sizeof(length))
        throw bad_file(
            path(),
            {"a safetensors file begins with 8 bytes for the length of its header, but this file has ", bytes.size()});
    std::memcpy(&length, bytes.data(), sizeof(length));
    if (length > bytes.size() - sizeof(length))
        throw bad_file(path(), {"the header is said to have ", length, " bytes, but ", bytes.size() - sizeof(length),
                                " follow; the file is truncated or not in the safetensors format"});
    auto const header = static_cast<std::size_t>(length);
    constexpr std::size_t most = 100'000'000; // as in the safetensors project's own reader
    auto const document = parse_json(file_.text().substr(sizeof(length), header), path(), nullptr, most);
    if (!document.is_object())
        throw bad_file(path(), "the header is JSON but not an object");

    auto const data = bytes.subspan(sizeof(length) + header);
    for (auto const& [name, entry] : document.get_ref<nlohmann::json::object_t const&>()) {
        if (name == "__metadata__") {
            for (auto const& [key, value] : as_object(entry, name, path()))
                metadata_.emplace(key, as_string(value, key, path() + ": __metadata__"));
            continue;
        }
        auto const where = path() + ": tensor '" + detail::printable(name) + "'";
        tensors_.emplace(name, detail::read_entry(entry, data, where));
    }
    detail::check_layout(tensors_, data, path());
}

} // namespace engraft
