// Section 4.1 of Prakash et al. 2024: searches the circuit of entity tracking, or of another task, in a model by path
// patching, group after group, and writes it with the scores of all heads. If it is stopped at any point, even by
// SIGKILL, run it again with the same arguments to go on.
// test: --examples 14 --sizes 4 3 2 2
// test: --examples 14 --plan-only
// test: --examples 10 --step early:query_label:3 --step late:last:2:queries:early --shared both
// test: --task induction --examples 6 --roles end answer previous --sizes 4 3 2 2
// test: --task induction --examples 6
// refused: --task nothing
// refused: --task induction --boxes 5
// refused: --task induction --roles last
// refused: --task induction --roles end answer --sizes 4 3
// refused: --model nowhere
// refused: --objects nowhere.txt
// refused: --examples 0
// refused: --sizes 4 3 2
// refused: --step early:nobody:3
// refused: --step late:last:2:queries:early
// refused: --step early:last:0
// refused: --memory nan
// refused: --examples -1
// refused: --objects /dev/zero

#include <algorithm>
#include <array>
#include <iomanip>
#include <numeric>
#include <optional>
#include <sstream>

#include <engraft/engraft.hpp>

#include "backend.hpp"
#include "described.hpp"
#include "program.hpp"
#include "prompts.hpp"

namespace eg = engraft;

namespace {

using input = eg::discovery_step::input;

/// "GROUP:ROLE:COUNT" or "GROUP:ROLE:COUNT:queries|values:READERS".
struct step_text {
    std::string group, role;
    std::size_t count = 0;
    input to = input::of_logits;
    std::string readers;

    step_text(std::string name, std::string at, std::size_t heads, input what = input::of_logits,
              std::string const& of = {})
        : group(std::move(name)), role(std::move(at)), count(heads), to(what), readers(of) {
        require_name();
    }

    explicit step_text(std::string const& text) {
        std::vector<std::string> parts{""};
        for (char const c : text)
            c == ':' ? parts.push_back("") : parts.back().push_back(c);
        auto const refuse = [&] {
            throw eg::bad_input({"--step '", text, "' is not GROUP:ROLE:COUNT or GROUP:ROLE:COUNT:queries:GROUP or ",
                                 "GROUP:ROLE:COUNT:values:GROUP"});
        };
        if (parts.size() != 3 && parts.size() != 5)
            refuse();
        group = parts[0], role = parts[1];
        std::istringstream number(parts[2]);
        if (!(number >> count) || !number.eof() || count < 1 || count > std::size_t(described.layers * described.heads))
            refuse();
        if (parts.size() == 5) {
            if (parts[3] != "queries" && parts[3] != "values")
                refuse();
            to = parts[3] == "queries" ? input::of_queries : input::of_values;
            readers = parts[4];
        }
        require_name();
    }

private:
    void require_name() const {
        if (group.empty() || group.find_first_of("/\\") != std::string::npos || group.front() == '.')
            throw eg::bad_input({"'", group, "' can't be the name of a group, because a file is named after it"});
    }
};

/// Heads of `groups` groups; of those that are not said, as many as in the paper's search of the pair.
/// throws bad_input when another number of sizes is said
std::vector<std::size_t> sizes_of(std::size_t groups, std::vector<std::size_t> sizes) {
    if (sizes.empty()) {
        sizes = {16, 8, 6, 4};
        sizes.resize(groups, 4);
    }
    if (sizes.size() != groups)
        throw eg::bad_input({"--sizes has ", sizes.size(), " numbers; give one for each of the ", groups, " groups"});
    return sizes;
}

/// The paper's four groups.
std::vector<step_text> paper_steps(std::vector<std::size_t> const& said) {
    auto const sizes = sizes_of(4, said);
    return {{"value_fetcher", "last", sizes[0]},
            {"position_transmitter", "last", sizes[1], input::of_queries, "value_fetcher"},
            {"position_detector", "query_label", sizes[2], input::of_values, "position_transmitter"},
            {"structure_reader", "previous_query_label", sizes[3], input::of_values, "position_detector"}};
}

char const* name_of(input to) {
    return to == input::of_logits ? "logits" : to == input::of_queries ? "queries" : "values";
}

/// The paper's search at any roles: heads at the first whose paths to the logits matter, heads there whose paths to the
/// queries of these do, and then, role by role, heads whose paths to the values of the group before do.
std::vector<step_text> steps_at(std::vector<std::string> const& roles, std::vector<std::size_t> const& said) {
    auto const sizes = sizes_of(roles.size() + 1, said);
    std::vector<step_text> steps;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        auto const& role = roles[i == 0 ? 0 : i - 1];
        auto const to = i == 0 ? input::of_logits : i == 1 ? input::of_queries : input::of_values;
        auto const readers = i == 0 ? std::string() : steps.back().group;
        steps.emplace_back(role + "_to_" + name_of(to), role, sizes[i], to, readers);
    }
    return steps;
}

/// What the numbers depend on besides the model and the prompts.
std::uint64_t hash_of(std::vector<step_text> const& steps) {
    eg::hasher h;
    for (auto const& s : steps)
        h.add(s.group).add(s.role).add(s.count).add(s.to).add(s.readers);
    return h.value();
}

void make_folder(std::string const& folder) {
    std::error_code failed;
    std::filesystem::create_directories(folder + "/path_patching", failed);
    if (failed)
        throw eg::bad_input("the folder " + folder + "/path_patching can't be made: " + failed.message());
}

example::json json_of(eg::sweep_plan const& p) {
    return {{"cases", p.cases},
            {"live", p.live},
            {"chunks", p.chunks},
            {"flops", p.flops.total()},
            {"naive_flops", p.naive_flops},
            {"ratio", p.naive_flops / p.flops.total()},
            {"table_bytes", p.memory}};
}

/// FLOPs of each sweep beside those of the naive way, a forward pass per case and pass; seconds that it took beside
/// those of as many forward passes at the speed of one, or what it will take at that speed.
void print(std::vector<eg::discovery_step> const& steps, std::vector<eg::sweep_plan> const& plans,
           std::vector<bool> const& at_most, std::vector<double> const& seconds, double speed) {
    auto const took = [](double x) { return x > 0; };
    bool const measured = std::all_of(seconds.begin(), seconds.end(), took);
    std::cout << std::left << std::setw(22) << "group" << std::setw(33) << "paths to" << std::right << std::setw(7)
              << "cases" << std::setw(11) << "GFLOP" << std::setw(13) << "naive GFLOP" << std::setw(8) << "ratio"
              << std::setw(8) << "MB" << std::setw(9) << (measured ? "seconds" : "seconds*") << std::setw(10)
              << (measured ? "measured" : "") << '\n'
              << std::fixed;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        auto const& p = plans[i];
        std::string to = name_of(steps[i].to);
        if (steps[i].to != input::of_logits)
            to += " of " + steps[i].receivers;
        std::cout << std::left << std::setw(22) << steps[i].group << std::setw(33) << to << std::right << std::setw(7)
                  << p.cases << std::setw(11) << std::setprecision(2) << p.flops.total() / 1e9 << std::setw(13)
                  << p.naive_flops / 1e9 << std::setw(8) << std::setprecision(1) << p.naive_flops / p.flops.total()
                  << std::setw(8) << p.memory / 1e6 << std::setw(9) << std::setprecision(2)
                  << (measured ? seconds[i] : p.flops.total() / speed);
        if (measured)
            std::cout << std::setw(10) << std::setprecision(1) << p.naive_flops / speed / seconds[i];
        std::cout << (at_most[i] ? "  at most" : "") << '\n';
    }
    std::cout << (measured ? "\nmeasured: how much faster than forward passes at" : "\n* at")
              << " the speed of a forward pass, " << std::setprecision(1) << speed / 1e9 << " GFLOP/s\n";
}

} // namespace

int main(int argc, char** argv) {
    example::options app(
        "Searches the heads of a circuit by path patching, on the boxes task or another, in the model that the "
        "program is compiled for (CMake: ENGRAFT_MODEL).",
        "discover_circuit");
    std::string folder = ENGRAFT_DESCRIBED_MODEL, out, shared = "later";
    example::task task{.boxes = {.examples = 300, .seed = 10}};
    std::vector<std::size_t> sizes;
    std::vector<std::string> texts, roles;
    double memory = 250;
    int threads = 0;
    bool plan_only = false, anew = false;
    app.add("--model", folder, "Folder of the model that this program was compiled for, or GGUF file").with_default();
    task.add_to(app, "Number of prompts");
    app.add("--roles", roles,
            "Search at these roles of the task: heads at the first whose paths to the logits matter most, then heads "
            "there whose paths to the queries of those do, then heads at each further role whose paths to the values "
            "of the group before do. Where it is left out: of boxes, the paper's four groups; of another task, its "
            "role at the last token")
        .each_once();
    app.add("--sizes", sizes, {1, std::size_t(described.layers * described.heads)},
            "Heads in each group; 16 8 6 4, and 4 for each after these, where it is left out");
    app.add("--step", texts,
            "A group to search instead: GROUP:ROLE:COUNT, heads whose paths to the logits matter most, or "
            "GROUP:ROLE:COUNT:queries:READERS, or ...:values:READERS, whose paths to what an earlier group "
            "reads do. Roles of boxes: last, query_label, previous_query_label, correct_object");
    app.add("--shared", shared, "Where heads stay that two groups of one role have found")
        .with_default()
        .one_of({"later", "earlier", "both"});
    app.add("--out", out,
            "Folder for circuit.json, path_patching/GROUP.npy (scores [layer, head]), GROUP_examples.npy "
            "([layer, head, example]) and the journal by which a search that was stopped goes on");
    app.add("--memory", memory, {1e-3, 1e9},
            "Megabytes for the tables of a sweep; with fewer, chunks are smaller and kept more often")
        .with_default();
    app.threads(threads);
    app.flag("--plan-only", plan_only, "Say what it would cost, and stop");
    app.flag("--anew", anew, "Throw away what the folder's journal has");

    return example::run(app, argc, argv, [&] {
        std::vector<step_text> chosen;
        if (!texts.empty() && (!roles.empty() || !sizes.empty()))
            throw eg::bad_input("a --step says its role and its size; leave out --roles and --sizes, or --step");
        for (auto const& text : texts)
            chosen.emplace_back(text);
        if (texts.empty() && !roles.empty())
            chosen = steps_at(roles, sizes);
        else if (texts.empty() && task.is_boxes())
            chosen = paper_steps(sizes);
        for (auto at = chosen.begin(); at != chosen.end(); ++at) {
            auto const named = [&](std::string const& name) {
                return std::any_of(chosen.begin(), at, [&](step_text const& s) { return s.group == name; });
            };
            if (named(at->group))
                throw eg::bad_input("two groups are called '" + at->group + "'");
            if (at->to != input::of_logits && !named(at->readers))
                throw eg::bad_input("no step before '" + at->group + "' finds '" + at->readers +
                                    "', whose inputs it is about");
        }

        auto const backend = example::backend_with(threads);
        auto const model = eg::load<described>(folder, backend);
        auto const prompts = task.sample(model.tokenizer());
        if (chosen.empty())
            chosen = steps_at({prompts.last_role().name}, sizes);
        std::vector<eg::discovery_step> steps;
        for (auto const& s : chosen)
            steps.push_back({s.group, prompts.with_source(s.role), s.count, s.to, s.readers});
        std::cout << prompts.about << ", " << std::string_view(described.name) << '\n' << std::endl;

        std::optional<eg::journal_file> journal;
        if (!out.empty()) {
            make_folder(out);
            // [journal]
            journal.emplace(out + "/path_patching.journal",
                            std::vector<eg::journal_input>{{"model", eg::hash_of_files(folder)},
                                                           {"prompts", hash_of(prompts)},
                                                           {"steps", hash_of(chosen)}},
                            anew ? eg::journal_start::anew : eg::journal_start::go_on);
            // [/journal]
            example::keep("finished chunks are kept in " + out + "; run the same command again to go on");
            if (journal->found() > 0)
                std::cout << "going on with " << journal->found() << " finished chunks of " << out << '\n' << std::endl;
        }

        auto const clean = model.run(prompts.tokens, eg::capture_for_sweeps<described>() | eg::capture(eg::q));
        auto const noise = model.run(prompts.noise_tokens, eg::capture(eg::z));
        example::stopwatch watch; // when memory has been used before, as in forward passes one after the other
        model.run(prompts.tokens).logits_at(-1);
        double const forward_seconds = watch.seconds();
        double flops = 0;
        for (std::size_t e = 0; e < prompts.tokens.examples(); ++e)
            flops +=
                eg::detail::flops_of_example(eg::facts_of_block<described>(), prompts.tokens.rows().length(e)).total();
        double const speed = flops / forward_seconds;

        eg::sweep_options options{.memory = memory * 1e6};
        auto numbers = example::json_of(task, prompts);
        if (plan_only) {
            eg::circuit known;
            if (!out.empty() && std::filesystem::exists(out + "/circuit.json"))
                known = eg::read_circuit(out + "/circuit.json");
            auto const plans = eg::plan_discovery(model, clean, noise, prompts.answers, steps, options, known);
            std::vector<bool> at_most;
            for (auto const& step : steps)
                at_most.push_back(step.to != input::of_logits && !known.find(step.receivers));
            print(steps, plans, at_most, {0}, speed);
            for (std::size_t i = 0; i < steps.size(); ++i) {
                numbers["steps"].push_back(json_of(plans[i]));
                numbers["steps"].back()["group"] = steps[i].group;
                numbers["steps"].back()["at_most"] = bool(at_most[i]);
                numbers["steps"].back()["seconds"] = plans[i].flops.total() / speed;
            }
            return numbers;
        }

        example::progress bar(1);
        options.journal = journal ? &*journal : nullptr;
        example::stopwatch search;
        bool const resumed = journal && journal->found() > 0;
        std::vector<double> seconds(steps.size()); // of each step; none where a part of it was there before
        options.progress = [&](double share) {
            auto const i = std::min(static_cast<std::size_t>(share * double(steps.size())), steps.size() - 1);
            bar.at(share, steps[i].group);
            for (std::size_t done = 0; done < steps.size() && !resumed; ++done)
                if (share * double(steps.size()) > double(done + 1) - 1e-6 && seconds[done] == 0)
                    seconds[done] = search.seconds() - std::accumulate(seconds.begin(), seconds.end(), 0.);
        };
        auto const rule = shared == "later"     ? eg::shared_heads::in_later_group
                          : shared == "earlier" ? eg::shared_heads::in_earlier_group
                                                : eg::shared_heads::in_both;
        // [discover]
        auto const found = eg::discover(model, clean, noise, prompts.answers, steps, options, rule);
        // [/discover]
        double const all_seconds = search.seconds();
        bar.done();

        std::vector<eg::sweep_plan> plans;
        for (std::size_t i = 0; i < steps.size(); ++i) {
            auto const& step = found.steps[i];
            auto const& group = found.found.groups[i];
            plans.push_back(step.patched.planned);
            std::cout << group.name << " at " << group.role << ":";
            example::json heads;
            for (auto const& head : group.heads) {
                double const score = step.change[static_cast<std::size_t>(head.layer * described.heads + head.head)];
                std::cout << " " << head.layer << "." << head.head << " " << std::fixed << std::setprecision(3)
                          << score;
                heads.push_back({{"layer", head.layer}, {"head", head.head}, {"score", score}});
            }
            std::cout << '\n';
            numbers["steps"].push_back(json_of(step.patched.planned));
            numbers["steps"].back()["group"] = group.name;
            numbers["steps"].back()["role"] = group.role;
            numbers["steps"].back()["heads"] = heads;
            if (!resumed)
                numbers["steps"].back()["seconds"] = seconds[i];
            if (!out.empty()) {
                auto const file = out + "/path_patching/" + group.name;
                std::vector<std::size_t> shape{std::size_t(described.layers), std::size_t(described.heads)};
                eg::write_npy(file + ".npy", shape, std::span<double const>(step.change));
                shape.push_back(prompts.examples());
                std::vector<double> each = step.patched.of();
                for (std::size_t c = 0; c < each.size(); ++c)
                    each[c] = each[c] / step.patched.clean()[c % prompts.examples()] - 1;
                eg::write_npy(file + "_examples.npy", shape, std::span<double const>(each));
            }
        }
        if (!out.empty())
            eg::write_circuit(out + "/circuit.json", found.found);
        std::cout << '\n';
        print(steps, plans, std::vector<bool>(steps.size()), seconds, speed);
        std::cout << "searched in " << std::setprecision(2) << all_seconds << " s" << (resumed ? " this time" : "")
                  << '\n';
        numbers["seconds"] = all_seconds;
        return numbers;
    });
}
