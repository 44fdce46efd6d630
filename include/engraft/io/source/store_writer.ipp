#pragma once

#include <bit>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/hash.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/source/store.ipp>
#include <engraft/io/source/whole_file.ipp> // unfinished_file
#include <engraft/io/store_writer.hpp>

namespace engraft {

namespace detail {

/// The nearest bfloat16, the even one of two equally near; NaN stays NaN.
inline std::uint16_t nearest_bfloat16(float x) {
    auto const bits = std::bit_cast<std::uint32_t>(x);
    if (x != x)
        return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
    return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

/// The nearest IEEE 754 binary16, the even one of two equally near; infinite from 65520 on; NaN stays NaN.
inline std::uint16_t nearest_float16(float x) {
    auto const bits = std::bit_cast<std::uint32_t>(x);
    auto const sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
    auto const size = bits & 0x7fffffffu;
    if (size > 0x7f800000u)
        return static_cast<std::uint16_t>(sign | 0x7e00u);
    if (size >= 0x477ff000u)
        return static_cast<std::uint16_t>(sign | 0x7c00u);
    if (size < 0x38800000u) // below the smallest normal number: whole multiples of 2^-24
        return static_cast<std::uint16_t>(
            sign | static_cast<std::uint16_t>(std::nearbyint(std::bit_cast<float>(size) * 0x1p24f)));
    return static_cast<std::uint16_t>(sign | ((size - 0x38000000u + 0xfffu + ((size >> 13) & 1u)) >> 13));
}

} // namespace detail

ENGRAFT_BODY store_writer::store_writer(std::filesystem::path folder, store_manifest made)
    : folder_(std::move(folder)), manifest_(std::move(made)) {
    manifest_.shards.clear();
    std::error_code failed;
    std::filesystem::create_directories(folder_, failed);
    if (failed)
        throw bad_input({"cannot make the folder ", folder_.string(), ": ", failed.message()});
    auto const path = folder_ / "manifest.json";
    if (!is_there(path)) {
        add_whole_shards();
        return;
    }
    auto const there = read_store_manifest(path);
    auto without_shards = there;
    without_shards.shards.clear();
    if (without_shards != manifest_)
        throw bad_input({"engraft [store.other]: ", folder_.string(),
                         " has a store of other prompts, sites or numbers, ",
                         "or of another model; write to another folder, or remove that one"});
    manifest_ = there;
    finished_ = true;
}

/// Those that a program has left that was killed.
ENGRAFT_BODY void store_writer::add_whole_shards() {
    while (true) {
        auto const name = detail::shard_name(manifest_.shards.size());
        if (!is_there(folder_ / name))
            return;
        safetensors_file const file(folder_ / name);
        auto const number = [&](char const* key) {
            auto const found = file.metadata().find(key);
            std::size_t value = 0;
            if (found != file.metadata().end())
                std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
            return value;
        };
        auto const of = file.metadata().find("of");
        if (of == file.metadata().end() || of->second != detail::hash_text(manifest_.of) ||
            number("first_example") != manifest_.examples() || number("examples") == 0 || number("rows") == 0)
            throw bad_input({"engraft [store.other]: ", file.path(), " belongs to a store of other prompts, sites or ",
                             "numbers, or of another model; write to another folder, or remove that one"});
        manifest_.shards.push_back(
            {name, manifest_.examples(), number("examples"), number("rows"), detail::hash_of_shard(file)});
        store_shard(folder_, manifest_, manifest_.shards.size() - 1); // has what the manifest will say
    }
}

ENGRAFT_BODY std::string& store_writer::bytes_of(std::string_view name) {
    for (auto& [known, bytes] : tensors_)
        if (known == name)
            return bytes;
    return tensors_.emplace_back(name, std::string()).second;
}

ENGRAFT_BODY void store_writer::add_labels(std::span<std::int64_t const> tokens, std::span<std::int64_t const> examples,
                                           std::span<std::int64_t const> positions) {
    auto const add_to = [&](char const* name, std::span<std::int64_t const> values) {
        auto const bytes = std::as_bytes(values);
        bytes_of(name).append(reinterpret_cast<char const*>(bytes.data()), bytes.size());
    };
    add_to("tokens", tokens); // 8 bytes each, and first in the file: floats behind them are aligned
    add_to("examples", examples);
    add_to("positions", positions);
}

template <std::floating_point T>
void store_writer::add(std::string_view site, int layer, std::span<T const> values) {
    auto& bytes = bytes_of(detail::stored_name(site, layer));
    auto const begin = bytes.size();
    auto const each = [&]<class Stored>(Stored, auto const& converted) {
        bytes.resize(begin + values.size() * sizeof(Stored));
        for (std::size_t i = 0; i < values.size(); ++i) {
            Stored const x = converted(static_cast<float>(values[i]));
            std::memcpy(bytes.data() + begin + i * sizeof(Stored), &x, sizeof x);
        }
    };
    if (manifest_.dtype == dtype::f32)
        return each(float{}, [](float x) { return x; });
    if (manifest_.dtype == dtype::bf16)
        return each(std::uint16_t{}, detail::nearest_bfloat16);
    each(std::uint16_t{}, [&](float x) {
        auto const half = detail::nearest_float16(x);
        if ((half & 0x7fffu) == 0x7c00u && std::isfinite(x))
            throw bad_input({"engraft [store.range]: ", site, " of layer ", layer, " has a number of size ",
                             static_cast<long long>(std::abs(x)), ", and F16 ends at 65504; store BF16 or F32"});
        return half;
    });
}

ENGRAFT_BODY void store_writer::write_shard(std::size_t examples) {
    auto const rows = bytes_of("tokens").size() / sizeof(std::int64_t);
    store_manifest::shard made{detail::shard_name(manifest_.shards.size()), manifest_.examples(), examples, rows, 0};
    std::string header = "{\"__metadata__\": {\"format\": \"" + std::string(detail::store_format) + "\", \"of\": \"" +
                         detail::hash_text(manifest_.of) + "\", \"first_example\": \"" +
                         std::to_string(made.first_example) + "\", \"examples\": \"" + std::to_string(examples) +
                         "\", \"rows\": \"" + std::to_string(rows) + "\"}";
    hasher h;
    std::size_t offset = 0;
    auto const add_entry = [&](std::string const& name, dtype type, std::vector<std::size_t> const& shape) {
        auto const& bytes = bytes_of(name);
        std::size_t size = facts_of(type).bytes;
        for (auto const n : shape)
            size *= n;
        if (bytes.size() != size)
            throw bad_input({"the shard has ", rows, " rows, but ", name, " was given ", bytes.size(),
                             " bytes, where these take ", size});
        std::string dimensions;
        for (auto const n : shape)
            dimensions += (dimensions.empty() ? "" : ", ") + std::to_string(n);
        header += ", " + detail::quoted(name) + ": {\"dtype\": \"" + std::string(to_string(type)) + "\", \"shape\": [" +
                  dimensions + "], \"data_offsets\": [" + std::to_string(offset) + ", " +
                  std::to_string(offset + size) + "]}";
        offset += size;
        h.add(name).add(std::as_bytes(std::span(bytes)));
    };
    std::vector<std::string> order{"tokens", "examples", "positions"};
    for (auto const& name : order)
        add_entry(name, dtype::i64, {rows});
    for (auto const& site : manifest_.sites)
        for (int const layer : site.layers) {
            std::vector<std::size_t> shape{rows};
            shape.insert(shape.end(), site.shape.begin(), site.shape.end());
            order.push_back(detail::stored_name(site.name, layer));
            add_entry(order.back(), manifest_.dtype, shape);
        }
    made.hash = h.value();
    header += "}";
    header.append((8 - header.size() % 8) % 8, ' ');
    std::uint64_t const length = header.size();

    detail::unfinished_file file((folder_ / made.file).string());
    file.write(std::string_view(reinterpret_cast<char const*>(&length), sizeof length));
    file.write(header);
    for (auto const& name : order)
        file.write(bytes_of(name));
    file.finish();
    tensors_.clear();
    manifest_.shards.push_back(made);
}

ENGRAFT_BODY void store_writer::finish() {
    write_store_manifest(folder_ / "manifest.json", manifest_);
    finished_ = true;
}

} // namespace engraft
