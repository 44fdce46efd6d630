#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include <engraft/io/checkpoint.hpp>
#include <engraft/io/config.hpp>
#include <engraft/io/json.hpp>
#include <engraft/io/mapped_file.hpp>
#include <engraft/io/safetensors.hpp>

#include "../catch.hpp"
#include "../temporary_folder.hpp"
#include "io_attack.hpp"

namespace {

namespace fs = std::filesystem;
using namespace engraft;
using Catch::Matchers::ContainsSubstring;

fs::path const data = fs::path(ENGRAFT_TEST_DATA) / "data";

using folder = temporary_folder;

template <class T>
std::string bytes_of(std::vector<T> const& values) {
    std::string bytes(values.size() * sizeof(T), '\0');
    if (!bytes.empty())
        std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
}

std::string safetensors(std::string const& header, std::string const& bytes) {
    return bytes_of(std::vector<std::uint64_t>{header.size()}) + header + bytes;
}

/// A file of one tensor, "a".
template <class T>
std::string one(std::string const& type, std::vector<T> const& values) {
    return safetensors(R"({"a":{"dtype":")" + type + R"(","shape":[)" + std::to_string(values.size()) +
                           R"(],"data_offsets":[0,)" + std::to_string(values.size() * sizeof(T)) + "]}}",
                       bytes_of(values));
}

std::string floats(std::string const& name, std::size_t count) {
    return safetensors("{\"" + name + R"(":{"dtype":"F32","shape":[)" + std::to_string(count) +
                           R"(],"data_offsets":[0,)" + std::to_string(4 * count) + "]}}",
                       std::string(4 * count, '\0'));
}

std::string const path = "file.json";

} // namespace

TEST_CASE("a mapped file is the file's bytes", "[io][mapped_file]") {
    folder const f;
    mapped_file file(f.write("x", "hello"));
    CHECK(file.text() == "hello");
    CHECK(file.size() == 5);
    auto const* const where = file.bytes().data();
    mapped_file moved(std::move(file));
    CHECK(moved.bytes().data() == where);
    mapped_file other(f.write("y", "other"));
    other = std::move(moved);
    CHECK(other.text() == "hello");
    CHECK(other.path() == (f.path / "x").string());
}

TEST_CASE("what can't be mapped is refused in one sentence", "[io][mapped_file]") {
    folder const f;
    CHECK_THROWS_WITH(mapped_file(f.path / "none"), ContainsSubstring("none: there is no such file"));
    CHECK_THROWS_WITH(mapped_file(f.write("file", "x") / "inside"), ContainsSubstring("there is no such file"));
    CHECK_THROWS_WITH(mapped_file(f.path), ContainsSubstring("this is a folder, not a file"));
    CHECK_THROWS_WITH(mapped_file(f.write("empty", "")), ContainsSubstring("the file is empty"));
    CHECK_THROWS_WITH(mapped_file("/dev/null"), ContainsSubstring("not a regular file"));
    REQUIRE(::mkfifo((f.path / "pipe").c_str(), 0600) == 0);
    CHECK_THROWS_WITH(mapped_file(f.path / "pipe"), ContainsSubstring("not a regular file")); // and does not wait
    fs::create_symlink("loop", f.path / "loop");
    CHECK_THROWS_WITH(mapped_file(f.path / "loop"), ContainsSubstring("can't be opened"));
    CHECK_THROWS_AS(mapped_file(f.path / "none"), bad_file);
    CHECK_THROWS_WITH(mapped_file((f.path / "file").string() + std::string("\0.txt", 5)),
                      ContainsSubstring("file?.txt: the name has a character with the number 0"));
}

TEST_CASE("JSON is read with the checks that files need", "[io][json]") {
    CHECK(parse_json(R"( {"a": [1, -2, 2.5, "x", true, null]}  )", path).dump() == R"({"a":[1,-2,2.5,"x",true,null]})");
    CHECK(parse_json("7", path) == 7);
    CHECK(parse_json(R"({"a": {"k": 1}, "b": {"k": 2}})", path)["b"]["k"] == 2);

    std::vector<std::pair<std::string, std::string>> const wrong{
        {"", "line 1, column 1"},
        {"{\"a\": 1,\n \"b\": }", "line 2, column 7"},
        {"{\"a\": 1} x", "not valid JSON"},
        {R"({"a": 1, "a": 2})", "the key 'a' stands twice"},
        {R"([{"b": {"c": 1, "c": 1}}])", "the key 'c' stands twice"},
        {"[1e400]", "the number 1e400 is too large for a double"},
        {"[1, -" + std::string(100000, '9') + "]", "999... is too large for a double"},
        {"[\"\xFF\"]", "not valid JSON"},
        {"[NaN]", "not valid JSON"},
        {"{'a': 1}", "not valid JSON"},
        {"[1, 2", "unexpected end of input"},
    };
    for (auto const& [text, why] : wrong) {
        INFO(text);
        CHECK_THROWS_AS(parse_json(text, path), bad_file);
        CHECK_THROWS_WITH(parse_json(text, path), ContainsSubstring(why) && ContainsSubstring("file.json: ") &&
                                                      !ContainsSubstring("json.exception"));
    }
}

TEST_CASE("JSON with too many bytes or values is refused", "[io][json]") {
    CHECK_THROWS_WITH(parse_json("[1, 2, 3]", path, nullptr, 8), "file.json: this is JSON of 9 bytes; at most 8 are "
                                                                 "read here");
    CHECK_NOTHROW(parse_json("[1, 2, 3]", path, nullptr, 9));
    std::string many = "[0";
    for (std::size_t i = 0; i + 2 < json_value_limit; ++i)
        many += ",0";
    CHECK_NOTHROW(parse_json(many + "]", path));
    CHECK_THROWS_WITH(parse_json(many + ",0]", path), ContainsSubstring("more than 3145728 values"));
    folder const f;
    CHECK_THROWS_WITH(read_config(f.write("config.json", "{}" + std::string(settings_size_limit, ' '))),
                      ContainsSubstring("at most 1048576 are read here"));
}

TEST_CASE("a key that nobody reads is refused by name", "[io][json]") {
    auto const off = parse_json(R"({"a": 1, "b": null, "c": false, "d": 0, "e": "", "f": [], "g": {}})", path);
    CHECK_NOTHROW(require_rest_off(off, {"a"}, path));
    CHECK_THROWS_WITH(require_only(off, {"a"}, path),
                      "file.json: 'b' is null, but no such key is read here; known are 'a'; correct the key or take it "
                      "out");
    for (auto const* value : {"true", "1", "-1", "0.5", "\"x\"", "[0]", "{\"x\": null}"}) {
        INFO(value);
        auto const on = parse_json(std::string(R"({"adaptor": )") + value + "}", path);
        CHECK_THROWS_WITH(require_rest_off(on, {"adapter", "name"}, path),
                          ContainsSubstring("'adaptor' is") && ContainsSubstring("known are 'adapter', 'name'"));
    }
    CHECK_THROWS_WITH(require_only(parse_json("[1]", path), {}, path), ContainsSubstring("expected a JSON object"));
}

TEST_CASE("a message is one line of bounded length", "[error]") {
    CHECK(std::string(bad_file("a\nb\x1b[31m", "c\x7f\xC2\x9B"
                                               "31m\xC3\xA9")
                          .what()) == "a?b?[31m: c???31m\xC3\xA9");
    CHECK(std::string(bad_input(std::string("x\ty")).what()) == "x?y");
    CHECK(std::string(bad_model("x\ry").what()) == "x?y");
    std::string const long_text = bad_input({"begin ", std::string(100000, 'x')}).what();
    CHECK(long_text.size() == message_limit);
    CHECK(long_text.starts_with("begin xxx"));
    CHECK(long_text.ends_with("xxx..."));
}

TEST_CASE("JSON nested too deep is refused before it is built", "[io][json]") {
    auto const nested = [](std::size_t n, std::string const& open, std::string const& close) {
        std::string text;
        for (std::size_t i = 0; i < n; ++i)
            text += open;
        text += "1";
        for (std::size_t i = 0; i < n; ++i)
            text += close;
        return text;
    };
    CHECK_NOTHROW(parse_json(nested(json_nesting_limit, "[", "]"), path));
    CHECK_NOTHROW(parse_json(nested(json_nesting_limit, "{\"a\":", "}"), path));
    CHECK_THROWS_WITH(parse_json(nested(json_nesting_limit + 1, "[", "]"), path), ContainsSubstring("deeper than 64"));
    CHECK_THROWS_WITH(parse_json(nested(20000, "[", "]"), path), ContainsSubstring("deeper than 64"));
    CHECK_THROWS_WITH(parse_json(nested(1000000, "[{\"a\":", "}]"), path), ContainsSubstring("deeper than 64"));
}

TEST_CASE("values of JSON are what is asked for, or an error names them", "[io][json]") {
    auto const object = parse_json(
        R"({"i": 7, "n": -7, "big": 18446744073709551615, "f": 2.0, "s": "x", "t": true, "z": null, "a": [1],
            "o": {"p": 1}})",
        path);
    CHECK(require_int(object, "i", path) == 7);
    CHECK(require_int(object, "n", path) == -7);
    CHECK(require_int(object, "i", path, 7, 7) == 7);
    CHECK_THROWS_WITH(require_int(object, "i", path, 8, 9),
                      "file.json: 'i' must be a whole number from 8 to 9, but is 7");
    CHECK_THROWS_AS(require_int(object, "n", path, 0), bad_file);
    CHECK_THROWS_AS(require_int(object, "big", path), bad_file);
    CHECK_THROWS_AS(require_int(object, "f", path), bad_file);
    CHECK_THROWS_AS(require_int(object, "s", path), bad_file);
    CHECK_THROWS_WITH(require_int(object, "z", path), "file.json: 'z' is missing");
    CHECK_THROWS_WITH(require_int(object, "none", path), "file.json: 'none' is missing");
    CHECK(require_number(object, "i", path) == 7);
    CHECK(require_number(object, "f", path) == 2);
    CHECK_THROWS_AS(require_number(object, "t", path), bad_file);
    CHECK(number_or(object, "z", path, 3) == 3);
    CHECK(require_string(object, "s", path) == "x");
    CHECK_THROWS_AS(require_string(object, "i", path), bad_file);
    CHECK(string_or(object, "none", path, "y") == "y");
    CHECK(bool_or(object, "t", path, false));
    CHECK_THROWS_AS(bool_or(object, "i", path, false), bad_file);
    CHECK(require_array(object, "a", path).size() == 1);
    CHECK_THROWS_AS(require_array(object, "o", path), bad_file);
    CHECK(require_object(object, "o", path).size() == 1);
    CHECK_THROWS_AS(require_object(object, "a", path), bad_file);
    CHECK_THROWS_AS(find_value(parse_json("[1]", path), "a", path), bad_file);
}

TEST_CASE("malformed safetensors files are decided as their index says", "[io][safetensors]") {
    std::map<std::string, std::string> const says{
        {"byte_size_overflow", "tensor 'a': the shape 4611686018427387910 has more bytes than can be counted"},
        {"deep_nesting", "nested deeper than 64"},
        {"duplicate_key", "the key 'a' stands twice"},
        {"empty", "the file is empty"},
        {"fractional_offset", "'data_offsets' must be a whole number from 0 to 9223372036854775807, but is 0.5"},
        {"header_length_huge", "said to have 18446744073709551615 bytes, but 152 follow"},
        {"header_longer_than_file", "said to have 1048576 bytes, but 152 follow"},
        {"header_not_json", "not valid JSON at line 1"},
        {"header_not_object", "JSON but not an object"},
        {"hole", "the bytes 8 to 16 of the data belong to no tensor"},
        {"missing_offsets", "tensor 'a': 'data_offsets' is missing"},
        {"negative_dimension", "'shape' must be a whole number from 0 to 9223372036854775807, but is -2"},
        {"negative_offset", "'data_offsets' must be a whole number from 0 to 9223372036854775807, but is -24"},
        {"overlapping_offsets", "tensor 'b' begins at byte 16 of the data, inside another tensor that ends at 24"},
        {"reversed_offsets", "it ends at byte 0, before its begin at 24"},
        {"shape_not_numbers", "'shape' must be a whole number"},
        {"shape_product_overflow", "the shape 4294967296 x 4294967296 has more bytes than can be counted"},
        {"short_length", "begins with 8 bytes for the length of its header, but this file has 3"},
        {"size_mismatch", "its shape 5 of F32 takes 20 bytes, but its offsets span 24"},
        {"trailing_bytes", "8 bytes follow the last tensor"},
        {"truncated_data", "it ends at byte 40 of the data, but the file has only 33"},
        {"truncated_header", "said to have 112 bytes, but 32 follow"},
        {"unknown_dtype", "tensor 'a': unknown dtype 'F33'"},
    };
    auto const index = read_json(data / "malformed" / "index.json");
    std::size_t refused = 0;
    for (auto const& [name, verdict] : index.get_ref<nlohmann::json::object_t const&>()) {
        INFO(name);
        auto const file = data / "malformed" / name;
        if (verdict["accept"].get<bool>()) {
            CHECK_FALSE(safetensors_file(file).tensors().empty());
            continue;
        }
        ++refused;
        auto const why = says.find(file.stem().string());
        REQUIRE(why != says.end());
        CHECK_THROWS_AS(safetensors_file(file), bad_file);
        CHECK_THROWS_WITH(safetensors_file(file), ContainsSubstring(why->second) && ContainsSubstring(name));
    }
    CHECK(refused == says.size());
}

TEST_CASE("a tensor of a safetensors file has three facts and no more", "[io][safetensors]") {
    folder const f;
    auto const header = [](std::string const& more) {
        return R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1])" + more + "}}";
    };
    CHECK_NOTHROW(safetensors_file(f.write("a.safetensors", safetensors(header(""), "x"))));
    CHECK_THROWS_WITH(safetensors_file(f.write("a.safetensors", safetensors(header(R"(,"scale":0.5)"), "x"))),
                      ContainsSubstring("tensor 'a': 'scale' is 0.5, but no such key is read here"));
}

TEST_CASE("well-formed safetensors files are read", "[io][safetensors]") {
    safetensors_file const file(data / "malformed" / "valid_metadata.safetensors");
    CHECK_FALSE(file.metadata().empty());
    CHECK_FALSE(file.tensors().contains("__metadata__"));
    checkpoint const nan(data / "malformed" / "valid_nan_weights.safetensors");
    auto const name = nan.names().at(0);
    auto const values = nan.read<float>(name);
    bool found = false;
    for (float const v : values)
        found = found || std::isnan(v);
    CHECK(found);

    folder const f;
    checkpoint const odd(
        f.write("odd.safetensors",
                safetensors(R"({"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
                            R"("e":{"dtype":"F64","shape":[3,0,5],"data_offsets":[4,4]},)"
                            R"("u":{"dtype":"U8","shape":[1],"data_offsets":[4,5]},)"
                            R"("l":{"dtype":"I64","shape":[1],"data_offsets":[5,13]}})",
                            bytes_of(std::vector<float>{2.5f}) + "\x07" + bytes_of(std::vector<std::int64_t>{-3}))));
    CHECK(odd.shape("s").empty());
    CHECK(odd.read<float>("s") == std::vector<float>{2.5f});
    CHECK(odd.read<float>("e").empty());
    CHECK(odd.shape("e") == std::vector<std::size_t>{3, 0, 5});
    CHECK(odd.read<std::int64_t>("l") == std::vector<std::int64_t>{-3}); // at an odd address
    CHECK(odd.names() == std::vector<std::string>{"e", "l", "s", "u"});
}

TEST_CASE("numbers of each dtype are converted exactly", "[io][checkpoint]") {
    folder const f;
    auto const reads = [&](std::string const& type, auto const& stored, std::vector<double> const& expected) {
        INFO(type);
        checkpoint const c(f.write(type, one(type, stored)));
        CHECK(to_string(c.dtype("a")) == type);
        CHECK(c.read<double>("a") == expected);
        CHECK(c.read<float>("a") == std::vector<float>(expected.begin(), expected.end()));
        if (c.dtype("a") < dtype::f16)
            CHECK(c.read<std::int64_t>("a") == std::vector<std::int64_t>(expected.begin(), expected.end()));
        else
            CHECK_THROWS_WITH(c.read<std::int64_t>("a"),
                              ContainsSubstring("holds " + type + ", and integers were asked for"));
    };
    reads("BOOL", std::vector<std::uint8_t>{0, 1, 1}, {0, 1, 1});
    reads("U8", std::vector<std::uint8_t>{0, 200}, {0, 200});
    reads("I8", std::vector<std::int8_t>{-128, 7}, {-128, 7});
    reads("U16", std::vector<std::uint16_t>{65535}, {65535});
    reads("I16", std::vector<std::int16_t>{-32768}, {-32768});
    reads("U32", std::vector<std::uint32_t>{4294967295u}, {4294967295.0});
    reads("I32", std::vector<std::int32_t>{-2147483647 - 1}, {-2147483648.0});
    reads("U64", std::vector<std::uint64_t>{1u << 20}, {1 << 20});
    reads("I64", std::vector<std::int64_t>{-5, 1 << 20}, {-5, 1 << 20});
    // 1, -2, 65504, the smallest normal and subnormal numbers
    reads("F16", std::vector<std::uint16_t>{0x3C00, 0xC000, 0x7BFF, 0x0400, 0x0001}, {1, -2, 65504, 0x1p-14, 0x1p-24});
    reads("BF16", std::vector<std::uint16_t>{0x3F80, 0xC000, 0x0001, 0x3E80}, {1, -2, 0x1p-133, 0.25});
    reads("F32", std::vector<float>{0.1f, -3e38f}, {static_cast<double>(0.1f), static_cast<double>(-3e38f)});
    reads("F64", std::vector<double>{0.5, -1e-300}, {0.5, -1e-300});

    checkpoint const rounded(f.write("rounded", one("F64", std::vector<double>{0.1, INFINITY, 1e300})));
    std::vector<float> two(2);
    rounded.read("a", 0, std::span(two));
    CHECK(two == std::vector<float>{0.1f, INFINITY});
    CHECK_THROWS_WITH(rounded.read<float>("a"), ContainsSubstring("element 2 is too large"));
    checkpoint const large(f.write("large", one("U64", std::vector<std::uint64_t>{~std::uint64_t{0}})));
    CHECK_THROWS_WITH(large.read<std::int64_t>("a"), ContainsSubstring("element 0 is too large"));
    CHECK(large.read<double>("a")[0] == 0x1p64);
    checkpoint const eight(f.write("eight", one("F8_E4M3", std::vector<std::uint8_t>{1, 2})));
    CHECK_THROWS_WITH(eight.read<float>("a"), ContainsSubstring("F8_E4M3"));
}

TEST_CASE("parts of a tensor are read, and nothing outside it", "[io][checkpoint]") {
    folder const f;
    checkpoint const c(f.write("x", one("F32", std::vector<float>{0, 1, 2, 3, 4})));
    std::vector<float> out(2);
    c.read("a", 3, std::span(out));
    CHECK(out == std::vector<float>{3, 4});
    c.read("a", 5, std::span<float>{});
    CHECK_THROWS_AS(c.read("a", 4, std::span(out)), bad_input);
    CHECK_THROWS_AS(c.read("a", std::numeric_limits<std::size_t>::max(), std::span(out)), bad_input);
    CHECK_THROWS_WITH(c.read("a", std::span(out)),
                      ContainsSubstring("tensor 'a'") && ContainsSubstring("5 elements, but space was given for 2"));
    CHECK_THROWS_AS(c.read<float>("b"), bad_model);
    CHECK_THROWS_WITH(c.shape("b"), ContainsSubstring("there is no tensor 'b'"));
    CHECK(c.contains("a"));
    CHECK_FALSE(c.contains("b"));
}

TEST_CASE("a tensor without rows is read as nothing", "[io][checkpoint]") {
    folder const f;
    checkpoint const c(f.write("x", safetensors(R"({"a":{"dtype":"F32","shape":[0,4],"data_offsets":[0,0]}})", "")));
    CHECK(c.read<float>("a").empty());
    float element = 0;
    CHECK_THROWS_AS(c.read("a", 0, std::span(&element, 1)), bad_input);
}

TEST_CASE("a file's names and shapes don't fill messages", "[io][checkpoint]") {
    folder const f;
    std::string const name(5000, 'w'), file = R"({"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})";
    checkpoint const c(f.write("x", safetensors("{\"\\u001b" + name + "\":" + file, "x")));
    CHECK_THROWS_WITH(c.read<float>(c.names()[0]), ContainsSubstring("tensor '?www") && !ContainsSubstring(name));
    CHECK(shape_text(std::vector<std::size_t>(8, 1)) == "1 x 1 x 1 x 1 x 1 x 1 x 1 x 1");
    CHECK(shape_text(std::vector<std::size_t>(9, 1)) == "1 x 1 x 1 x 1 x 1 x 1 x 1 x 1 x ... (9 dimensions)");
}

TEST_CASE("a checkpoint is a folder, its shards or one file", "[io][checkpoint]") {
    checkpoint const whole(data / "llama_gqa");
    checkpoint const file(data / "llama_gqa" / "model.safetensors");
    CHECK(whole.names() == file.names());
    CHECK(whole.shape("model.embed_tokens.weight") == std::vector<std::size_t>{67, 32});
    CHECK(whole.shape("model.layers.2.self_attn.k_proj.weight") == std::vector<std::size_t>{16, 32});
    CHECK_FALSE(whole.contains("lm_head.weight"));
    checkpoint const expected(data / "llama_gqa" / "expected.safetensors");
    CHECK(expected.dtype("tokens") == dtype::i64);
    for (auto const t : expected.read<std::int64_t>("tokens"))
        CHECK((t >= 0 && t < 67));

    checkpoint const pair(fs::path(ENGRAFT_EXAMPLES_DATA) / "base");
    CHECK(pair.dtype("model.embed_tokens.weight") == dtype::f16);
    CHECK(pair.shape("model.embed_tokens.weight") == std::vector<std::size_t>{755, 128});

    folder const f;
    CHECK_THROWS_WITH(checkpoint(f.path), ContainsSubstring("neither model.safetensors nor"));
    CHECK_THROWS_WITH(checkpoint(f.path / "none"), ContainsSubstring("there is no such file"));
    f.write("one.safetensors", floats("a", 2));
    f.write("two.safetensors", floats("b", 3));
    auto const indexed = [&](std::string const& map) {
        f.write("model.safetensors.index.json", R"({"metadata": {}, "weight_map": )" + map + "}");
        return checkpoint(f.path);
    };
    auto const sharded = indexed(R"({"a": "one.safetensors", "b": "two.safetensors"})");
    CHECK(sharded.names() == std::vector<std::string>{"a", "b"});
    CHECK(sharded.read<float>("b").size() == 3);

    CHECK_THROWS_WITH(indexed("{}"), ContainsSubstring("names no tensor"));
    CHECK_THROWS_WITH(indexed("[]"), ContainsSubstring("'weight_map' must be an object"));
    CHECK_THROWS_WITH(indexed(R"({"a": 1})"), ContainsSubstring("'a' must be a text"));
    CHECK_THROWS_WITH(indexed(R"({"a": "three.safetensors"})"),
                      ContainsSubstring("three.safetensors: there is no such file"));
    CHECK_THROWS_WITH(indexed(R"({"a": "one.safetensors", "c": "two.safetensors"})"),
                      ContainsSubstring("'c' is said to be in two"));
    for (std::string const name :
         {"../one.safetensors", "/etc/passwd", "sub/one.safetensors", "..", ".", "", "a\\\\b", "a\\u0000b"})
        CHECK_THROWS_WITH(indexed(R"({"a": ")" + name + "\"}"), ContainsSubstring("must be a file inside the folder"));
    f.write("two.safetensors", safetensors(R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                           R"("c":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                                           "xy"));
    CHECK_THROWS_WITH(indexed(R"({"a": "one.safetensors", "b": "two.safetensors"})"),
                      ContainsSubstring("'c' in two.safetensors is not in the index"));
    // An index beside a file with all tensors: one of them is not this model's.
    f.write("two.safetensors", floats("b", 2));
    f.write("model.safetensors", floats("a", 2));
    CHECK_THROWS_WITH(indexed(R"({"a": "one.safetensors", "b": "two.safetensors"})"),
                      ContainsSubstring("the folder also has model.safetensors, which the index does not name"));
    CHECK_NOTHROW(indexed(R"({"a": "model.safetensors"})"));
    fs::remove(f.path / "model.safetensors");
    f.write("two.safetensors", floats("a", 2));
    CHECK_THROWS_AS(indexed(R"({"a": "one.safetensors", "b": "two.safetensors"})"), bad_file);
}

TEST_CASE("configs of Llama models become descriptions", "[io][config]") {
    auto const mha = read_config(data / "llama_mha");
    CHECK(std::string_view(mha.name) == "llama_mha");
    CHECK(mha == description{.name = "llama_mha",
                             .layers = 4,
                             .d_model = 32,
                             .heads = 4,
                             .kv_heads = 4,
                             .d_head = 8,
                             .d_mlp = 56,
                             .vocab = 61,
                             .norm_eps = 1e-6,
                             .rope_theta = 10000});
    auto const gqa = read_config(data / "llama_gqa" / "config.json");
    CHECK(gqa == description{.name = "llama_gqa",
                             .layers = 3,
                             .d_model = 32,
                             .heads = 4,
                             .kv_heads = 2,
                             .d_head = 8,
                             .d_mlp = 48,
                             .vocab = 67,
                             .norm_eps = 1e-5,
                             .rope_theta = 500,
                             .rope_scaling = rope_scaling::llama3,
                             .rope_factor = 8,
                             .rope_low_freq_factor = 1,
                             .rope_high_freq_factor = 4,
                             .rope_original_context = 64,
                             .tied_unembedding = true});
    auto const pair = read_config(fs::path(ENGRAFT_EXAMPLES_DATA) / "base");
    CHECK(pair == description{.name = "base",
                              .layers = 6,
                              .d_model = 128,
                              .heads = 8,
                              .kv_heads = 8,
                              .d_head = 16,
                              .d_mlp = 192,
                              .vocab = 755,
                              .norm_eps = 1e-5,
                              .rope_theta = 10000});
}

TEST_CASE("old and new keys of a config say the same", "[io][config]") {
    folder const f;
    auto const read = [&](std::string const& change, std::string const& base = "llama_gqa") {
        auto config = read_json(data / base / "config.json");
        config.merge_patch(parse_json(change, path)); // null takes a key away
        return read_config(f.write("config.json", config.dump()));
    };
    auto const old = read("{}");
    auto const newer = R"({"rope_theta": null, "rope_scaling": null,
        "rope_parameters": {"rope_type": "llama3", "rope_theta": 500.0, "factor": 8, "high_freq_factor": 4,
                            "low_freq_factor": 1, "original_max_position_embeddings": 64}})";
    CHECK(read(newer) == old);
    CHECK(read(R"({"rope_scaling": {"type": "llama3", "rope_type": null}})") == old);
    CHECK(read(R"({"model_type": null})") == old);
    CHECK(read(R"({"architectures": null})") == old);
    CHECK(read(R"({"rope_scaling": {"rope_type": "default", "factor": null, "low_freq_factor": null,
                   "high_freq_factor": null}})")
              .rope_scaling == rope_scaling::none);
    CHECK(read(R"({"num_key_value_heads": null})").kv_heads == 4);
    CHECK(read(R"({"head_dim": null})").d_head == 8);
    CHECK_FALSE(read(R"({"tie_word_embeddings": null})").tied_unembedding);
    CHECK(read(R"({"attention_bias": true})").qkv_bias);
    CHECK(read(R"({"mlp_bias": true})").mlp_bias);
    CHECK(read(R"({"rms_norm_eps": null})").norm_eps == 1e-6);
    CHECK(read(R"({"rope_theta": null})").rope_theta == 10000);
    CHECK(read(R"({"pretraining_tp": 4, "attention_dropout": 0.1, "auto_map": {}})") == old);

    std::vector<std::pair<std::string, std::string>> const refused{
        {R"({"hidden_act": "gelu"})", "'hidden_act' is 'gelu'; supported: 'silu'"},
        {R"({"attention_bias": 1})", "'attention_bias' must be true or false"},
        {R"({"sliding_window": 4096})", "'sliding_window' is 4096"},
        {R"({"partial_rotary_factor": 0.5})",
         "'partial_rotary_factor' is 0.5; supported: 1, since models of this kind"},
        {R"({"quantization_config": {"bits": 4}})", "'quantization_config' is"},
        {R"({"layer_types": ["full_attention"]})", "'layer_types' has 1 entries for 3 layers"},
        {R"({"layer_types": ["full_attention", "full_attention", "sliding_attention"]})",
         "'layer_types' is \"sliding_attention\""},
        {R"({"rope_scaling": {"rope_type": "proportional"}})",
         "'rope_type' is 'proportional'; supported: 'default', 'llama3', 'linear', 'yarn'"},
        {R"({"rope_scaling": {"rope_type": null, "type": "dynamic"}})", "'type' is 'dynamic'"},
        {R"({"rope_scaling": {"rope_type": "longrope"}})", "'rope_type' is 'longrope'"},
        {R"({"rope_scaling": {"type": "linear"}})",
         "'rope_scaling.rope_type' is \"llama3\" and 'rope_scaling.type' is \"linear\", but both name the same fact"},
        {R"({"rope_scaling": {"factor": null}})", "rope_scaling: 'factor' is missing"},
        {R"({"rope_scaling": {"factor": 0}})", "'factor' must be positive"},
        {R"({"rope_scaling": {"high_freq_factor": 1}})", "'high_freq_factor' must be larger"},
        {R"({"rope_parameters": {"rope_type": "default"}})",
         "'rope_parameters' is an object with 1 key and 'rope_scaling' is"},
        {R"({"rope_scaling": null, "rope_parameters": {"rope_type": "default", "rope_theta": 7.0}})",
         "'rope_theta' is 500 and 'rope_parameters.rope_theta' is 7, but both name the same fact"},
        {R"({"model_type": "mamba"})", "'model_type' is 'mamba'; supported: 'llama'"},
        {R"({"architectures": ["LlamaForSequenceClassification"]})",
         "'architectures' is 'LlamaForSequenceClassification'"},
        {R"({"model_type": null, "architectures": ["X"]})", "'architectures' is 'X'"},
        {R"({"model_type": null, "architectures": null})", "neither 'model_type' nor 'architectures'"},
        {R"({"num_hidden_layers": null})", "'num_hidden_layers' is missing"},
        {R"({"num_hidden_layers": 3.0})", "'num_hidden_layers' must be a whole number"},
        {R"({"hidden_size": 0})", "'hidden_size' must be a whole number from 1"},
        {R"({"vocab_size": 99999999999})", "'vocab_size' must be a whole number from 1"},
        {R"({"num_key_value_heads": 3})", "kv_heads must divide heads"},
        {R"({"head_dim": 7})", "rotary embedding needs an even"},
        {R"({"head_dim": null, "hidden_size": 33})", "'head_dim' is missing"},
        {R"({"rms_norm_eps": "x"})", "'rms_norm_eps' must be a number"},
        {R"({"rope_theta": -1})", "'rope_theta' must be positive"},
        {R"({"tie_word_embeddings": 1})", "'tie_word_embeddings' must be true or false"},
    };
    for (auto const& [change, why] : refused) {
        INFO(change);
        CHECK_THROWS_AS(read(change), bad_file);
        CHECK_THROWS_WITH(read(change), ContainsSubstring(why) && ContainsSubstring("config.json"));
    }
    CHECK_THROWS_WITH(read_config(f.write("config.json", "[]")), ContainsSubstring("must be a JSON object"));
    CHECK_THROWS_WITH(read_config(f.path / "none"), ContainsSubstring("there is no such file"));
}

TEST_CASE("a config's key that is on and not known is refused by name", "[io][config]") {
    folder const f;
    auto const read = [&](std::string const& change, std::string const& base) {
        auto config = read_json(data / base / "config.json");
        config.merge_patch(parse_json(change, path)); // null takes a key away
        return read_config(f.write("config.json", config.dump()));
    };
    auto const refuses = [&](std::string const& base, std::string const& change, std::string const& why) {
        INFO(base << ": " << change);
        CHECK_THROWS_AS(read(change, base), bad_file);
        CHECK_THROWS_WITH(read(change, base), ContainsSubstring("config.json") && ContainsSubstring(why));
    };
    for (auto const* base : {"llama_gqa", "mistral", "qwen2", "qwen3", "gemma2", "gpt2", "gpt_neox"}) {
        refuses(base, R"({"is_causal": false})", "'is_causal' is false; supported: true");
        refuses(base, R"({"use_bidirectional_attention": true})", "'use_bidirectional_attention' is true, a key that");
        refuses(base, R"({"per_layer_config": {"0": {"hidden_act": "relu"}}})", "'per_layer_config' is an object");
        refuses(base, R"({"is_encoder_decoder": true})", "'is_encoder_decoder' is true");
        refuses(base, R"({"num_experts": 8})", "'num_experts' is 8");
        refuses(base, R"({"logit_scale": 0.5})", "'logit_scale' is 0.5");
        refuses(base, R"({"pruned_heads": {"0": [1]}})", "'pruned_heads' is an object");
        refuses(base, R"({"quantization": {"bits": 4}})", "'quantization' is an object");
        refuses(base, R"({"auto_map": {"AutoModelForCausalLM": "m--x.Y"}})", "naming code for AutoModelForCausalLM");
        CHECK(read(R"({"is_causal": true, "use_bidirectional_attention": false, "per_layer_config": {},
                       "is_encoder_decoder": false, "num_experts": 0, "pruned_heads": {}, "auto_map": {
                       "AutoTokenizer": ["m--x.Y", "m--x.Z"]}, "unsloth_fixed": true, "_name_or_path": "x",
                       "task_specific_params": {"text-generation": {"do_sample": true, "max_length": 50}},
                       "transformers.js_config": {"dtype": "q4"}, "id2label": {"0": "LABEL_0"}, "dtype": "float32",
                       "cache_implementation": "hybrid", "eos_token_id": [1, 2], "transformers_version": "5.23.0"})",
                   base) == read("{}", base));
    }
    refuses("llama_gqa", R"({"n_embd": 32})", "'n_embd' is 32");
    refuses("qwen2", R"({"attention_bias": true})", "'attention_bias' is true");
    refuses("gpt2", R"({"rope_theta": 10000})", "'rope_theta' is 10000");
    refuses("gpt2", R"({"add_cross_attention": true})", "'add_cross_attention' is true");
    refuses("gemma2", R"({"sliding_window_size": 77})", "'sliding_window_size' is 77");

    // Objects inside.
    refuses("llama_mha", R"({"rope_scaling": {"rope_type": "default", "factor": 8}})",
            "rope_scaling: unsupported: 'factor' is 8");
    refuses("llama_gqa", R"({"rope_scaling": {"attention_factor": 0.5}})", "'attention_factor' is 0.5");
    refuses("llama_mha", R"({"rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 4}}})",
            "rope_parameters: unsupported: 'full_attention' is set for its layers alone");
    refuses("gemma2", R"({"rope_parameters": {"sliding_attention": {"rope_type": "default"}}})",
            "'sliding_attention' is set for its layers alone");
    auto config = read_json(data / "gemma2" / "config.json");
    config["rope_parameters"] = parse_json(R"({"rope_theta": 10000.0, "full_attention": null})", path);
    CHECK_THROWS_WITH(read_config(f.write("config.json", config.dump())),
                      ContainsSubstring("'full_attention' is set for its layers alone"));
    CHECK_NOTHROW(
        read(R"({"rope_scaling": {"rope_type": "default", "original_max_position_embeddings": 64}})", "llama_mha"));
}

// Keys of configs as they are published, with what libraries and conversions add to them.
TEST_CASE("no published config is refused for a key that changes nothing", "[io][config]") {
    folder const f;
    auto const read = [&](std::string const& text) { return read_config(f.write("config.json", text)); };
    auto const gpt2 =
        read(R"({"activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1,
        "_num_labels": 1, "bos_token_id": 50256, "embd_pdrop": 0.1, "eos_token_id": 50256, "finetuning_task": null,
        "id2label": {"0": "LABEL_0"}, "initializer_range": 0.02, "is_decoder": false, "is_encoder_decoder": false,
        "label2id": {"LABEL_0": 0}, "layer_norm_epsilon": 1e-05, "length_penalty": 1.0, "model_type": "gpt2",
        "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024, "n_special": 0,
        "output_past": true, "predict_special_tokens": true, "pruned_heads": {}, "resid_pdrop": 0.1,
        "summary_activation": null, "summary_first_dropout": 0.1, "summary_proj_to_labels": true,
        "summary_type": "cls_index", "summary_use_proj": true, "torchscript": false, "use_bfloat16": false,
        "task_specific_params": {"text-generation": {"do_sample": true, "max_length": 50}}, "vocab_size": 50257})");
    CHECK(gpt2.d_mlp == 3072);
    CHECK(gpt2.tied_unembedding);
    auto const neox = read(R"({"architectures": ["GPTNeoXForCausalLM"], "attention_probs_dropout_prob": 0,
        "bos_token_id": 0, "custom_pipelines": {"text-generation": {"impl": "pipeline.Instruct", "pt":
        "AutoModelForCausalLM"}}, "eos_token_id": 0, "hidden_act": "gelu_fast", "hidden_dropout_prob": 0,
        "hidden_size": 6144, "initializer_range": 0.02, "intermediate_size": 24576, "layer_norm_eps": 1e-05,
        "max_position_embeddings": 2048, "model_type": "gpt_neox", "num_attention_heads": 64, "num_hidden_layers": 44,
        "num_steps": "global_step150000", "rotary_emb_base": 10000, "rotary_pct": 0.25, "tie_word_embeddings": false,
        "torch_dtype": "float16", "transformers_version": "4.19.0.dev0", "use_cache": true, "vocab_size": 50432})");
    CHECK(neox.d_rotary == 24);
    auto const llama = read(R"({"_name_or_path": "x", "architectures": ["LlamaForCausalLM"], "attention_bias": false,
        "attention_dropout": 0.0, "bos_token_id": 128000, "eos_token_id": [128001, 128008, 128009], "head_dim": 64,
        "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02, "intermediate_size": 8192,
        "max_position_embeddings": 131072, "max_sequence_length": 2048, "mlp_bias": false, "model_type": "llama",
        "_flash_attn_2_enabled": true, "num_attention_heads": 32, "num_hidden_layers": 16, "num_key_value_heads": 8,
        "pad_token_id": 128004, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 32.0,
        "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192, "rope_type":
        "llama3"}, "rope_theta": 500000.0, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
        "transformers_version": "4.52.0.dev0", "unsloth_fixed": true, "unsloth_version": "2025.1", "use_cache": true,
        "vocab_size": 128256})");
    CHECK(llama.rope_factor == 32);
    CHECK(read(R"({"architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
        "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 576, "initializer_range": 0.041,
        "intermediate_size": 1536, "is_llama_config": true, "max_position_embeddings": 8192, "mlp_bias": false,
        "model_type": "llama", "num_attention_heads": 9, "num_hidden_layers": 30, "num_key_value_heads": 3,
        "pad_token_id": 2, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_interleaved": false, "rope_scaling": null,
        "rope_theta": 100000, "tie_word_embeddings": true, "torch_dtype": "bfloat16", "transformers.js_config":
        {"kv_cache_dtype": {"q4f16": "float16", "fp16": "float16"}}, "use_cache": true, "vocab_size": 49152})")
              .d_head == 64);
    CHECK(read(R"({"architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643,
        "eos_token_id": 151645, "hidden_act": "silu", "hidden_size": 896, "initializer_range": 0.02,
        "intermediate_size": 4864, "max_position_embeddings": 32768, "max_window_layers": 21, "model_type": "qwen2",
        "num_attention_heads": 14, "num_hidden_layers": 24, "num_key_value_heads": 2, "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0, "sliding_window": 32768, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
        "transformers_version": "4.43.1", "use_cache": true, "use_mrope": false, "use_sliding_window": false,
        "vocab_size": 151936})")
              .window == 0);
    CHECK(read(R"({"architectures": ["Qwen3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
        "bos_token_id": 151643, "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu", "hidden_size": 1024,
        "initializer_range": 0.02, "intermediate_size": 3072, "max_position_embeddings": 40960, "max_window_layers": 28,
        "model_type": "qwen3", "num_attention_heads": 16, "num_hidden_layers": 28, "num_key_value_heads": 8,
        "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000, "sliding_window": null,
        "tie_word_embeddings": true, "torch_dtype": "bfloat16", "use_cache": true, "use_sliding_window": false,
        "vocab_size": 151936})")
              .qk_norm);
    CHECK(read(R"({"architectures": ["Gemma2ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
        "attn_logit_softcapping": 50.0, "_attn_implementation": "eager", "bos_token_id": 2, "cache_implementation":
        "hybrid", "eos_token_id": [1, 107], "final_logit_softcapping": 30.0, "head_dim": 256, "hidden_act":
        "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 2304, "initializer_range": 0.02,
        "intermediate_size": 9216, "max_position_embeddings": 8192, "model_type": "gemma2", "num_attention_heads": 8,
        "num_hidden_layers": 26, "num_key_value_heads": 4, "pad_token_id": 0, "query_pre_attn_scalar": 256,
        "rms_norm_eps": 1e-06, "rope_theta": 10000.0, "sliding_window": 4096, "sliding_window_size": 4096,
        "torch_dtype": "bfloat16", "use_cache": true, "vocab_size": 256000})")
              .window == 4096);
    CHECK(read(R"({"architectures": ["MistralForCausalLM"], "attention_dropout": 0.0, "auto_map": {"AutoTokenizer":
        ["x--y.Z", null]}, "bos_token_id": 1, "eos_token_id": 2, "head_dim": null, "hidden_act": "silu",
        "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 14336, "max_position_embeddings": 32768,
        "model_type": "mistral", "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
        "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "sliding_window": 4096,
        "tie_word_embeddings": false, "torch_dtype": "bfloat16", "use_cache": true, "vocab_size": 32000})")
              .window == 4096);
}

TEST_CASE("two spellings of one fact must agree", "[io][config]") {
    folder const f;
    auto const read = [&](std::string const& change, std::string const& base) {
        auto config = read_json(data / base / "config.json");
        config.merge_patch(parse_json(change, path));
        return read_config(f.write("config.json", config.dump()));
    };
    // Which old and new names GPT-NeoX's facts have; the data's config has the old ones, 10000 and 0.25.
    auto const neox = read("{}", "gpt_neox");
    CHECK(neox.d_rotary == neox.d_head / 4);
    CHECK(read(R"({"rope_theta": 10000, "partial_rotary_factor": 0.25, "rope_scaling": null, "rope_parameters":
                   {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25}})",
               "gpt_neox") == neox);
    auto const newer = R"({"rotary_emb_base": null, "rotary_pct": null, "rope_scaling": null, "rope_parameters":
                           {"rope_type": "default", "rope_theta": 7.5, "partial_rotary_factor": 0.5}})";
    CHECK(read(newer, "gpt_neox").rope_theta == 7.5);
    CHECK(read(newer, "gpt_neox").d_rotary == neox.d_head / 2);
    std::vector<std::array<std::string, 3>> const wrong{
        {"gpt_neox", R"({"rope_parameters": {"rope_theta": 500000}})",
         "'rotary_emb_base' is 10000 and 'rope_parameters.rope_theta' is 500000"},
        {"gpt_neox", R"({"rope_theta": 500000})", "'rotary_emb_base' is 10000 and 'rope_theta' is 500000"},
        {"gpt_neox", R"({"partial_rotary_factor": 0.5})", "'rotary_pct' is 0.25 and 'partial_rotary_factor' is 0.5"},
        {"gpt_neox", R"({"rope_parameters": {"partial_rotary_factor": 1}})",
         "'rotary_pct' is 0.25 and 'rope_parameters.partial_rotary_factor' is 1"},
        {"gpt_neox", R"({"rotary_pct": 1.5})", "'rotary_pct', must be at most 1, but is 1.5"},
        {"llama_mha", R"({"rope_parameters": {"rope_theta": 5}})", "and 'rope_parameters.rope_theta' is 5"},
        {"llama_mha", R"({"rope_parameters": {"partial_rotary_factor": 0.5}})", "'partial_rotary_factor' is 0.5"},
        {"gpt2", R"({"num_hidden_layers": 99})", "and 'num_hidden_layers' is 99"},
        {"gpt2", R"({"max_position_embeddings": 99})", "and 'max_position_embeddings' is 99"},
    };
    for (auto const& [base, change, why] : wrong) {
        INFO(base << ": " << change);
        CHECK_THROWS_WITH(read(change, base), ContainsSubstring(why));
    }
    CHECK(read(R"({"n_embd": null, "hidden_size": 32})", "gpt2").d_model == 32);
}

TEST_CASE("for a folder that is not a Hugging Face model, the message says what is there", "[io][config]") {
    folder const f;
    CHECK_THROWS_WITH(read_config(f.path), ContainsSubstring("the folder has no config.json"));
    f.write("small.Q4_1.gguf", "x");
    CHECK_THROWS_WITH(read_config(f.path), ContainsSubstring("name one of them: 'small.Q4_1.gguf'"));
    fs::create_symlink("config.json", f.path / "config.json");
    CHECK_THROWS_WITH(read_config(f.path), ContainsSubstring("config.json: the file can't be opened"));
}

// The defaults are those of transformers 4.53.3: MistralConfig, Gemma2Config, Qwen2Config, Qwen3Config.
TEST_CASE("a key that is missing has its family's default, and null switches it off", "[io][config]") {
    folder const f;
    auto const read = [&](std::string const& base, std::string const& key, std::optional<std::string> const& value) {
        auto config = read_json(data / base / "config.json");
        config.erase(key);
        if (value)
            config[key] = parse_json(*value, "value");
        return read_config(f.write("config.json", config.dump()));
    };
    CHECK(read("mistral", "sliding_window", std::nullopt).window == 4096);
    CHECK(read("mistral", "sliding_window", "null").window == 0);
    CHECK(read("mistral", "sliding_window", "5").window == 5);
    CHECK(read("mistral", "num_attention_heads", "16").heads == 16);
    CHECK(read("mistral", "num_key_value_heads", "null").kv_heads == 4);
    CHECK_THROWS_WITH(read("mistral", "num_key_value_heads", std::nullopt), // 8
                      ContainsSubstring("kv_heads must divide heads"));
    CHECK(read("gemma2", "num_key_value_heads", std::nullopt).kv_heads == 4);
    CHECK(read("gemma2", "attn_logit_softcapping", std::nullopt).attention_softcap == 50);
    CHECK(read("gemma2", "attn_logit_softcapping", "null").attention_softcap == 0);
    CHECK(read("gemma2", "final_logit_softcapping", std::nullopt).final_softcap == 30);
    CHECK(read("gemma2", "final_logit_softcapping", "null").final_softcap == 0);
    CHECK(read("gemma2", "query_pre_attn_scalar", std::nullopt).attention_scalar == 256);
    CHECK(read("gemma2", "sliding_window", std::nullopt).window == 4096);
    CHECK(read("gemma2", "layer_types", std::nullopt).window_layers == "10");
    CHECK(read("qwen3", "head_dim", std::nullopt).d_head == 128);
}

TEST_CASE("every field that differs from the description is listed", "[io][config]") {
    description const read{.name = "read",
                           .layers = 6,
                           .d_model = 128,
                           .heads = 8,
                           .kv_heads = 8,
                           .d_head = 16,
                           .d_mlp = 192,
                           .vocab = 755,
                           .norm_eps = 1e-5};
    auto expected = read;
    expected.name = "expected";
    expected.norm_eps = static_cast<double>(1e-5f); // written as a float in the program
    CHECK_NOTHROW(require_same(expected, read, path));

    expected.layers = 7;
    expected.rope_theta = 500000;
    expected.rope_scaling = rope_scaling::llama3;
    expected.tied_unembedding = true;
    CHECK_THROWS_AS(require_same(expected, read, path), bad_model);
    CHECK_THROWS_WITH(require_same(expected, read, path),
                      "file.json: not the model 'expected' that this program describes: layers is 6, described as 7; "
                      "rope_theta is 10000, described as 500000; rope_scaling is none, described as llama3; "
                      "tied_unembedding is false, described as true");

    // Each field alone, so that none is forgotten.
    auto const alone = [&](char const* name, auto change) {
        auto other = read;
        change(other);
        CHECK_THROWS_WITH(require_same(other, read, path),
                          ContainsSubstring(std::string("describes: ") + name + " is"));
    };
    alone("family", [](auto& d) { d.family = family::gpt2; });
    alone("layers", [](auto& d) { d.layers += 1; });
    alone("d_model", [](auto& d) { d.d_model += 1; });
    alone("heads", [](auto& d) { d.heads += 1; });
    alone("kv_heads", [](auto& d) { d.kv_heads += 1; });
    alone("d_head", [](auto& d) { d.d_head += 1; });
    alone("d_mlp", [](auto& d) { d.d_mlp += 1; });
    alone("vocab", [](auto& d) { d.vocab += 1; });
    alone("vocab_out", [](auto& d) { d.vocab_out += 1; });
    alone("norm", [](auto& d) { d.norm = norm::layer; });
    alone("norm_eps", [](auto& d) { d.norm_eps *= 2; });
    alone("norm_gain", [](auto& d) { d.norm_gain = false; });
    alone("qk_norm", [](auto& d) { d.qk_norm = true; });
    alone("qk_norm_wide", [](auto& d) { d.qk_norm_wide = true; });
    alone("pre_norms", [](auto& d) { d.pre_norms = false; });
    alone("post_norms", [](auto& d) { d.post_norms = true; });
    alone("position", [](auto& d) { d.position = position::learned; });
    alone("positions", [](auto& d) { d.positions += 1; });
    alone("d_rotary", [](auto& d) { d.d_rotary += 1; });
    alone("rope_theta", [](auto& d) { d.rope_theta += 1; });
    alone("rope_scaling", [](auto& d) { d.rope_scaling = rope_scaling::llama3; });
    alone("rope_factor", [](auto& d) { d.rope_factor += 1; });
    alone("rope_low_freq_factor", [](auto& d) { d.rope_low_freq_factor += 1; });
    alone("rope_high_freq_factor", [](auto& d) { d.rope_high_freq_factor += 1; });
    alone("rope_original_context", [](auto& d) { d.rope_original_context += 1; });
    alone("rope_beta_fast", [](auto& d) { d.rope_beta_fast += 1; });
    alone("rope_beta_slow", [](auto& d) { d.rope_beta_slow += 1; });
    alone("rope_whole_pairs", [](auto& d) { d.rope_whole_pairs = false; });
    alone("rope_attention_factor", [](auto& d) { d.rope_attention_factor += 1; });
    alone("window_rope_theta", [](auto& d) { d.window_rope_theta += 1; });
    alone("bidirectional", [](auto& d) { d.bidirectional = true; });
    alone("pad_token", [](auto& d) { d.pad_token = 3; });
    alone("window", [](auto& d) { d.window += 1; });
    alone("window_layers", [](auto& d) { d.window_layers = "10"; });
    alone("attention_scalar", [](auto& d) { d.attention_scalar += 1; });
    alone("attention_softcap", [](auto& d) { d.attention_softcap += 1; });
    alone("final_softcap", [](auto& d) { d.final_softcap += 1; });
    alone("scaled_embedding", [](auto& d) { d.scaled_embedding = true; });
    alone("mlp", [](auto& d) { d.mlp = mlp::gelu; });
    alone("experts", [](auto& d) { d.experts += 1; });
    alone("experts_per_token", [](auto& d) { d.experts_per_token += 1; });
    alone("d_expert", [](auto& d) { d.d_expert += 1; });
    alone("normalized_experts", [](auto& d) { d.normalized_experts = true; });
    alone("expert_layers", [](auto& d) { d.expert_layers = "10"; });
    alone("residual", [](auto& d) { d.residual = residual::parallel; });
    alone("qkv_bias", [](auto& d) { d.qkv_bias = true; });
    alone("out_bias", [](auto& d) { d.out_bias = true; });
    alone("mlp_bias", [](auto& d) { d.mlp_bias = true; });
    alone("unembedding_bias", [](auto& d) { d.unembedding_bias = true; });
    alone("tied_unembedding", [](auto& d) { d.tied_unembedding = true; });
}

TEST_CASE("damaged safetensors files", "[io][attack]") {
    auto const use = [](std::string const& file) {
        checkpoint const c(file);
        for (auto const& name : c.names()) {
            c.read<double>(name);
            if (c.dtype(name) < dtype::f16)
                c.read<std::int64_t>(name);
        }
    };
    for (auto const* file : {"valid.safetensors", "valid_metadata.safetensors", "valid_padded_header.safetensors"}) {
        int const refused = engraft_test::attack(data / "malformed" / file, 1000, 1000, 1, use);
        CHECK(refused > 300);
        CHECK(refused < 1000);
    }
    // The header's part of the file.
    CHECK(engraft_test::attack(data / "llama_gqa" / "model.safetensors", 3200, 100, 2, use) > 20);
}

TEST_CASE("damaged configs", "[io][attack]") {
    for (auto const* model : {"llama_gqa", "llama_mha"}) {
        auto const use = [](std::string const& file) {
            if (!what_is_wrong(read_config(file)).empty())
                throw std::logic_error("an ill-formed description came out");
        };
        int const refused = engraft_test::attack(data / model / "config.json", 2000, 1000, 3, use);
        CHECK(refused > 300);
        CHECK(refused < 1000);
    }
}
