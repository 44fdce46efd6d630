// What a journal keeps, and what it makes of files that were cut short, damaged or written by somebody else.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include <unistd.h>

#include "catch.hpp"
#include "temporary_folder.hpp"

#include <engraft/core/error.hpp>
#include <engraft/core/hash.hpp>
#include <engraft/io/journal_file.hpp>

namespace eg = engraft;
namespace fs = std::filesystem;

namespace {

using folder = temporary_folder;

std::string content(fs::path const& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}
void write(fs::path const& file, std::string const& bytes) { std::ofstream(file, std::ios::binary) << bytes; }

std::span<std::byte const> bytes_of(std::string const& text) { return std::as_bytes(std::span(text)); }
std::vector<std::string> texts(eg::journal const& j, std::uint64_t work) {
    std::vector<std::string> all;
    for (auto const& record : j.finished(work))
        all.emplace_back(reinterpret_cast<char const*>(record.data()), record.size());
    return all;
}
using list = std::vector<std::string>;
std::vector<eg::journal_input> const inputs{{"model", 17}, {"prompts", 18}};

} // namespace

TEST_CASE("a journal has what was added to it, of each work by itself") {
    folder const here;
    auto const file = here.path / "a.journal";
    {
        eg::journal_file j(file, inputs);
        CHECK(j.found() == 0);
        j.add(5, bytes_of("one"));
        j.add(6, bytes_of("other"));
        j.add(5, bytes_of(""));
        CHECK(texts(j, 5) == list{"one", ""});
        CHECK_THROWS_AS(eg::journal_file(file, inputs), eg::bad_file); // it is open
    }
    eg::journal_file j(file, inputs);
    CHECK(j.found() == 3);
    CHECK(j.dropped() == 0);
    CHECK(texts(j, 5) == list{"one", ""});
    CHECK(texts(j, 6) == list{"other"});
    CHECK(texts(j, 0).empty()); // the inputs are nobody's work
    j.add(6, bytes_of("more"));
    CHECK(texts(j, 6) == list{"other", "more"});
}

TEST_CASE("a journal cut short anywhere has its whole records, and goes on behind them") {
    folder const here;
    auto const file = here.path / "a.journal", part = here.path / "part.journal";
    std::vector<std::size_t> ends;
    {
        eg::journal_file j(file, inputs);
        for (auto const* text : {"first", "second, which is longer", "3"}) {
            ends.push_back(content(file).size());
            j.add(5, bytes_of(text));
        }
    }
    auto const whole = content(file);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        write(part, whole.substr(0, size));
        std::size_t const records = size < ends[1] ? 0 : size < ends[2] ? 1 : 2;
        {
            eg::journal_file j(part, inputs);
            REQUIRE(j.found() == records);
            j.add(5, bytes_of("new"));
        }
        eg::journal_file again(part, inputs);
        REQUIRE(again.dropped() == 0);
        auto expected = list{"first", "second, which is longer"};
        expected.resize(records);
        expected.push_back("new");
        REQUIRE(texts(again, 5) == expected);
    }
}

TEST_CASE("a damaged record of a journal is dropped with all behind it, and never believed") {
    folder const here;
    auto const file = here.path / "a.journal", part = here.path / "part.journal";
    std::size_t begin = 0;
    {
        eg::journal_file j(file, inputs);
        j.add(5, bytes_of("first"));
        begin = content(file).size();
        j.add(5, bytes_of("second"));
        j.add(5, bytes_of("third"));
    }
    auto const whole = content(file);
    for (auto at = begin; at < begin + 24 + 6; ++at)
        for (unsigned char const flip : {0x01, 0x80}) {
            auto damaged = whole;
            damaged[at] = static_cast<char>(damaged[at] ^ flip);
            write(part, damaged);
            eg::journal_file const j(part, inputs);
            REQUIRE(texts(j, 5) == list{"first"});
            REQUIRE(j.dropped() == whole.size() - begin);
        }
}

TEST_CASE("a journal of other inputs is refused by name, or begun anew where that is asked for") {
    folder const here;
    auto const file = here.path / "a.journal";
    std::optional<eg::journal_file> j(std::in_place, file, inputs);
    j->add(5, bytes_of("one"));
    j.reset();
    auto const before = content(file);
    auto const refusal = [&](std::vector<eg::journal_input> const& others) -> std::string {
        try {
            eg::journal_file const opened(file, others);
        } catch (eg::bad_input const& e) {
            return e.what();
        }
        return "nothing";
    };
    using Catch::Matchers::ContainsSubstring;
    CHECK_THAT(refusal({{"model", 17}, {"prompts", 19}}), ContainsSubstring("begun with another prompts;"));
    CHECK_THAT(refusal({{"model", 1}, {"prompts", 2}}), ContainsSubstring("another model, prompts;"));
    CHECK_THAT(refusal({{"model", 17}}), ContainsSubstring("another list of inputs;"));
    CHECK(content(file) == before);
    j.emplace(file, std::vector<eg::journal_input>{{"model", 1}}, eg::journal_start::anew);
    CHECK(j->found() == 0);
    CHECK(texts(*j, 5).empty());
}

TEST_CASE("what is no journal is left as it is") {
    folder const here;
    auto const file = here.path / "notes.txt";
    write(file, "engraft is a library, and this is no journal");
    CHECK_THROWS_AS(eg::journal_file(file, inputs), eg::bad_file);
    CHECK(content(file) == "engraft is a library, and this is no journal");
    CHECK_THROWS_AS(eg::journal_file(here.path, inputs), eg::bad_file);
    CHECK_THROWS_AS(eg::journal_file(here.path / "no folder" / "a", inputs), eg::bad_file);
}

TEST_CASE("the hash of a folder covers only the files that are read") {
    folder const here;
    auto const hash = [&] { return eg::hash_of_files(here.path); };
    auto const shard = [&](std::string const& file, std::string const& tensor, char element) {
        std::string const header = "{\"" + tensor + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
        std::uint64_t const length = header.size();
        write(here.path / file, std::string(reinterpret_cast<char const*>(&length), 8) + header + element);
    };
    write(here.path / "config.json", "{}");
    shard("one.safetensors", "a", 'x');
    shard("two.safetensors", "b", 'x');
    write(here.path / "model.safetensors.index.json",
          R"({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}})");
    auto const first = hash();
    shard("two.safetensors", "b", 'y');
    CHECK(hash() != first);
    shard("two.safetensors", "b", 'x');
    CHECK(hash() == first);

    // A file that has nothing to do with the model costs nothing, though it has no end.
    write(here.path / "video", "");
    fs::resize_file(here.path / "video", std::uintmax_t{1} << 40);
    shard("three.safetensors", "c", 'x');
    CHECK(hash() == first);

    // Two more files say what tokens are, if there is a tokenizer_config.json.
    write(here.path / "special_tokens_map.json", "{}");
    CHECK(hash() == first);
    write(here.path / "tokenizer_config.json", "{}");
    auto const with_tokens = hash();
    CHECK(with_tokens != first);
    write(here.path / "special_tokens_map.json", R"({"eos_token": "</s>"})");
    CHECK(hash() != with_tokens);
    write(here.path / "special_tokens_map.json", "{}");
    write(here.path / "added_tokens.json", "{}");
    CHECK(hash() != with_tokens);
}

TEST_CASE("a journal of any size takes the memory of its records") {
    folder const here;
    auto const file = here.path / "sparse.journal";
    { eg::journal_file(file, inputs).add(5, bytes_of("one")); }
    auto const before = fs::file_size(file);
    auto const larger = std::uintmax_t{1} << 40; // nothing was written there
    fs::resize_file(file, larger);
    {
        eg::journal_file const j(file, inputs);
        CHECK(texts(j, 5) == list{"one"});
        CHECK(j.dropped() == larger - before);
    }
    CHECK(fs::file_size(file) == before);

    auto const other = here.path / "sparse";
    write(other, "");
    fs::resize_file(other, larger);
    CHECK_THROWS_WITH(eg::journal_file(other, inputs), Catch::Matchers::ContainsSubstring("no journal of engraft's"));
    CHECK(fs::file_size(other) == larger);
}

TEST_CASE("a hash of files changes with a name, a byte and a file") {
    folder const here;
    auto const hash = [&] { return eg::hash_of_files(here.path); };
    CHECK_THROWS_AS(hash(), eg::bad_file); // no model
    write(here.path / "config.json", "123456789");
    auto const first = hash();
    CHECK(hash() == first);
    write(here.path / "config.json", "123456780");
    CHECK(hash() != first);
    write(here.path / "config.json", "123456789");
    CHECK(hash() == first);
    fs::rename(here.path / "config.json", here.path / "tokenizer.json");
    CHECK(hash() != first);
    CHECK(eg::hash_of_files(here.path / "tokenizer.json") != eg::hash_of_files(here.path));
    CHECK_THROWS_AS(eg::hash_of_files(here.path / "config.json"), eg::bad_file);
    CHECK(eg::hasher().add("ab").add("c").value() != eg::hasher().add("a").add("bc").value());
    CHECK(eg::hasher().add(1).add(2).value() != eg::hasher().add(2).add(1).value());
    CHECK(eg::hasher().add(0.0).value() != eg::hasher().add(-0.0).value());
    CHECK(eg::hasher().value() != eg::hasher().add(0).value());
}
