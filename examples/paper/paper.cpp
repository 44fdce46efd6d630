// Every table and figure of Prakash et al. 2024, as experiments on a base model and tuned ones: into one folder with
// results as JSON and .npy, figures, and report.html. Stopped at any point it goes on with what is not finished.

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iomanip>
#include <iterator>
#include <set>

#include <engraft/core/hash.hpp>
#include <engraft/io/journal_file.hpp>
#include <engraft/version.hpp>

#include "../program.hpp"
#include "../report/gnuplot.hpp"
#include "../report/page.hpp"
#include "experiment.hpp"
#include "plan.hpp"
#include "sources_hash.hpp"

namespace paper {

/// The experiment of a program of its own; null in the program that runs all of them.
extern char const* const only_experiment;

namespace {

constexpr char const* published_file = ENGRAFT_PAPER_FOLDER "/published.json";

std::string version() {
    return eg::message({ENGRAFT_VERSION_MAJOR, ".", ENGRAFT_VERSION_MINOR, ".", ENGRAFT_VERSION_PATCH}) + ", sources " +
           sources_hash;
}

/// Of all that an experiment's numbers depend on, but for those that it needs.
std::uint64_t hash_of_inputs(settings const& s) {
    eg::hasher h;
    h.add(eg::hash_of_files(published_file))
        .add(version())
        .add(s.seed)
        .add(s.boxes)
        .add(s.examples)
        .add(s.repetitions)
        .add(s.random_circuits)
        .add(s.threshold);
    for (auto const& m : s.models) {
        h.add(m.name).add(m.published).add(m.heads).add(eg::hash_of_files(m.folder));
        if (!m.adapter.empty())
            h.add(eg::hash_of_files(m.adapter));
    }
    return h.value();
}

/// Those that were asked for, and what they need, in the order in which they run.
std::vector<experiment const*> chosen_experiments(std::vector<std::string> const& names) {
    std::set<std::string> wanted(names.begin(), names.end());
    std::string known;
    for (auto const* e : all_experiments())
        known += (known.empty() ? "" : ", ") + std::string(e->name);
    for (auto const& name : names)
        if (std::ranges::none_of(all_experiments(), [&](auto const* e) { return e->name == name; }))
            throw eg::bad_input("there is no experiment `" + name + "`; there are " + known);
    for (std::size_t before = 0; before != wanted.size();) {
        before = wanted.size();
        for (auto const* e : all_experiments())
            if (wanted.contains(e->name))
                wanted.insert(e->needs.begin(), e->needs.end());
    }
    std::vector<experiment const*> chosen;
    for (auto const* e : all_experiments())
        if (names.empty() || wanted.contains(e->name))
            chosen.push_back(e);
    return chosen;
}

std::uint64_t inputs_of(experiment const& e, std::uint64_t inputs, store const& kept) {
    eg::hasher h;
    h.add(inputs).add(e.name);
    for (auto const& needed : e.needs)
        h.add(kept.hash_of(needed));
    return h.value();
}

void run_experiment(experiment const& e, context& c, std::uint64_t inputs) {
    example::stopwatch watch;
    c.models.used = {};
    c.kept.begin(e.name);
    report::findings found{.name = e.name, .title = e.title};
    e.run(c, found);
    std::erase_if(found.comparisons, [](report::comparison const& one) { return std::isnan(one.there); });
    found.planned_flops = c.models.used.planned, found.counted_flops = c.models.used.counted;
    found.gradient_flops = c.models.used.gradients;
    c.kept.finish(found, inputs, watch.seconds());
}

/// Draws all figures of a page, where gnuplot is.
void draw(report::page& p, std::filesystem::path const& folder) {
    report::gnuplot const gnuplot;
    if (!gnuplot.found()) {
        p.notes.push_back(
            "gnuplot was not found, so no figure is drawn. Install it (gnuplot-nox) and start the program again: "
            "nothing else is computed anew.");
        std::cerr << "gnuplot was not found: the report has no figures; all else goes on\n";
        return;
    }
    for (auto const& section : p.sections)
        for (auto const& figure : section.found.figures) {
            gnuplot.draw(figure, folder);
            std::ifstream svg(folder / (figure.name + ".svg"), std::ios::binary);
            p.drawings[figure.name] = {std::istreambuf_iterator<char>(svg), {}};
        }
}

report::page page_of(context const& c, std::vector<experiment const*> const& done) {
    report::page p{.title = "Fine-tuning enhances existing mechanisms, run again"};
    p.facts = {{"architecture", c.models.described()}};
    std::string models;
    for (auto const& m : c.chosen.models) {
        models += (models.empty() ? "" : ", ") + m.name + (m.published.empty() ? "" : " beside " + m.published);
        auto const hash = eg::hash_of_files(m.folder) ^ (m.adapter.empty() ? 0 : eg::hash_of_files(m.adapter));
        p.facts.push_back({"model " + m.name, m.folder.filename().string() +
                                                  (m.adapter.empty() ? "" : " with " + m.adapter.filename().string()) +
                                                  "; hash of its files " + hex(hash)});
    }
    p.introduction =
        "The tables and figures of Prakash et al. (ICLR 2024, arXiv:2402.14811), computed by engraft: " + models +
        ". Where these are not the paper’s models, its numbers are no target: each comparison "
        "says what would have to come out to agree with the paper, and what did.";
    auto const left_out = c.models.prompts(1, c.chosen.seed).left_out.size();
    p.facts.push_back({"prompts", eg::message({c.chosen.boxes, " boxes; ", eg::boxes::paper_objects.size() - left_out,
                                               " of the paper’s ", eg::boxes::paper_objects.size(),
                                               " nouns, those that are one token"})});
    p.facts.push_back({"program", "engraft " + version()});
    p.facts.push_back({"the paper’s numbers", c.paper.source()});
    double seconds = 0;
    for (auto const* e : done) {
        p.sections.push_back({c.kept.found(e->name), c.kept.seconds(e->name)});
        seconds += p.sections.back().seconds;
    }
    p.facts.push_back({"seconds of all experiments", report::shown(std::round(seconds))});
    return p;
}

} // namespace
} // namespace paper

int main(int argc, char** argv) {
    using namespace paper;
    bool const all = only_experiment == nullptr;
    example::options app(
        all ? "Runs every experiment of the paper on a set of models and writes a report."
            : "Runs one experiment of the paper, and those whose results it needs and that are not there yet.",
        all ? "paper" : only_experiment);
    settings s;
    std::string models = ENGRAFT_PAPER_FOLDER "/pair.json", out = "paper_results";
    std::vector<std::string> only;
    bool plan_only = false;
    double gflops = 0;
    app.add("--models", models, "JSON file of the models; the trained pair where it is left out").with_default();
    app.add("--out", out, "Folder of results; finished experiments in it are not run again").with_default();
    if (all)
        app.add("--only", only, "Names of experiments, and those that they need").each_once();
    app.examples(s.examples, "Prompts of an evaluation (the paper: 500); others follow");
    app.add("--repetitions", s.repetitions, {1, 1000}, "Repetitions of activation patching").with_default();
    app.add("--random-circuits", s.random_circuits, {1, 100000}, "Random circuits beside a circuit").with_default();
    app.add("--threshold", s.threshold, {-100, 100}, "Least contribution that keeps a head in a circuit")
        .with_default();
    app.seed(s.seed, "Seed of prompts and draws");
    app.flag("--plan-only", plan_only, "Say what the experiments would take; needs no weights, only config.json");
    app.add("--gflops", gflops, {1e-6, 1e12},
            "GFLOP/s that times are planned with (with --plan-only); measured here where it is left out");

    return example::run(app, argc, argv, [&] {
        if (gflops > 0 && !plan_only)
            throw eg::bad_input("--gflops is the speed that --plan-only plans with; give both, or none");
        read_models(models, s);
        if (s.examples < static_cast<std::size_t>(s.boxes))
            throw eg::bad_input({"--examples must be at least ", s.boxes, ", one for each box that is asked for"});
        auto const experiments = chosen_experiments(all ? only : std::vector<std::string>{only_experiment});
        published const numbers(published_file);
        if (plan_only)
            return plan(s, numbers, experiments, gflops > 0 ? 1e9 * gflops : speed_of_products());
        store kept(out);
        example::keep("finished experiments are kept in " + out + "; run the same command again to go on");
        auto const lab = load_lab(s);
        auto const inputs = hash_of_inputs(s);
        context c{*lab, s, kept, numbers};

        example::json told;
        example::progress bar(1000 * experiments.size());
        double done = 0;
        for (auto const* e : experiments) {
            auto const of_this = inputs_of(*e, inputs, kept);
            bool const there = kept.has(e->name, of_this);
            lab->progress = [&](double share) {
                bar.at((done + share) / static_cast<double>(experiments.size()), e->name);
            };
            lab->progress(0);
            if (!there)
                run_experiment(*e, c, of_this);
            auto const found = kept.found(e->name);
            ++done;
            bar.done();
            std::cout << std::left << std::setw(12) << e->name << std::right << std::setw(8) << std::fixed
                      << std::setprecision(1) << kept.seconds(e->name) << " s  " << found.agreeing() << " of "
                      << found.comparisons.size() << " comparisons agree" << (there ? " (was there)" : "") << std::endl;
            told[e->name] = {{"agree", found.agreeing()}, {"of", found.comparisons.size()}, {"was_there", there}};
        }
        // Others that are there belong to the report, too.
        std::vector<experiment const*> there;
        for (auto const* e : all_experiments())
            if (std::ranges::all_of(e->needs, [&](auto const& needed) { return kept.knows(needed); }) &&
                kept.has(e->name, inputs_of(*e, inputs, kept)))
                there.push_back(e);
        auto page = page_of(c, there);
        draw(page, kept.folder() / "figures");
        kept.write("report.html", report::html(page));
        std::cout << "\nreport: " << std::filesystem::absolute(kept.folder() / "report.html").string() << '\n';
        return told;
    });
}
