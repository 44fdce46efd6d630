// The folder of results of examples/paper, and the file of its models: what is read is what was written, by one run at
// a time, and nothing in a file is passed over.

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include <sys/stat.h>
#include <unistd.h>

#include "catch.hpp"

#include <engraft/core/error.hpp>
#include <engraft/io/circuit_file.hpp>
#include <engraft/io/json.hpp>

#include "../../examples/paper/published.hpp"
#include "../../examples/paper/settings.hpp"
#include "../../examples/paper/store.hpp"

namespace eg = engraft;
namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;

namespace {

struct place {
    fs::path path = fs::temp_directory_path() / ("engraft-store-" + std::to_string(::getpid()));
    place() { fs::create_directories(path); }
    ~place() { fs::remove_all(path); }
};

void write(fs::path const& file, std::string const& text) { std::ofstream(file, std::ios::binary) << text; }
std::string text_of(fs::path const& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::string refusal_of(std::function<void()> const& work) {
    try {
        work();
    } catch (eg::error const& e) {
        return e.what();
    }
    return "nothing was refused";
}

report::findings found() {
    report::findings f{.name = "one", .title = "One", .settings = {{"prompts", "8"}}};
    f.tables = {{"t", {"name", "number"}, {{"x", 0.5}}}};
    f.figures = {{.name = "drawn", .title = "D", .all = {{.name = "s", .y = {1, 2}}}, .levels = {{"l", 1}}}};
    f.comparisons = {{"yes", 1, report::relation::near, 1, 0.1}};
    f.arrays = {{"numbers", {2}, {1, 2}}};
    return f;
}

eg::circuit const heads{{{"a", "last", {{0, 1}}}}}, others{{{"a", "last", {{5, 1}}}}};

void fill(paper::store& kept) {
    kept.begin("one");
    kept.write_circuit("base", heads);
    kept.finish(found(), 17, 1.5);
}

} // namespace

TEST_CASE("a folder of results is one run's at a time") {
    place const here;
    {
        paper::store const first(here.path);
        CHECK_THAT(refusal_of([&] { paper::store second(here.path); }),
                   ContainsSubstring("another run is working in the folder"));
    }
    paper::store const next(here.path);
}

TEST_CASE("a lock that is not an ordinary file is refused, and nobody waits for it") {
    place const here;
    REQUIRE(::mkfifo((here.path / "lock").c_str(), 0600) == 0);
    CHECK_THAT(refusal_of([&] { paper::store kept(here.path); }), ContainsSubstring("must be an ordinary file"));
}

TEST_CASE("circuits and results that were changed are not read") {
    place const here;
    paper::store kept(here.path);
    fill(kept);
    CHECK(kept.has("one", 17));
    CHECK(kept.circuit("base") == heads);
    CHECK(kept.found("one").agreeing() == 1);

    auto const circuit = here.path / "circuits/base.json", results = here.path / "results/one.json";
    auto const whole = text_of(circuit), all = text_of(results);
    eg::write_circuit(circuit, others); // another run's, say
    CHECK_THAT(refusal_of([&] { kept.circuit("base"); }), ContainsSubstring("not the file that an experiment"));
    write(circuit, whole);
    CHECK(kept.circuit("base") == heads);
    eg::write_circuit(here.path / "circuits/stranger.json", others);
    CHECK_THAT(refusal_of([&] { kept.circuit("stranger"); }), ContainsSubstring("not the file that an experiment"));
    write(results, all + " ");
    CHECK_THAT(refusal_of([&] { kept.found("one"); }), ContainsSubstring("not the file that an experiment"));
    CHECK_FALSE(kept.has("one", 17));
}

TEST_CASE("an unknown key in results is refused by name") {
    place const here;
    struct damage {
        std::string message;
        std::function<void(nlohmann::ordered_json&)> change;
    };
    std::vector<damage> const cases{
        {"'Title' is ", [](auto& j) { j["Title"] = "t"; }},
        {"'colour' is ", [](auto& j) { j["figures"][0]["colour"] = "red"; }},
        {"'z' is ", [](auto& j) { j["figures"][0]["series"][0]["z"] = 1; }},
        {"'z' is ", [](auto& j) { j["figures"][0]["levels"][0]["z"] = 1; }},
        {"'row' is ", [](auto& j) { j["tables"][0]["row"] = 1; }},
        {"'Rule' is ", [](auto& j) { j["comparisons"][0]["Rule"] = "near"; }},
        {"'agrees' is not what the numbers", [](auto& j) { j["comparisons"][0]["here"] = 7; }},
        {"each of 'settings' must be", [](auto& j) { j["settings"][0].push_back("more"); }},
        {"has a row of 3", [](auto& j) { j["tables"][0]["rows"][0].push_back(1); }},
        {"a figure's files can't be named '../../../x'", [](auto& j) { j["figures"][0]["name"] = "../../../x"; }},
    };
    {
        paper::store kept(here.path);
        fill(kept);
    }
    auto const file = here.path / "results/one.json";
    auto const whole = nlohmann::ordered_json::parse(text_of(file));
    paper::store const kept(here.path);
    for (auto const& c : cases) {
        auto damaged = whole;
        c.change(damaged);
        write(file, damaged.dump(1) + "\n");
        CHECK_THAT(refusal_of([&] { kept.found("one"); }), ContainsSubstring(c.message));
    }
}

TEST_CASE("a manifest that names files outside its folder, or has an unknown key, is refused") {
    place const here;
    for (auto const& [text, message] : std::vector<std::pair<std::string, std::string>>{
             {R"({"experiments": {}, "version": 1})", "'version' is "},
             {R"({"experiments": {"one": {"inputs": "1", "seconds": 1, "files": {}, "x": 1}}})",
              "'x' is 1, but no such key"},
             {R"({"experiments": {"one": {"inputs": "1", "seconds": 1, "files": {"../x": "1"}}}})", "is not a file that this"},
             {R"({"experiments": {"one": {"inputs": "1", "seconds": 1, "files": {"results/../../x": "1"}}}})",
              "is not a file that this"},
             {R"({"experiments": {"one": {"inputs": "11111111111111111", "seconds": 1, "files": {}}}})", "hexadecimal"},
         }) {
        write(here.path / "manifest.json", text);
        CHECK_THAT(refusal_of([&] { paper::store kept(here.path); }), ContainsSubstring(message));
    }
    fs::remove(here.path / "manifest.json");
    REQUIRE(::mkfifo((here.path / "manifest.json").c_str(), 0600) == 0);
    CHECK_THAT(refusal_of([&] { paper::store kept(here.path); }), ContainsSubstring("not a regular file"));
}

TEST_CASE("an unknown key in the file of models is refused by name") {
    place const here;
    auto const file = here.path / "models.json";
    auto const refusal = [&](std::string const& entry, std::string const& outside = "") {
        write(file, R"({"models": [{"name": "base", "folder": "b", "heads": [1, 1, 1, 1]}, {"name": "tuned", )" +
                        entry + "}]" + outside + "}");
        paper::settings s;
        return refusal_of([&] { paper::read_models(file, s); });
    };
    CHECK(refusal(R"("folder": "b", "adapter": "a")") == "nothing was refused");
    CHECK_THAT(
        refusal(R"("folder": "b", "adaptor": "a")"),
        ContainsSubstring("'adaptor' is \"a\", but no such key is read here; known are 'name', 'folder', 'adapter'"));
    CHECK_THAT(refusal(R"("folder": "b", "adapter": "")"), ContainsSubstring("'adapter' of 'tuned' is empty"));
    CHECK_THAT(refusal(R"("folder": "b", "paper": "Goat\u001b[2J")"), ContainsSubstring("must be a short name"));
    CHECK_THAT(refusal(R"("folder": "b")", R"(, "Boxes": 5)"), ContainsSubstring("'Boxes' is "));

    write(file, R"({"source": "the paper", "table": {"caption": "a text where a number should be"}})");
    CHECK_THAT(refusal_of([&] { paper::published p(file); }), ContainsSubstring("must be a number"));
}
