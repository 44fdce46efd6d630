#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/hash.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/json.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/store.hpp>
#include <engraft/io/whole_file.hpp>

namespace engraft {

namespace detail {

inline constexpr std::string_view store_format = "engraft store 1";

inline std::string stored_name(std::string_view site, int layer) {
    return std::string(site) + "." + std::to_string(layer);
}

inline std::string shard_name(std::size_t number) {
    auto digits = std::to_string(number);
    return "shard-" + std::string(5 - std::min<std::size_t>(5, digits.size()), '0') + digits + ".safetensors";
}

/// 16 hexadecimal digits: JSON's numbers do not hold 64 bits.
inline std::string hash_text(std::uint64_t hash) {
    std::string digits(16, '0');
    for (std::size_t i = 16; i-- > 0; hash >>= 4)
        digits[i] = "0123456789abcdef"[hash & 15];
    return digits;
}
inline std::uint64_t read_hash(nlohmann::json const& object, std::string_view key, std::string const& where) {
    auto const& text = require_string(object, key, where);
    std::uint64_t hash = 0;
    auto const [end, failed] = std::from_chars(text.data(), text.data() + text.size(), hash, 16);
    if (text.size() != 16 || failed != std::errc() || end != text.data() + text.size())
        throw bad_file(where, {"'", key, "' must be 16 hexadecimal digits, but is '", printable(text, 40), "'"});
    return hash;
}

inline std::size_t count(nlohmann::json const& object, std::string_view key, std::string const& where) {
    return static_cast<std::size_t>(require_int(object, key, where, 1, std::int64_t{1} << 48));
}

/// In the order in which the tensors lie in the file.
inline std::uint64_t hash_of_shard(safetensors_file const& file) {
    std::vector<std::pair<std::string_view, stored_tensor const*>> all;
    for (auto const& [name, tensor] : file.tensors())
        all.push_back({name, &tensor});
    std::ranges::sort(all, {}, [](auto const& t) { return t.second->bytes.data(); });
    hasher h;
    for (auto const& [name, tensor] : all)
        h.add(name).add(tensor->bytes);
    return h.value();
}

} // namespace detail

ENGRAFT_BODY std::size_t store_manifest::examples() const {
    return shards.empty() ? 0 : shards.back().first_example + shards.back().examples;
}
ENGRAFT_BODY std::size_t store_manifest::rows() const {
    std::size_t sum = 0;
    for (auto const& s : shards)
        sum += s.rows;
    return sum;
}

ENGRAFT_BODY store_manifest read_store_manifest(std::filesystem::path const& path) {
    auto const where = path.string();
    auto const document = read_json(path, nullptr, results_size_limit);
    require_only(document, {"format", "of", "dtype", "examples", "rows", "sites", "shards"}, where);
    if (auto const& format = require_string(document, "format", where); format != detail::store_format)
        throw bad_file(
            where, {"the format is '", detail::printable(format, 40), "'; this reads '", detail::store_format, "'"});
    store_manifest m;
    m.of = detail::read_hash(document, "of", where);
    auto const& type = require_string(document, "dtype", where);
    auto const known = dtype_named(type);
    if (!known || (*known != dtype::f32 && *known != dtype::bf16 && *known != dtype::f16))
        throw bad_file(where,
                       {"a store has numbers of type F32, BF16 or F16, not '", detail::printable(type, 40), "'"});
    m.dtype = *known;
    for (auto const& entry : require_array(document, "sites", where)) {
        require_only(entry, {"name", "layers", "shape"}, where + ": sites");
        auto const at = where + ": sites";
        stored_site site{require_name(require_string(entry, "name", at), "a site's name", at), {}, {}};
        for (auto const& layer : require_array(entry, "layers", at)) {
            site.layers.push_back(static_cast<int>(as_int(layer, "layers", at, 0, 1 << 20)));
            if (site.layers.size() > 1 && site.layers.back() <= site.layers[site.layers.size() - 2])
                throw bad_file(at, {"the layers of ", detail::printable(site.name, 40), " do not ascend"});
        }
        std::size_t size = 1; // bounded, so that no product of sizes wraps around
        for (auto const& n : require_array(entry, "shape", at)) {
            site.shape.push_back(static_cast<std::size_t>(as_int(n, "shape", at, 1, 1 << 24)));
            size *= site.shape.back();
            if (size > std::size_t{1} << 32)
                throw bad_file(at, {"a row of ", detail::printable(site.name, 40), " has too many numbers"});
        }
        if (site.layers.empty() || site.shape.empty())
            throw bad_file(at, {detail::printable(site.name, 40), " has no layer or no shape"});
        for (auto const& other : m.sites)
            if (other.name == site.name)
                throw bad_file(at, {"the site ", detail::printable(site.name, 40), " stands twice"});
        m.sites.push_back(std::move(site));
    }
    std::size_t next = 0;
    for (auto const& entry : require_array(document, "shards", where)) {
        auto const at = where + ": shards";
        require_only(entry, {"file", "first_example", "examples", "rows", "hash"}, at);
        store_manifest::shard s{require_string(entry, "file", at),
                                static_cast<std::size_t>(require_int(entry, "first_example", at, 0)),
                                detail::count(entry, "examples", at), detail::count(entry, "rows", at),
                                detail::read_hash(entry, "hash", at)};
        // No path that leads out of the folder.
        if (auto const expected = detail::shard_name(m.shards.size()); s.file != expected)
            throw bad_file(at, {"shard ", m.shards.size(), " must be the file ", expected, ", but is '",
                                detail::printable(s.file, 60), "'"});
        if (s.first_example != next)
            throw bad_file(
                at, {s.file, " begins at example ", s.first_example, ", but the shard before it ends at ", next});
        next += s.examples;
        m.shards.push_back(std::move(s));
    }
    if (m.sites.empty() || m.shards.empty())
        throw bad_file(where, "the store has no site or no shard");
    if (detail::count(document, "examples", where) != m.examples() ||
        detail::count(document, "rows", where) != m.rows())
        throw bad_file(where, {"the shards have ", m.examples(), " examples and ", m.rows(),
                               " rows together, which is not what the manifest says of the whole"});
    return m;
}

ENGRAFT_BODY void write_store_manifest(std::filesystem::path const& path, store_manifest const& m) {
    auto const list = [](auto const& numbers) {
        std::string text = "[";
        for (auto const n : numbers)
            text += (text.size() > 1 ? ", " : "") + std::to_string(n);
        return text + "]";
    };
    std::string text = "{\n \"format\": " + detail::quoted(detail::store_format) + ",\n \"of\": \"" +
                       detail::hash_text(m.of) + "\",\n \"dtype\": \"" + std::string(to_string(m.dtype)) +
                       "\",\n \"examples\": " + std::to_string(m.examples()) +
                       ",\n \"rows\": " + std::to_string(m.rows()) + ",\n \"sites\": [";
    char const* between = "\n  ";
    for (auto const& s : m.sites) {
        text += between + ("{\"name\": " + detail::quoted(s.name)) + ", \"layers\": " + list(s.layers) +
                ", \"shape\": " + list(s.shape) + "}";
        between = ",\n  ";
    }
    text += "\n ],\n \"shards\": [";
    between = "\n  ";
    for (auto const& s : m.shards) {
        text += between + ("{\"file\": " + detail::quoted(s.file)) +
                ", \"first_example\": " + std::to_string(s.first_example) +
                ", \"examples\": " + std::to_string(s.examples) + ", \"rows\": " + std::to_string(s.rows) +
                ", \"hash\": \"" + detail::hash_text(s.hash) + "\"}";
        between = ",\n  ";
    }
    write_whole_file(path, text + "\n ]\n}\n");
}

ENGRAFT_BODY store_shard::store_shard(std::filesystem::path const& folder, store_manifest const& m, std::size_t number)
    : file_(folder / m.shards[number].file), rows_(m.shards[number].rows) {
    std::map<std::string, stored_tensor> wanted;
    for (auto const* label : {"tokens", "examples", "positions"})
        wanted[label] = {dtype::i64, {rows_}, {}};
    for (auto const& site : m.sites)
        for (int const layer : site.layers) {
            auto& t = wanted[detail::stored_name(site.name, layer)];
            t = {m.dtype, {rows_}, {}};
            t.shape.insert(t.shape.end(), site.shape.begin(), site.shape.end());
        }
    for (auto const& [name, tensor] : file_.tensors()) {
        auto const there = wanted.find(name);
        if (there == wanted.end())
            throw bad_file(file_.path(), {"the manifest says nothing of a tensor '", detail::printable(name, 60), "'"});
        if (tensor.dtype != there->second.dtype || tensor.shape != there->second.shape)
            throw bad_file(file_.path(),
                           {"'", name, "' is ", to_string(tensor.dtype), " of ", shape_text(tensor.shape),
                            ", but must be ", to_string(there->second.dtype), " of ", shape_text(there->second.shape)});
        wanted.erase(there);
    }
    if (!wanted.empty())
        throw bad_file(file_.path(), {"the tensor '", wanted.begin()->first, "' is missing"});
}

ENGRAFT_BODY stored_tensor const& store_shard::tensor(std::string_view site, int layer) const {
    auto const found = file_.tensors().find(detail::stored_name(site, layer));
    if (found == file_.tensors().end())
        throw bad_input({"engraft [store.site]: the store ", file_.path(), " has no ", site, " of layer ", layer,
                         "; its manifest lists sites and layers"});
    return found->second;
}

ENGRAFT_BODY array<float> store_shard::read(std::string_view site, int layer) const {
    auto const& stored = tensor(site, layer);
    array<float> values{stored.shape, std::vector<float>(stored.size())};
    read_elements(stored, 0, std::span<float>(values.values), file_.path());
    return values;
}

ENGRAFT_BODY view<float const, host_memory, extents<dynamic, dynamic>> store_shard::whole(std::string_view site,
                                                                                          int layer) const {
    auto const& stored = tensor(site, layer);
    if (stored.dtype != dtype::f32)
        throw bad_input({"engraft [store.view]: ", file_.path(), " has numbers of type ", to_string(stored.dtype),
                         ", which can't be looked at as floats; use read, which converts them"});
    if (reinterpret_cast<std::uintptr_t>(stored.bytes.data()) % alignof(float) != 0)
        throw bad_file(file_.path(),
                       {"'", detail::stored_name(site, layer), "' does not begin at a multiple of 4 bytes"});
    auto const* data = static_cast<float const*>(static_cast<void const*>(stored.bytes.data()));
    return {data, extents<dynamic, dynamic>(rows_, stored.size() / rows_)};
}

ENGRAFT_BODY std::vector<std::int64_t> store_shard::labels(std::string_view name) const {
    std::vector<std::int64_t> values(rows_);
    read_elements(file_.tensors().find(name)->second, 0, std::span<std::int64_t>(values), file_.path());
    return values;
}

ENGRAFT_BODY std::uint64_t store_shard::hash() const { return detail::hash_of_shard(file_); }

ENGRAFT_BODY activation_store::activation_store(std::filesystem::path folder) : folder_(std::move(folder)) {
    if (!is_there(folder_ / "manifest.json") && is_there(folder_ / detail::shard_name(0)))
        throw bad_file(folder_.string(),
                       "the store is not finished, since it has shards but no manifest.json; run what "
                       "writes it again, which goes on where it was");
    manifest_ = read_store_manifest(folder_ / "manifest.json");
}

ENGRAFT_BODY store_shard activation_store::shard(integer number) const {
    return {folder_, manifest_, number.below(shards(), "shard")};
}

ENGRAFT_BODY void activation_store::verify() const {
    for (std::size_t i = 0; i < shards(); ++i)
        if (shard(i).hash() != manifest_.shards[i].hash)
            throw bad_file((folder_ / manifest_.shards[i].file).string(),
                           "its bytes are not those that were written; write the store anew");
}

} // namespace engraft
