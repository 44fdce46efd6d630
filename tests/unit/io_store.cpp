// Stores of activations: what is written is what a run captures; programs that are killed; files that are no store.

#include <bit>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "catch.hpp"
#include "random_models.hpp"
#include "temporary_folder.hpp"

#include <engraft/io/xtensor.hpp>

namespace {

using Catch::Matchers::ContainsSubstring;

std::string bytes_of(std::filesystem::path const& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// Names and bytes of all files in a folder.
std::map<std::string, std::string> contents(std::filesystem::path const& folder) {
    std::map<std::string, std::string> all;
    for (auto const& entry : std::filesystem::directory_iterator(folder))
        all[entry.path().filename().string()] = bytes_of(entry.path());
    return all;
}

struct setting {
    eg::model<grouped, eg::reference> model = random_model<eg::reference>(3);
    eg::batch tokens = random_prompts(5, {4, 7, 1, 5, 6, 3, 9, 2, 8, 4});
    temporary_folder folder;
    std::filesystem::path store = folder.path / "store";

    /// Several shards, each of several runs.
    eg::store_options options(eg::dtype type = eg::dtype::f32) const {
        return {
            .dtype = type, .shard_bytes = 3 * 5 * (2 * 32 + 3 * 32) * double(eg::facts_of(type).bytes), .memory = 1};
    }
    auto policy() const { return eg::capture(eg::resid_post, eg::layers({0, 2})) | eg::capture(eg::z); }
    void write(eg::dtype type = eg::dtype::f32) const {
        eg::write_store(model, tokens, policy(), store, options(type));
    }
};

} // namespace

TEST_CASE_METHOD(setting, "a store has what a run captures, in each of its types") {
    auto const run = model.run(tokens, policy());
    for (auto const type : {eg::dtype::f32, eg::dtype::bf16, eg::dtype::f16}) {
        std::filesystem::remove_all(store);
        double last = 0;
        auto with_progress = options(type);
        with_progress.progress = [&](double share) { last = share; };
        eg::write_store(model, tokens, policy(), store, with_progress);
        CHECK(last == 1);
        eg::activation_store const all(store);
        all.verify();
        CHECK(all.manifest().dtype == type);
        CHECK(all.manifest().examples() == 10);
        CHECK(all.manifest().rows() == tokens.rows().rows());
        CHECK(all.manifest().sites ==
              std::vector<eg::stored_site>{{"resid_post", {0, 2}, {32}}, {"z", {0, 1, 2}, {4, 8}}});
        REQUIRE(all.shards() > 2);
        std::size_t row = 0;
        for (std::size_t i = 0; i < all.shards(); ++i) {
            auto const shard = all.shard(i);
            auto const words = shard.tokens(), examples = shard.examples(), positions = shard.positions();
            for (int const layer : {0, 2}) {
                auto const values = shard.read("resid_post", layer);
                CHECK(values.shape == std::vector<std::size_t>{shard.rows(), 32});
                for (std::size_t r = 0; r < shard.rows(); ++r) {
                    auto const there = run[eg::resid_post].slice(layer, examples[r], positions[r]);
                    for (std::size_t c = 0; c < 32; ++c) {
                        auto const x = float(there[c]);
                        auto const limit = type == eg::dtype::f32    ? 0
                                           : type == eg::dtype::bf16 ? std::abs(x) / 256
                                                                     : std::abs(x) / 2048 + 0x1p-25f;
                        REQUIRE(std::abs(values.values[r * 32 + c] - x) <= limit);
                    }
                }
            }
            auto const heads = shard.read("z", 1);
            CHECK(heads.shape == std::vector<std::size_t>{shard.rows(), 4, 8});
            for (std::size_t r = 0; r < shard.rows(); ++r) {
                CHECK(words[r] == tokens.tokens()[row + r]);
                CHECK(tokens.rows().begin(std::size_t(examples[r])) + std::size_t(positions[r]) == row + r);
                if (type == eg::dtype::f32)
                    REQUIRE(heads.values[r * 32 + 3 * 8 + 5] ==
                            float(run[eg::z].slice(1, examples[r], positions[r], 3)[5]));
            }
            row += shard.rows();
            if (type == eg::dtype::f32) {
                auto const mapped = shard.whole("z", 1);
                CHECK(std::equal(heads.values.begin(), heads.values.end(), mapped.data()));
                CHECK(mapped.shape() == eg::extents<eg::dynamic, eg::dynamic>(shard.rows(), 32));
                xt::xtensor<float, 2> const copy = eg::to_xtensor(mapped);
                CHECK(copy(0, 31) == mapped(0, 31));
            } else {
                CHECK_THROWS_WITH(shard.whole("z", 1), ContainsSubstring("[store.view]"));
            }
            CHECK_THROWS_WITH(shard.tensor("z", 3), ContainsSubstring("[store.site]"));
        }
        CHECK(row == tokens.rows().rows());
    }
}

TEST_CASE_METHOD(setting, "the parts in which prompts are run change no bit of a store") {
    write();
    auto const one_by_one = contents(store);
    std::filesystem::remove_all(store);
    auto large = options();
    large.memory = 1e9;
    eg::write_store(model, tokens, policy(), store, large);
    CHECK(contents(store) == one_by_one);
    // Again: nothing is left to do.
    write();
    CHECK(contents(store) == one_by_one);
}

TEST_CASE_METHOD(setting, "rows at a role, of the first layers only") {
    eg::role const place{"place", {1, 2, 0, -1, 3, 0, 8, 1, -2, 0}, {}};
    auto const at_role = [&](eg::part_of_batch part) {
        return eg::capture(eg::resid_post, eg::layer(1) & eg::at(part.of(place)));
    };
    eg::write_store(model, tokens, at_role, store, {.shard_bytes = 400, .memory = 1}, eg::first_layers{2});
    eg::activation_store const all(store);
    CHECK(all.manifest().rows() == 10);
    auto const run = model.run(tokens, eg::capture(eg::resid_post, eg::layer(1)));
    for (std::size_t i = 0; i < all.shards(); ++i) {
        auto const shard = all.shard(i);
        auto const examples = shard.examples(), positions = shard.positions();
        for (std::size_t r = 0; r < shard.rows(); ++r) {
            auto const e = examples[r];
            CHECK(std::size_t(positions[r]) == tokens.rows().position(e, place.positions[std::size_t(e)]));
            CHECK(shard.whole("resid_post", 1)(r, 7) == float(run[eg::resid_post].slice(1, e, positions[r])[7]));
        }
    }
}

TEST_CASE_METHOD(setting, "a program that is killed at any time goes on, and the files are the same in the end") {
    write(eg::dtype::bf16);
    auto const whole = contents(store);
    std::filesystem::remove_all(store);
    eg::random draw(1);
    std::size_t killed = 0, unfinished = 0;
    for (int i = 0; i < 400 && killed < 10; ++i) {
        auto const child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            write(eg::dtype::bf16);
            ::_exit(0);
        }
        ::usleep(static_cast<useconds_t>(draw.below(12000)));
        ::kill(child, SIGKILL);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        if (WIFSIGNALED(status)) {
            ++killed;
            if (!std::filesystem::exists(store / "manifest.json")) {
                ++unfinished;
                if (std::filesystem::exists(store / "shard-00000.safetensors"))
                    CHECK_THROWS_WITH(eg::activation_store(store), ContainsSubstring("not finished"));
            }
        } else {
            std::filesystem::remove_all(store); // it was done before it was killed
        }
    }
    CHECK(killed == 10);
    CHECK(unfinished > 3);
    write(eg::dtype::bf16);
    auto left = contents(store);
    std::erase_if(left, [](auto const& file) { return file.first.ends_with(".part"); });
    CHECK(left == whole);
    eg::activation_store(store).verify();
}

TEST_CASE_METHOD(setting, "a killed program leaves whole shards, and others do not go on with them") {
    write();
    auto const whole = contents(store);
    std::filesystem::remove(store / "manifest.json");
    std::filesystem::remove(store / "shard-00002.safetensors");
    std::ofstream(store / "shard-00002.safetensors.part") << "half of it";
    auto const of_other = random_model<eg::reference>(4);
    auto const refused = [&](auto const& m, eg::batch const& t, eg::dtype type) {
        CHECK_THROWS_WITH(eg::write_store(m, t, policy(), store, options(type)), ContainsSubstring("[store.other]"));
    };
    refused(of_other, tokens, eg::dtype::f32);
    refused(model, random_prompts(6, {4, 7, 1, 5, 6, 3, 9, 2, 8, 4}), eg::dtype::f32);
    refused(model, tokens, eg::dtype::f16);
    write();
    CHECK(contents(store) == whole);
    refused(of_other, tokens, eg::dtype::f32); // whole, too
    CHECK_THROWS_WITH(eg::write_store(model, tokens, policy(), store, {.dtype = eg::dtype::f64}),
                      ContainsSubstring("[store.dtype]"));
    CHECK_THROWS_AS(eg::write_store(model, tokens, policy(), store, {.memory = 0}), eg::bad_input);
}

TEST_CASE("every float becomes the nearest bfloat16 and float16") {
    temporary_folder const folder;
    // Each 16-bit number, halfway to the next one, and a bit to either side of that.
    std::vector<float> values;
    for (std::uint32_t bits = 0; bits < 0x7b00; bits += 7) {
        auto const x = eg::from_float16(std::uint16_t(bits)), next = eg::from_float16(std::uint16_t(bits + 1));
        auto const half = (x + next) / 2;
        for (float const y : {x, half, std::nextafter(half, x), std::nextafter(half, next)})
            values.insert(values.end(), {y, -y});
    }
    for (auto const type : {eg::dtype::bf16, eg::dtype::f16}) {
        auto const path = folder.path / std::string(eg::to_string(type));
        eg::store_writer writer(path, {.dtype = type, .of = 1, .sites = {{"x", {0}, {1}}}, .shards = {}});
        std::vector<std::int64_t> const labels(values.size());
        writer.add_labels(labels, labels, labels);
        writer.add("x", 0, std::span<float const>(values));
        writer.write_shard(1);
        writer.finish();
        auto const back = eg::activation_store(path).shard(0).read("x", 0).values;
        auto const decoded = [&](std::uint32_t bits) {
            return type == eg::dtype::f16 ? eg::from_float16(std::uint16_t(bits))
                                          : eg::from_bfloat16(std::uint16_t(bits));
        };
        for (std::size_t i = 0; i < values.size(); ++i) {
            float const x = std::abs(values[i]), y = std::abs(back[i]);
            REQUIRE(std::signbit(values[i]) == std::signbit(back[i]));
            // The bits of what came back, and the numbers beside it.
            std::uint32_t low = 0, high = type == eg::dtype::f16 ? 0x7bffu : 0x7f7fu;
            while (low < high)
                if (auto const middle = (low + high) / 2; decoded(middle) < y)
                    low = middle + 1;
                else
                    high = middle;
            REQUIRE(decoded(low) == y);
            double const error = std::abs(double(x) - double(y));
            double const above = std::abs(double(decoded(low + 1)) - double(x));
            REQUIRE((error < above || (error == above && low % 2 == 0)));
            if (low > 0) {
                double const below = std::abs(double(decoded(low - 1)) - double(x));
                REQUIRE((error < below || (error == below && low % 2 == 0)));
            }
        }
    }
    eg::store_writer writer(folder.path / "large",
                            {.dtype = eg::dtype::f16, .of = 1, .sites = {{"x", {0}, {1}}}, .shards = {}});
    CHECK_THROWS_WITH(writer.add("x", 0, std::span<float const>(std::vector{1.f, -70000.f})),
                      ContainsSubstring("[store.range]"));
    // Rows and labels that are not as many.
    std::vector<std::int64_t> const two(2);
    eg::store_writer uneven(folder.path / "uneven", {.of = 1, .sites = {{"x", {0}, {1}}}, .shards = {}});
    uneven.add_labels(two, two, two);
    uneven.add("x", 0, std::span<float const>(std::vector{1.f}));
    CHECK_THROWS_WITH(uneven.write_shard(1), ContainsSubstring("2 rows"));
}

TEST_CASE_METHOD(setting, "what is no store is refused with one sentence") {
    CHECK_THROWS_AS(eg::activation_store(store), eg::bad_file);
    write();
    auto const manifest = store / "manifest.json";
    auto const good = nlohmann::json::parse(bytes_of(manifest));
    auto const refused = [&](std::string const& pointer, nlohmann::json const& value, std::string const& because) {
        auto bad = good;
        bad[nlohmann::json::json_pointer(pointer)] = value;
        std::ofstream(manifest) << bad;
        INFO(bad.dump());
        CHECK_THROWS_AS(eg::activation_store(store), eg::bad_file);
        CHECK_THROWS_WITH(eg::activation_store(store), ContainsSubstring(because));
    };
    refused("/format", "engraft store 2", "this reads");
    refused("/dtype", "F64", "F32, BF16 or F16");
    refused("/of", "12", "16 hexadecimal digits");
    refused("/of", "zzzzzzzzzzzzzzzz", "16 hexadecimal digits");
    refused("/more", 1, "more");
    refused("/examples", 11, "together");
    refused("/rows", 3, "together");
    refused("/sites", nlohmann::json::array(), "no site");
    refused("/sites/0/layers", nlohmann::json::array({2, 0}), "do not ascend");
    refused("/sites/0/layers", nlohmann::json::array(), "no layer");
    refused("/sites/0/shape", nlohmann::json::array({0}), "shape");
    refused("/sites/0/shape", nlohmann::json::array({1 << 20, 1 << 20}), "too many numbers");
    refused("/sites/1/name", "resid_post", "stands twice");
    refused("/sites/0/name", "", "name");
    refused("/shards", nlohmann::json::array(), "no site or no shard");
    refused("/shards/1/file", "../shard-00001.safetensors", "must be the file");
    refused("/shards/1/first_example", 0, "ends at");
    refused("/shards/1/rows", -1, "rows");
    refused("/shards/1/hash", 5, "hash");
    std::ofstream(manifest) << "{";
    CHECK_THROWS_AS(eg::activation_store(store), eg::bad_file);

    // Well formed, but files that say otherwise.
    auto const of_shard = [&](std::string const& pointer, nlohmann::json const& value, std::string const& because) {
        auto bad = good;
        bad[nlohmann::json::json_pointer(pointer)] = value;
        std::ofstream(manifest) << bad;
        eg::activation_store const all(store);
        CHECK_THROWS_AS(all.shard(0), eg::bad_file);
        CHECK_THROWS_WITH(all.shard(0), ContainsSubstring(because));
        CHECK_THROWS_AS(all.shard(99), eg::bad_input);
    };
    of_shard("/sites/0/shape", nlohmann::json::array({33}), "must be F32 of");
    of_shard("/dtype", "BF16", "must be BF16");
    of_shard("/sites/0/name", "mlp_out", "says nothing of a tensor");
    of_shard("/sites/0/layers", nlohmann::json::array({0, 1, 2}), "is missing");

    std::ofstream(manifest) << good;
    eg::activation_store(store).verify();
    auto bytes = bytes_of(store / "shard-00001.safetensors");
    bytes.back() = char(bytes.back() ^ 1);
    std::ofstream(store / "shard-00001.safetensors", std::ios::binary) << bytes;
    CHECK_THROWS_WITH(eg::activation_store(store).verify(), ContainsSubstring("shard-00001.safetensors"));
    bytes.pop_back();
    std::ofstream(store / "shard-00001.safetensors", std::ios::binary) << bytes;
    CHECK_THROWS_AS(eg::activation_store(store).shard(1), eg::bad_file);
    std::filesystem::remove(store / "shard-00001.safetensors");
    CHECK_THROWS_AS(eg::activation_store(store).shard(1), eg::bad_file);
}
