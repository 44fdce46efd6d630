// The example released_results, run on the data that the paper's authors released, must give what the paper prints.

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>

#include <sys/wait.h>
#include <unistd.h>

#include "catch.hpp"
#include "temporary_folder.hpp"
#include "printed_heads.hpp"

#include <engraft/engraft.hpp>
#include <engraft/io/json.hpp>

namespace fs = std::filesystem;
namespace eg = engraft;
using Catch::Matchers::ContainsSubstring;

namespace {

fs::path const data = ENGRAFT_PAPER_DATA;

using folder = temporary_folder;

std::string contents(fs::path const& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

struct outcome {
    int code;
    std::string out, err;
    nlohmann::json numbers; ///< null where none were written
};

outcome run(std::vector<std::string> const& arguments) {
    folder const here;
    std::string command = "'" ENGRAFT_EXAMPLE_PROGRAMS "/released_results'";
    for (auto const& a : arguments)
        command += " '" + a + "'";
    auto const at = [&](char const* name) { return (here.path / name).string(); };
    command += " --json '" + at("json") + "' > '" + at("out") + "' 2> '" + at("err") + "'";
    int const status = std::system(command.c_str());
    REQUIRE(WIFEXITED(status));
    return {WEXITSTATUS(status), contents(at("out")), contents(at("err")),
            fs::exists(at("json")) ? eg::read_json(at("json")) : nlohmann::json()};
}

std::vector<eg::node> heads_of(nlohmann::json const& list) {
    std::vector<eg::node> heads;
    for (auto const& pair : list)
        heads.push_back({pair[0].get<int>(), pair[1].get<int>()});
    return heads;
}

/// A number as the paper prints it, with two digits.
std::string two_digits(nlohmann::json const& number) {
    std::ostringstream text;
    text << std::fixed;
    text.precision(2);
    text << number.get<double>();
    return text.str();
}

struct printed_group {
    char const* group;
    int heads;
    char const* functionality; ///< nullptr: "-"
    char const* name;
    int dcm; ///< -1: "-"
};

void check_table(nlohmann::json const& table, std::vector<printed_group> const& printed) {
    REQUIRE(table.size() == printed.size());
    for (std::size_t g = 0; g < printed.size(); ++g) {
        INFO(printed[g].name);
        CHECK(table[g]["group"] == printed[g].group);
        CHECK(table[g]["heads"] == printed[g].heads);
        CHECK(table[g]["functionality"] ==
              (printed[g].functionality ? nlohmann::json(printed[g].functionality) : nlohmann::json()));
        CHECK(table[g]["name"] == printed[g].name);
        CHECK(table[g]["dcm"] == (printed[g].dcm < 0 ? nlohmann::json() : nlohmann::json(printed[g].dcm)));
    }
}

void check_steps(nlohmann::json const& circuit, std::array<std::size_t, 4> top,
                 std::array<std::size_t, 4> after_overlap, printed::groups const& printed) {
    CHECK(circuit["agrees"] == true);
    for (std::size_t g = 0; g < 4; ++g) {
        auto const& step = circuit["groups"][g];
        INFO(step["name"]);
        CHECK(step["top_k"].size() == top[g]);
        CHECK(step["after_overlap"].size() == after_overlap[g]);
        CHECK(heads_of(step["after_minimality"]) == printed[g]); // in the paper's order, too
        CHECK(heads_of(step["circuit_json"]) == printed[g]);
        CHECK(step["agrees"] == true);
    }
}

eg::circuit named(printed::groups const& groups) {
    return {{{"value_fetcher", "last", groups[0]},
             {"position_transmitter", "last", groups[1]},
             {"position_detector", "query_label", groups[2]},
             {"structure_reader", "previous_query_label", groups[3]}}};
}

/// The columns of Tables A6 and A10: heads in the first circuit, in the second, in both, precision, recall.
using printed_overlap = std::tuple<int, int, int, std::string, std::string>;

} // namespace

TEST_CASE("Llama's circuit comes out of its scores and accuracies, head for head") {
    auto const r = run({data / "llama"});
    REQUIRE(r.code == 0);
    CHECK(r.err == "");
    auto const& llama = r.numbers["folders"][0];
    // Section 4.2: "90 heads in the circuit (50, 10, 25, 5 ...)"; appendix D prints those that are left.
    check_steps(llama["circuit"], {58, 10, 25, 5}, {50, 10, 25, 5}, printed::llama);
    // Table A2
    check_table(llama["groups"], {{"A", 40, "Value", "Value Fetcher", 40},
                                  {"B", 7, "Position", "Position Transmitter", 5},
                                  {"C", 20, "Position", "Position Detector", 14},
                                  {"D", 5, nullptr, "Structure Reader", -1}});
    for (auto const& line : llama["dcm"])
        CHECK(line["agrees"] == true);
    CHECK(r.out.find("Every head is that of circuit.json.") != r.out.npos);
}

TEST_CASE("Goat's circuit comes out with a threshold of -0.01, and not with the paper's 0.01") {
    auto const r = run({data / "goat", "--threshold", "-0.01"});
    REQUIRE(r.code == 0);
    auto const& goat = r.numbers["folders"][0];
    // Appendix E: "a total of 200 attention heads (80, 30, 50, 40 heads ...)", "resulting in a circuit with 175 heads".
    check_steps(goat["circuit"], {101, 30, 50, 40}, {80, 30, 50, 40}, printed::goat);
    // Table A3
    check_table(goat["groups"], {{"A", 68, "Value", "Value Fetcher", 56},
                                 {"B", 28, "Position", "Position Transmitter", 15},
                                 {"C", 40, "Position", "Position Detector", 18},
                                 {"D", 39, nullptr, "Structure Reader", -1}});
    for (auto const& line : goat["dcm"])
        CHECK(line["agrees"] == true);

    auto const other = run({data / "goat"});
    CHECK(other.code == 0);
    CHECK(other.numbers["folders"][0]["circuit"]["agrees"] == false);
    CHECK_THAT(other.out, ContainsSubstring("Not every step agrees"));
    CHECK_THAT(other.out, ContainsSubstring("in circuit.json, but not kept: L19 H30, L23 H17"));
}

TEST_CASE("the circuits of Llama and Goat overlap as in Table A6") {
    auto const r = run({data / "llama", data / "goat", "--threshold", "0.01,-0.01"});
    REQUIRE(r.code == 0);
    CHECK(r.numbers["folders"][0]["circuit"]["agrees"] == true);
    CHECK(r.numbers["folders"][1]["circuit"]["agrees"] == true);
    std::vector<printed_overlap> const a6{{40, 68, 27, "0.68", "0.40"},
                                          {7, 28, 6, "0.86", "0.21"},
                                          {20, 40, 16, "0.80", "0.40"},
                                          {5, 39, 5, "1.00", "0.13"}};
    auto const& table = r.numbers["overlap"];
    REQUIRE(table.size() == 5);
    for (std::size_t g = 0; g < 4; ++g)
        CHECK(printed_overlap{table[g]["first"], table[g]["second"], table[g]["intersection"],
                              two_digits(table[g]["precision"]), two_digits(table[g]["recall"])} == a6[g]);
    // Section 4.1 and appendix E4: circuits of 72 and 175 heads.
    CHECK(table[4]["first"] == 72);
    CHECK(table[4]["second"] == 175);
}

TEST_CASE("the circuits of Llama and FLoat overlap as in Table A10") { // no folder of FLoat was released
    std::vector<printed_overlap> const a10{{40, 68, 27, "0.68", "0.40"},
                                           {7, 29, 7, "1.00", "0.24"},
                                           {20, 40, 15, "0.75", "0.38"},
                                           {5, 38, 5, "1.00", "0.13"}};
    auto const lines = eg::overlap_by_group(named(printed::llama), named(printed::float_));
    REQUIRE(lines.size() == 4);
    for (std::size_t g = 0; g < 4; ++g)
        CHECK(printed_overlap{lines[g].first, lines[g].second, lines[g].common, two_digits(lines[g].precision()),
                              two_digits(lines[g].recall())} == a10[g]);
    CHECK(eg::overlap_of(named(printed::llama), named(printed::float_)).second == 175); // Table A7's 68 + 29 + 40 + 38
}

TEST_CASE("means and standard deviations of activation patching are those of the released accuracies") {
    auto const r = run({data / "llama", data / "goat"});
    REQUIRE(r.code == 0);
    std::map<std::string, std::string> const letters{
        {"value_fetcher", "A"}, {"position_transmitter", "B"}, {"position_detector", "C"}, {"structure_reader", "D"}};
    for (std::size_t i = 0; i < 2; ++i) {
        auto const& numbers = r.numbers["folders"][i];
        auto const raw = eg::read_json(data / numbers["folder"].get<std::string>() / "activation_patching.json");
        std::size_t lines = 0;
        for (auto const& [model, groups] : raw.items())
            for (auto const& [group, desiderata] : groups.items())
                for (auto const& [desideratum, list] : desiderata.items()) {
                    INFO(model << " " << group << " " << desideratum);
                    ++lines;
                    double sum = 0, squares = 0; // by another formula than the library's
                    for (auto const& a : list) {
                        sum += a.get<double>() / 100;
                        squares += a.get<double>() * a.get<double>() / 1e4;
                    }
                    auto const n = static_cast<double>(list.size());
                    auto const& all = numbers["activation_patching"];
                    auto const line =
                        std::find_if(all.begin(), all.end(),
                                     [&, model = model, group = group, desideratum = desideratum](auto const& l) {
                                         return l["model"] == model && l["group"] == letters.at(group) &&
                                                l["desideratum"] == desideratum;
                                     });
                    REQUIRE(line != all.end());
                    CHECK((*line)["count"] == 10);
                    CHECK((*line)["mean"].get<double>() == Approx(sum / n).margin(1e-12));
                    double const variance = std::max(0.0, squares / n - sum / n * sum / n);
                    CHECK((*line)["standard_deviation"].get<double>() == Approx(std::sqrt(variance)).margin(1e-7));
                }
        CHECK(numbers["activation_patching"].size() == lines);
    }
    // Table A11, whose "Var." are standard deviations. Of the means, three differ from the released accuracies by 0.01.
    std::map<std::string, std::pair<double, std::string>> const a11{{"random_text_start", {0.35, "0.02"}},
                                                                    {"random_text_end", {0.34, "0.01"}},
                                                                    {"add_tokens_btw_box_and_obj", {0.38, "0.02"}},
                                                                    {"add_seg_start", {0.25, "0.02"}},
                                                                    {"add_seg_end", {0.31, "0.02"}},
                                                                    {"add_box_before_correct_segment", {0.2, "0.02"}},
                                                                    {"incorrect_segment", {0.16, "0.01"}},
                                                                    {"altered_box_obj_order", {0.16, "0.01"}},
                                                                    {"altered_box_obj_association", {0.18, "0.02"}},
                                                                    {"no_comma", {0.38, "0.02"}},
                                                                    {"add_comma", {0.36, "0.02"}}};
    int lines = 0, same = 0;
    for (auto const& line : r.numbers["folders"][0]["activation_patching"])
        if (line["model"] == "llama_add") {
            auto const& [mean, deviation] = a11.at(line["desideratum"].get<std::string>());
            ++lines;
            same += std::abs(line["mean"].get<double>() - mean) <= 0.005 + 1e-9;
            CHECK(std::abs(line["mean"].get<double>() - mean) < 0.01);
            CHECK(two_digits(line["standard_deviation"]) == deviation);
        }
    CHECK(lines == 11);
    CHECK(same == 8);
}

TEST_CASE("attention knockouts are listed where they were released") {
    auto const r = run({data / "llama", data / "goat"});
    auto const& edges = r.numbers["folders"][0]["attention_knockout"];
    CHECK(edges.size() == 5);
    CHECK(edges["from_last_to_correct_obj_pos"].size() == 32);
    CHECK(edges["from_last_to_correct_obj_pos"][22] == 0.41);
    CHECK(r.numbers["folders"][1]["attention_knockout"].empty());
}

namespace {

void write(fs::path const& path, nlohmann::json const& document) { std::ofstream(path) << document.dump(); }

/// A folder of another model, groups and sizes, made by the library's functions from a made-up accuracy, and the heads
/// that must come out.
eg::circuit make_folder(fs::path const& path, std::uint64_t seed, double threshold) {
    constexpr int layers = 5, heads = 7;
    eg::random r(seed);
    eg::circuit top{{{"zebra", "end", {}}, {"apple", "end", {}}, {"mango", "start", {}}}};
    std::size_t const counts[] = {14, 6, 4};
    fs::create_directories(path / "path_patching");
    for (std::size_t g = 0; g < 3; ++g) {
        std::vector<double> table;
        for (int i = 0; i < layers * heads; ++i)
            table.push_back(r.normal());
        eg::write_npy<double>(path / "path_patching" / (top.groups[g].name + ".npy"), {layers, heads}, table);
        // The lowest by sorting pairs, not by the library.
        std::vector<std::pair<double, eg::node>> sorted;
        for (int i = 0; i < layers * heads; ++i)
            sorted.push_back({table[static_cast<std::size_t>(i)], {i / heads, i % heads}});
        std::sort(sorted.begin(), sorted.end());
        for (std::size_t i = 0; i < counts[g]; ++i)
            top.groups[g].heads.push_back(sorted[i].second);
    }
    auto candidates = top;
    std::erase_if(candidates.groups[0].heads,
                  [&](eg::node n) { return std::ranges::count(top.groups[1].heads, n) > 0; });
    auto const text = [](eg::node n) { return std::to_string(n.layer) + "." + std::to_string(n.head); };
    nlohmann::json minimality;
    eg::circuit minimal = candidates;
    for (std::size_t g = 0; g < 3; ++g) {
        auto const& group = candidates.groups[g];
        auto& entry = minimality[group.name];
        minimal.groups[g].heads.clear();
        entry["size_of_K"] = (3 * group.heads.size() + 9) / 10;
        for (auto const a : group.heads) {
            for (auto const b : group.heads)
                if (a <= b) {
                    double const accuracy = static_cast<double>(r.below(51)) / 50;
                    entry["removed_with"][text(a)][text(b)] = entry["removed_with"][text(b)][text(a)] = accuracy;
                }
            double const with = static_cast<double>(r.below(51)) / 50, without = static_cast<double>(r.below(51)) / 50;
            entry["accuracy_without_K_and_without_K_and_v"][text(a)] = {with, without};
            if (without > 0 ? with / without - 1 >= threshold : with > 0)
                minimal.groups[g].heads.push_back(a);
        }
    }
    write(path / "minimality.json", minimality);
    eg::write_circuit(path / "circuit.json", minimal);
    nlohmann::json masks, patching;
    for (auto const& group : minimal.groups) {
        auto const all = group.heads;
        nlohmann::json list = nlohmann::json::array(), weights = nlohmann::json::array();
        for (std::size_t i = 0; i < all.size(); ++i) {
            weights.push_back(i % 2 ? 0.9 : 0.1);
            if (i % 2 == 0)
                list.push_back({all[i].layer, all[i].head});
        }
        masks[group.name]["where"] = {{"heads", list}, {"mask", weights}, {"test_accuracy", 0.7}};
        patching["small"][group.name]["where"] = {25.0, 75.0};
    }
    write(path / "dcm.json", masks);
    write(path / "activation_patching.json", patching);
    return minimal;
}

} // namespace

TEST_CASE("folders of other models, groups and sizes are made again, too") {
    std::size_t kept = 0;
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        folder const here;
        auto const expected = make_folder(here.path, seed, 0.05);
        auto const r = run({here.path, "--threshold", "0.05"});
        INFO(r.out << r.err);
        REQUIRE(r.code == 0);
        auto const& small = r.numbers["folders"][0];
        CHECK(small["layers"] == 5);
        CHECK(small["heads"] == 7);
        CHECK(small["circuit"]["agrees"] == true);
        for (std::size_t g = 0; g < 3; ++g) { // in the order of circuit.json, not of the alphabet
            CHECK(small["circuit"]["groups"][g]["name"] == expected.groups[g].name);
            CHECK(heads_of(small["circuit"]["groups"][g]["after_minimality"]) == expected.groups[g].heads);
            kept += expected.groups[g].heads.size();
        }
        CHECK(small["activation_patching"][0]["mean"] == 0.5);
        CHECK(small["activation_patching"][0]["standard_deviation"] == 0.25);
        // Another threshold, another circuit: the program does not copy circuit.json.
        auto const other = run({here.path, "--threshold", "-2"}); // keeps every head
        CHECK(other.numbers["folders"][0]["circuit"]["agrees"] == false);
    }
    CHECK(kept > 30);
}

TEST_CASE("a damaged folder is refused by one sentence, and nothing is printed as if it were whole") {
    struct damage {
        std::string file, message;
        std::function<void(nlohmann::json&)> change; ///< none: the file is removed
    };
    std::string const judged = "accuracy_without_K_and_without_K_and_v";
    std::vector<damage> const cases{
        {"circuit.json", "no such file", {}},
        {"minimality.json", "no such file", {}},
        {"dcm.json", "no such file", {}},
        {"activation_patching.json", "no such file", {}},
        {"path_patching/position_detector.npy", "no such file", {}},
        {"circuit.json", "the circuit has no group", [](auto& j) { j = nlohmann::json::object(); }},
        {"circuit.json", "'role' is missing", [](auto& j) { j["value_fetcher"].erase("role"); }},
        {"circuit.json", "not in the scores' 32 layers",
         [](auto& j) {
             j["value_fetcher"]["heads"][0] = {32, 0};
         }},
        {"circuit.json", "'heads_' is ", [](auto& j) { j["value_fetcher"]["heads_"] = j["value_fetcher"]["heads"]; }},
        {"circuit.json", "no file can be named after the group '../../other'",
         [](auto& j) { j["../../other"] = j["value_fetcher"]; }},
        {"minimality.json", "'size_of_k' is ", [](auto& j) { j["structure_reader"]["size_of_k"] = 1; }},
        {"dcm.json", "'Mask' is ", [](auto& j) { j["structure_reader"]["positional"]["Mask"] = 1; }},
        {"activation_patching.json", "a model's name must have", [](auto& j) { j["go\nat"] = j["goat"]; }},
        {"circuit.json", "stands twice",
         [](auto& j) {
             j["value_fetcher"]["heads"][1] = {15, 13};
         }},
        {"circuit.json", "no such file",
         [](auto& j) {
             j["another"] = {{"role", "last"}, {"heads", {{0, 0}}}};
         }},
        {"minimality.json", "'structure_reader' of circuit.json is missing",
         [](auto& j) { j.erase("structure_reader"); }},
        {"minimality.json", "not in circuit.json", [](auto& j) { j["another"] = j["structure_reader"]; }},
        {"minimality.json", "has 4 heads, but there are 5",
         [](auto& j) { j["structure_reader"]["removed_with"]["8.21"].erase("8.12"); }},
        {"minimality.json", "from 0 to 1",
         [](auto& j) { j["structure_reader"]["removed_with"]["8.21"]["8.12"] = 1.5; }},
        {"minimality.json", "names no head",
         [](auto& j) { j["structure_reader"]["removed_with"]["8.x"] = j["structure_reader"]["removed_with"]["8.21"]; }},
        {"minimality.json", "has 4 heads, but there are 5",
         [&](auto& j) { j["structure_reader"][judged].erase("8.21"); }},
        {"minimality.json", "two accuracies", [&](auto& j) { j["structure_reader"][judged]["8.21"] = {0.5}; }},
        {"minimality.json", "must be a number",
         [&](auto& j) {
             j["structure_reader"][judged]["8.21"] = {0.5, "half"};
         }},
        {"minimality.json", "size_of_K", [](auto& j) { j["structure_reader"]["size_of_K"] = -1; }},
        {"dcm.json", "has 4 weights, but circuit.json has 5 heads",
         [](auto& j) { j["structure_reader"]["positional"]["mask"].erase(0); }},
        {"dcm.json", "is not in that group",
         [](auto& j) {
             j["structure_reader"]["positional"]["heads"][0] = {0, 0};
         }},
        {"dcm.json", "test_accuracy", [](auto& j) { j["structure_reader"]["positional"]["test_accuracy"] = 14; }},
        {"dcm.json", "'value_fetcher' of circuit.json is missing", [](auto& j) { j.erase("value_fetcher"); }},
        {"activation_patching.json", "has no accuracies",
         [](auto& j) { j["goat"]["value_fetcher"]["positional"] = nlohmann::json::array(); }},
        {"activation_patching.json", "from 0 to 100",
         [](auto& j) { j["goat"]["value_fetcher"]["positional"][3] = 101; }},
        {"activation_patching.json", "must be a number",
         [](auto& j) { j["goat"]["value_fetcher"]["positional"][3] = nullptr; }},
        {"attention_knockout.json", "has 31 accuracies, but there are 32 layers",
         [](auto& j) { j["from_last_to_random_pos"].erase(0); }},
    };
    for (auto const& c : cases) {
        INFO(c.file << ": " << c.message);
        folder const here;
        fs::copy(data / "llama", here.path, fs::copy_options::recursive);
        if (c.change) {
            // The order of groups in the file is kept where it matters: circuit.json of Llama has the paper's names.
            auto document = eg::read_json(here.path / c.file);
            c.change(document);
            write(here.path / c.file, document);
        } else {
            fs::remove(here.path / c.file);
        }
        for (bool const second : {false, true}) {
            auto const r = second ? run({data / "goat", here.path}) : run({here.path});
            CHECK(r.code == 2);
            CHECK(r.out == "");
            CHECK_THAT(r.err, ContainsSubstring(c.message));
            CHECK(std::count(r.err.begin(), r.err.end(), '\n') == 1);
            CHECK(r.numbers.is_null());
        }
    }
}

TEST_CASE("scores that are cut short, of another shape or no numbers are refused") {
    auto const with = [](std::string const& message, std::function<void(fs::path const&)> const& change) {
        INFO(message);
        folder const here;
        fs::copy(data / "llama", here.path, fs::copy_options::recursive);
        change(here.path / "path_patching" / "position_detector.npy");
        auto const r = run({here.path});
        CHECK(r.code == 2);
        CHECK(r.out == "");
        CHECK_THAT(r.err, ContainsSubstring(message));
        CHECK(std::count(r.err.begin(), r.err.end(), '\n') == 1);
    };
    with("takes 4096 bytes, but the file has 3972", [](auto const& path) { fs::resize_file(path, 4100); });
    with("scores of 16 layers of 64 heads", [](auto const& path) {
        eg::write_npy<double>(path, {16, 64}, std::vector<double>(1024));
    });
    with("scores must be [layers, heads]",
         [](auto const& path) { eg::write_npy<double>(path, {1024}, std::vector<double>(1024)); });
    with("a score is NaN", [](auto const& path) {
        std::vector<double> table(1024);
        table[7] = std::nan("");
        eg::write_npy<double>(path, {32, 32}, table);
    });
    with("can't give its heads", [](auto const& path) {
        auto const minimality = path.parent_path().parent_path() / "minimality.json";
        auto document = eg::read_json(minimality);
        nlohmann::json one = {{"removed_with", nlohmann::json::object()}, {"size_of_K", 0}};
        for (int i = 0; i < 30; ++i) // more heads than a score table of one head has
            for (int j = 0; j < 30; ++j)
                one["removed_with"]["0." + std::to_string(i)]["0." + std::to_string(j)] = 0.5;
        for (int i = 0; i < 30; ++i)
            one["accuracy_without_K_and_without_K_and_v"]["0." + std::to_string(i)] = {0.5, 0.5};
        auto const folder = path.parent_path().parent_path();
        fs::remove_all(path.parent_path());
        fs::create_directories(path.parent_path());
        eg::write_npy<double>(path.parent_path() / "a.npy", {1, 30}, std::vector<double>(30));
        eg::write_npy<double>(path.parent_path() / "b.npy", {1, 30}, std::vector<double>(30));
        write(minimality, {{"a", one}, {"b", one}}); // each has all heads, but those of b are not a's
        eg::write_circuit(folder / "circuit.json", {{{"a", "last", {{0, 0}}}, {"b", "last", {{0, 1}}}}});
        nlohmann::json const mask = {
            {"x", {{"heads", nlohmann::json::array()}, {"mask", {1.0}}, {"test_accuracy", 0}}}};
        write(folder / "dcm.json", {{"a", mask}, {"b", mask}});
        write(folder / "activation_patching.json", {{"m", {{"a", {{"x", {50}}}}}}});
        fs::remove(folder / "attention_knockout.json");
    });
}
