// The released results of Prakash et al. 2024, made again from scores and accuracies alone: path patching's scores give
// the candidates of each group, pairs of ablations prune them, and what is left is compared with the released circuit.
// No model is run. docs/how_to/released_results.md describes the folder.
// refused: nowhere
// refused: . --threshold nan
// refused: . --fraction 2
// refused: . --top 0

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include <engraft/circuit/chosen_heads.hpp>
#include <engraft/circuit/circuit.hpp>
#include <engraft/circuit/discovery.hpp>
#include <engraft/circuit/minimality.hpp>
#include <engraft/circuit/overlap.hpp>
#include <engraft/io/circuit_file.hpp>
#include <engraft/io/dcm_file.hpp>
#include <engraft/io/npy.hpp>

#include "program.hpp"
#include "results.hpp"
#include "summary.hpp"

namespace eg = engraft;

namespace {

using example::json;

struct options {
    double threshold = 0.01, fraction = 0.3, chance = 1.0 / 7;
    std::vector<std::size_t> top; ///< heads taken by score, group by group; empty: as many as minimality.json needs
};

/// A released folder, read whole. Groups stand in the order of discovery; the other vectors follow it.
struct released {
    std::string folder;
    int layers = 0, heads = 0;
    eg::circuit circuit;
    std::vector<std::vector<double>> scores; ///< [layers, heads] of each group
    std::vector<example::minimality_record> minimality;
    std::vector<eg::mask_record> masks;
    std::vector<example::patching_record> patching;
    std::vector<example::knockout_record> knockouts;

    std::size_t group_named(std::string const& name, std::string const& file) const {
        for (std::size_t g = 0; g < circuit.groups.size(); ++g)
            if (circuit.groups[g].name == name)
                return g;
        throw eg::bad_file(file, {"there is a group '", name, "', which is not in circuit.json"});
    }
};

/// The paper's groups in the order in which it finds them, then others as the file has them.
void order_by_discovery(eg::circuit& c) {
    static constexpr std::string_view known[] = {"value_fetcher", "position_transmitter", "position_detector",
                                                 "structure_reader"};
    std::ranges::stable_sort(c.groups, {}, [](auto const& g) { return std::ranges::find(known, g.name); });
}

void require_inside(released const& r, std::vector<eg::node> const& heads, std::string const& file) {
    for (auto const n : heads)
        if (n.layer >= r.layers || n.head >= r.heads)
            throw eg::bad_file(file, {"head ", n.layer, ".", n.head, " is not in the scores' ", r.layers, " layers of ",
                                      r.heads, " heads"});
}

released read(std::string const& folder) {
    released r{folder, 0,  0, eg::read_circuit(folder + "/circuit.json", eg::group_order::as_written), {}, {},
               {},     {}, {}};
    order_by_discovery(r.circuit);

    for (auto const& group : r.circuit.groups) {
        if (group.name.find_first_of("/\\") != std::string::npos || group.name.front() == '.')
            throw eg::bad_file(folder + "/circuit.json",
                               {"no file can be named after the group '", group.name, "'; give it a plain name"});
        auto const file = folder + "/path_patching/" + group.name + ".npy";
        auto const table = eg::read_npy<double>(file);
        if (table.shape.size() != 2 || table.values.empty() || std::max(table.shape[0], table.shape[1]) > 1 << 20)
            throw eg::bad_file(file, {"scores must be [layers, heads], but are ", eg::shape_text(table.shape)});
        int const layers = static_cast<int>(table.shape[0]), heads = static_cast<int>(table.shape[1]);
        if (!r.scores.empty() && (layers != r.layers || heads != r.heads))
            throw eg::bad_file(file, {"scores of ", layers, " layers of ", heads, " heads, but another group's are of ",
                                      r.layers, " layers of ", r.heads});
        for (double const score : table.values)
            if (std::isnan(score))
                throw eg::bad_file(file, "a score is NaN");
        r.layers = layers;
        r.heads = heads;
        r.scores.push_back(table.values);
    }
    for (auto const& group : r.circuit.groups)
        require_inside(r, group.heads, folder + "/circuit.json");

    auto file = folder + "/minimality.json";
    std::map<std::string, example::minimality_record> records;
    for (auto& record : example::read_minimality(file)) {
        r.group_named(record.group, file);
        require_inside(r, record.pairs.heads, file);
        records.emplace(record.group, std::move(record));
    }
    for (auto const& group : r.circuit.groups) {
        auto const found = records.find(group.name);
        if (found == records.end())
            throw eg::bad_file(file, {"the group '", group.name, "' of circuit.json is missing"});
        r.minimality.push_back(std::move(found->second));
    }

    file = folder + "/dcm.json";
    r.masks = eg::read_masks(file);
    std::set<std::string> masked;
    for (auto const& mask : r.masks) {
        auto const& group = r.circuit.groups[r.group_named(mask.group, file)];
        if (mask.mask.size() != group.heads.size())
            throw eg::bad_file(file, {"the mask of ", mask.group, " for ", mask.desideratum, " has ", mask.mask.size(),
                                      " weights, but circuit.json has ", group.heads.size(), " heads there"});
        if (auto const strange = eg::heads_not_in(mask.heads, group.heads); !strange.empty())
            throw eg::bad_file(file, {"head ", strange[0].layer, ".", strange[0].head, " of ", mask.group, " for ",
                                      mask.desideratum, " is not in that group of circuit.json"});
        masked.insert(mask.group);
    }
    for (auto const& group : r.circuit.groups)
        if (!masked.contains(group.name))
            throw eg::bad_file(file, {"the group '", group.name, "' of circuit.json is missing"});

    file = folder + "/activation_patching.json";
    r.patching = example::read_patching(file);
    std::ranges::stable_sort(r.patching, {}, [&](example::patching_record const& line) {
        return std::pair(line.model, r.group_named(line.group, file));
    });
    if (r.patching.empty())
        throw eg::bad_file(file, "there are no accuracies");

    file = folder + "/attention_knockout.json";
    if (std::filesystem::exists(file)) { // not released for every model
        r.knockouts = example::read_knockouts(file);
        for (auto const& line : r.knockouts)
            if (line.accuracies.size() != static_cast<std::size_t>(r.layers))
                throw eg::bad_file(file, {"'", line.edge, "' has ", line.accuracies.size(),
                                          " accuracies, but there are ", r.layers, " layers"});
    }
    return r;
}

// --- text ------------------------------------------------------------------------------------------------------------

std::string letter(std::size_t g) { return g < 26 ? std::string(1, static_cast<char>('A' + g)) : std::to_string(g); }

/// "value_fetcher" -> "Value Fetcher"
std::string title(std::string name) {
    bool start = true;
    for (char& c : name) {
        if (c == '_')
            c = ' ';
        else if (start)
            c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        start = c == ' ';
    }
    return name;
}

/// The paper's words for what a desideratum tests.
std::string functionality(std::string const& desideratum) {
    static std::map<std::string, std::string> const words{
        {"object_value", "Value"}, {"positional", "Position"}, {"box_label_value", "Label"}};
    auto const found = words.find(desideratum);
    return found == words.end() ? title(desideratum) : found->second;
}

std::string number(double value, int digits) {
    if (std::isnan(value))
        return "-";
    if (std::isinf(value))
        return value > 0 ? "inf" : "-inf";
    std::ostringstream text;
    text << std::fixed << std::setprecision(digits) << value;
    return text.str();
}

json json_heads(std::vector<eg::node> const& heads) {
    json list = json::array();
    for (auto const n : heads)
        list.push_back({n.layer, n.head});
    return list;
}

std::string names(std::vector<eg::node> const& heads) {
    std::string text;
    for (auto const n : heads)
        text += (text.empty() ? "L" : ", L") + std::to_string(n.layer) + " H" + std::to_string(n.head);
    return text;
}

/// Lines of cells, each column as wide as its widest cell; numbers are right-aligned.
class text_table {
public:
    explicit text_table(std::vector<std::string> head) : lines_{std::move(head)} {}
    void add(std::vector<std::string> line) { lines_.push_back(std::move(line)); }

    friend std::ostream& operator<<(std::ostream& out, text_table const& t) {
        std::vector<std::size_t> wide(t.lines_[0].size());
        std::vector<bool> right(wide.size(), true);
        for (std::size_t l = 0; l < t.lines_.size(); ++l)
            for (std::size_t c = 0; c < wide.size(); ++c) {
                auto const& cell = t.lines_[l][c];
                wide[c] = std::max(wide[c], cell.size());
                if (l && cell != "-" && cell.find_first_not_of("0123456789.+-einf") != cell.npos)
                    right[c] = false;
            }
        for (auto const& line : t.lines_) {
            std::string text;
            for (std::size_t c = 0; c < wide.size(); ++c) {
                std::string const gap(wide[c] - line[c].size(), ' ');
                text += (c ? "  " : "") + (right[c] ? gap + line[c] : line[c] + gap);
            }
            out << text.substr(0, text.find_last_not_of(' ') + 1) << '\n';
        }
        return out;
    }

private:
    std::vector<std::vector<std::string>> lines_;
};

// --- the steps -------------------------------------------------------------------------------------------------------

/// Scores to circuit. Each step's heads are compared with the next file, head for head.
json discover(released const& r, options const& o, std::ostream& out) {
    auto const& groups = r.circuit.groups;
    eg::circuit top = r.circuit, candidates;
    for (std::size_t g = groups.size(); g-- > 0;) { // the last group loses no heads, so it comes first
        auto const& record = r.minimality[g];
        try {
            auto const count = !o.top.empty() ? o.top[g]
                                              : eg::lowest_needed(r.scores[g], r.heads, record.pairs.heads.size(),
                                                                  eg::taken_later(top, g));
            top.groups[g].heads = eg::lowest_heads(r.scores[g], r.heads, count);
        } catch (eg::bad_input const& e) {
            throw eg::bad_file(r.folder, {"the scores of ", groups[g].name, " can't give its heads: ", e.what()});
        }
    }
    candidates = eg::without_overlap(top);

    text_table table({"", "group", "role", "top-k", "after overlap", "K", "after minimality", "circuit.json", "agrees",
                      "thresholds that agree"});
    json lines = json::array();
    std::string remarks;
    bool all_agree = true;
    eg::threshold_range common;
    for (std::size_t g = 0; g < groups.size(); ++g) {
        auto const& record = r.minimality[g];
        auto const& chosen = candidates.groups[g].heads;
        bool const same = eg::heads_in(chosen, record.pairs.heads).size() == chosen.size() &&
                          chosen.size() == record.pairs.heads.size();
        // Ties in the ranking that makes K are kept in the order of scores, as the candidates are.
        auto const pairs = same ? eg::arranged(record.pairs, chosen) : record.pairs;
        auto const partners = eg::partner_count(pairs.heads.size(), o.fraction);
        std::vector<eg::minimality_line> judged;
        for (auto const head : pairs.heads)
            judged.push_back(*std::ranges::find(record.lines, head, &eg::minimality_line::head));

        auto const minimal = eg::needed_heads(judged, o.threshold);
        auto const missing = eg::heads_not_in(groups[g].heads, minimal),
                   extra = eg::heads_not_in(minimal, groups[g].heads);
        bool const agrees = missing.empty() && extra.empty();
        auto const range = eg::thresholds_that_keep(judged, groups[g].heads);
        bool const reachable = !range.empty() && eg::heads_not_in(groups[g].heads, pairs.heads).empty();
        all_agree = all_agree && agrees && same;
        common = common & range;
        if (!reachable)
            common = {0, 0};

        auto const remark = [&](std::string const& text) { remarks += letter(g) + ": " + text + '\n'; };
        if (!same) {
            remark("the heads by score are not those of minimality.json, which has " +
                   std::to_string(record.pairs.heads.size()));
            if (auto const heads = eg::heads_not_in(chosen, record.pairs.heads); !heads.empty())
                remark("only by score: " + names(heads));
            if (auto const heads = eg::heads_not_in(record.pairs.heads, chosen); !heads.empty())
                remark("only in minimality.json: " + names(heads));
        }
        if (record.partners != partners)
            remark("minimality.json was made with " + std::to_string(record.partners) + " heads in K");
        if (!missing.empty())
            remark("in circuit.json, but not kept: " + names(missing));
        if (!extra.empty())
            remark("kept, but not in circuit.json: " + names(extra));

        table.add({letter(g), groups[g].name, groups[g].role, std::to_string(top.groups[g].heads.size()),
                   std::to_string(chosen.size()), std::to_string(partners), std::to_string(minimal.size()),
                   std::to_string(groups[g].heads.size()), agrees && same ? "yes" : "no",
                   reachable ? number(range.above, 4) + " < t <= " + number(range.upto, 4) : "none"});
        json heads = json::array();
        for (std::size_t i = 0; i < pairs.heads.size(); ++i) {
            json k = json::array();
            for (auto const j : eg::partners(pairs, i, partners))
                k.push_back({pairs.heads[j].layer, pairs.heads[j].head});
            heads.push_back({{"head", {pairs.heads[i].layer, pairs.heads[i].head}},
                             {"K", k},
                             {"without_K", judged[i].without_k},
                             {"without_K_and_v", judged[i].without_k_and_v},
                             {"contribution", judged[i].contribution()},
                             {"kept", judged[i].contribution() >= o.threshold}});
        }
        lines.push_back({{"group", letter(g)},
                         {"name", groups[g].name},
                         {"role", groups[g].role},
                         {"top_k", json_heads(top.groups[g].heads)},
                         {"after_overlap", json_heads(chosen)},
                         {"after_overlap_as_in_minimality_json", same},
                         {"size_of_K", partners},
                         {"minimality", heads},
                         {"after_minimality", json_heads(minimal)},
                         {"circuit_json", json_heads(groups[g].heads)},
                         {"agrees", agrees && same},
                         {"thresholds_above", reachable ? range.above : json(nullptr)},
                         {"thresholds_up_to", reachable ? range.upto : json(nullptr)}});
    }
    out << "From scores to circuit (threshold " << o.threshold << ")\n" << table << remarks;
    out << (all_agree ? "Every head is that of circuit.json.\n" : "Not every step agrees with the released files.\n");
    if (!common.empty())
        out << "All groups agree for thresholds " << number(common.above, 4) << " < t <= " << number(common.upto, 4)
            << ".\n";
    else
        out << "There is no threshold for which all groups agree.\n";
    return {{"groups", lines}, {"agrees", all_agree}};
}

/// Tables A2, A3 and A7: what each group does, as DCM has it. The functionality is the desideratum whose chosen heads
/// carry most test prompts to the target, of those that every group was trained for; there is none below twice chance.
json describe_groups(released const& r, options const& o, std::ostream& out) {
    auto const& groups = r.circuit.groups;
    std::map<std::string, std::size_t> trained;
    for (auto const& mask : r.masks)
        ++trained[mask.desideratum];

    text_table table({"Group", "#Heads", "Functionality", "Name", "#DCM"});
    json lines = json::array();
    for (std::size_t g = 0; g < groups.size(); ++g) {
        eg::mask_record const* best = nullptr;
        for (auto const& mask : r.masks)
            if (mask.group == groups[g].name && trained[mask.desideratum] == groups.size() &&
                (!best || mask.test_accuracy > best->test_accuracy))
                best = &mask;
        if (best && best->test_accuracy < 2 * o.chance)
            best = nullptr;
        table.add({letter(g), std::to_string(groups[g].heads.size()), best ? functionality(best->desideratum) : "-",
                   title(groups[g].name), best ? std::to_string(best->heads.size()) : "-"});
        lines.push_back({{"group", letter(g)},
                         {"heads", groups[g].heads.size()},
                         {"functionality", best ? json(functionality(best->desideratum)) : json(nullptr)},
                         {"name", title(groups[g].name)},
                         {"dcm", best ? json(best->heads.size()) : json(nullptr)}});
    }
    out << "\nGroups of heads in the circuit (Table A2 for Llama, A3 for Goat, A7 for FLoat)\n" << table;
    return lines;
}

json count_masks(released const& r, std::ostream& out) {
    text_table table({"", "desideratum", "heads", "of", "test accuracy", "heads of the mask agree"});
    json lines = json::array();
    for (std::size_t g = 0; g < r.circuit.groups.size(); ++g) {
        auto const& group = r.circuit.groups[g];
        for (auto const& mask : r.masks)
            if (mask.group == group.name) {
                auto const chosen = eg::chosen_heads(group.heads, mask.mask);
                bool const agrees =
                    eg::heads_not_in(chosen, mask.heads).empty() && eg::heads_not_in(mask.heads, chosen).empty();
                table.add({letter(g), mask.desideratum, std::to_string(mask.heads.size()),
                           std::to_string(group.heads.size()), number(mask.test_accuracy, 3), agrees ? "yes" : "no"});
                lines.push_back({{"group", letter(g)},
                                 {"desideratum", mask.desideratum},
                                 {"heads", json_heads(mask.heads)},
                                 {"of_mask", json_heads(chosen)},
                                 {"agrees", agrees},
                                 {"test_accuracy", mask.test_accuracy}});
            }
    }
    out << "\nDCM: heads chosen for each desideratum\n" << table;
    return lines;
}

/// Figures 3, A8 and A9.
json summarize_patching(released const& r, std::ostream& out) {
    text_table table({"model", "", "desideratum", "runs", "mean", "std"});
    json lines = json::array();
    for (auto const& line : r.patching) {
        auto percent = line.accuracies;
        for (double& a : percent)
            a /= 100;
        auto const s = example::summarize(percent);
        auto const g = letter(r.group_named(line.group, ""));
        table.add(
            {line.model, g, line.desideratum, std::to_string(s.count), number(s.mean, 4), number(s.deviation, 4)});
        lines.push_back({{"model", line.model},
                         {"group", g},
                         {"desideratum", line.desideratum},
                         {"count", s.count},
                         {"mean", s.mean},
                         {"standard_deviation", s.deviation},
                         {"sample_standard_deviation", s.sample_deviation}});
    }
    out << "\nActivation patching of these heads in each model (Figure 3 for Llama's circuit, A8 for Goat's)\n"
        << table;
    return lines;
}

/// Figures A1 and A2.
json list_knockouts(released const& r, std::ostream& out) {
    json lines = json::object();
    if (r.knockouts.empty())
        return lines;
    std::vector<std::string> head{"layers blocked from"};
    for (auto const& line : r.knockouts) {
        head.push_back(line.edge);
        lines[line.edge] = line.accuracies;
    }
    text_table table(head);
    for (std::size_t l = 0; l < static_cast<std::size_t>(r.layers); ++l) {
        std::vector<std::string> cells{std::to_string(l + 1)};
        for (auto const& line : r.knockouts)
            cells.push_back(number(line.accuracies[l], 2));
        table.add(cells);
    }
    out << "\nAccuracy with attention blocked (Figures A1 and A2)\n" << table;
    return lines;
}

/// Tables A6 and A10.
json compare(released const& a, released const& b, std::ostream& out) {
    auto lines = eg::overlap_by_group(a.circuit, b.circuit);
    lines.push_back(eg::overlap_of(a.circuit, b.circuit));
    text_table table(
        {"", "group", "heads in first", "heads in second", "intersection", "precision", "recall", "Jaccard"});
    json numbers = json::array();
    for (std::size_t g = 0; g < lines.size(); ++g) {
        auto const& line = lines[g];
        bool const whole = g + 1 == lines.size();
        table.add({whole ? "" : letter(g), line.name, std::to_string(line.first), std::to_string(line.second),
                   std::to_string(line.common), number(line.precision(), 2), number(line.recall(), 2),
                   number(line.jaccard(), 2)});
        numbers.push_back({{"group", whole ? "all" : letter(g)},
                           {"name", line.name},
                           {"first", line.first},
                           {"second", line.second},
                           {"intersection", line.common},
                           {"precision", line.precision()},
                           {"recall", line.recall()},
                           {"jaccard", line.jaccard()}});
    }
    out << "\nThe two released circuits (Table A6 for Llama and Goat, A10 for Llama and FLoat)\n" << table;
    return numbers;
}

/// A folder's name as the last part of its path, so that what is printed does not depend on where it lies.
std::string short_name(std::string const& folder) {
    auto const path = std::filesystem::path(folder).lexically_normal();
    auto const last = path.has_filename() ? path.filename() : path.parent_path().filename();
    return last.empty() ? folder : last.string();
}

} // namespace

int main(int argc, char** argv) {
    example::options app(
        "Makes the released results of Prakash et al. 2024 again from scores and accuracies, without a model.",
        "released_results");
    std::vector<std::string> folders;
    std::vector<double> thresholds{0.01};
    options o;
    app.add("folder", folders, "One folder of released results, or two, whose circuits are then compared")
        .required()
        .expected(1, 2);
    app.add("--threshold", thresholds, {-100, 100},
            "Least contribution that keeps a head; two, with a comma between, for two folders")
        .delimiter(',')
        .expected(1, 2)
        .in_one_word()
        .with_default();
    app.add("--fraction", o.fraction, {0, 1}, "Part of a group that is in K").with_default();
    app.add("--chance", o.chance, {0, 1}, "Accuracy by chance; twice this makes a functionality").with_default();
    app.add("--top", o.top, {1, 1 << 20},
            "Heads taken by score, one number for each group, with commas between; otherwise as many as "
            "leave those of minimality.json")
        .delimiter(',')
        .expected(1, 1 << 10)
        .in_one_word();

    return example::run(app, argc, argv, [&] {
        if (thresholds.size() > 1 && thresholds.size() != folders.size())
            throw eg::bad_input({"--threshold has ", thresholds.size(), " numbers for ", folders.size(), " folders"});

        // Nothing is printed before all is read and computed.
        std::ostringstream out;
        json numbers{{"folders", json::array()}};
        std::vector<released> all;
        for (auto const& folder : folders)
            all.push_back(read(folder));
        for (std::size_t i = 0; i < all.size(); ++i) {
            auto const& r = all[i];
            o.threshold = thresholds.size() > 1 ? thresholds[i] : thresholds[0];
            if (!o.top.empty() && o.top.size() != r.circuit.groups.size())
                throw eg::bad_input({"--top has ", o.top.size(), " numbers, but ", r.folder, " has ",
                                     r.circuit.groups.size(), " groups"});
            out << (i ? "\n\n" : "") << "== " << short_name(r.folder) << ": " << r.layers << " layers of " << r.heads
                << " heads ==\n\n";
            json one{
                {"folder", short_name(r.folder)}, {"layers", r.layers}, {"heads", r.heads}, {"threshold", o.threshold}};
            one["circuit"] = discover(r, o, out);
            one["groups"] = describe_groups(r, o, out);
            one["dcm"] = count_masks(r, out);
            one["activation_patching"] = summarize_patching(r, out);
            one["attention_knockout"] = list_knockouts(r, out);
            numbers["folders"].push_back(one);
        }
        if (all.size() == 2)
            numbers["overlap"] = compare(all[0], all[1], out);
        std::cout << out.str() << std::flush;
        return numbers;
    });
}
