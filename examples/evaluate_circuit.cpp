// How good a circuit is, on the boxes task or another: its accuracy with all else mean-ablated, its faithfulness beside
// random circuits, whether it is complete, and what its heads attend to (Table 1, Table A1, Figure 1 of the paper).
// docs/how_to/evaluate_circuits.md says how it is compiled for another model.
// test: --examples 21 --mean-examples 21 --random-circuits 2 --random-subsets 2 --greedy 1 --journal e.journal --anew
// test: --examples 7 --mean-examples 7 --adapter @PAIR@/adapter --prune --write-pruned pruned.json --no-attention
// test: --examples 14 --mean-examples 14 --random-circuits 0 --no-attention --curve --curve-steps 2
// refused: --curve --curve-steps -1
// refused: --task induction
// refused: --task nothing
// refused: --model nowhere
// refused: --circuit nowhere.json
// refused: --circuit @PAIR@/base/config.json
// refused: --objects nowhere.txt
// refused: --examples 0
// refused: --threshold nan
// refused: --memory -1
// refused: --adapter ""

#include <algorithm>
#include <cmath>
#include <functional>
#include <iomanip>
#include <optional>
#include <utility>

#include <engraft/engraft.hpp>

#include "backend.hpp"
#include "described.hpp"
#include "program.hpp"
#include "prompts.hpp"
#include "summary.hpp"

namespace eg = engraft;

namespace {

using example::json;

json heads_of(eg::circuit_group const& group) {
    json heads = json::array();
    for (auto const n : group.heads)
        heads.push_back({n.layer, n.head});
    return heads;
}

std::size_t nodes_of(eg::circuit const& c) {
    std::size_t count = 0;
    for (auto const& group : c.groups)
        count += group.heads.size();
    return count;
}

/// Heads and MLPs, the one first of which attribution says that it changes the metric most: the size of the sum, over
/// positions and examples, of the gradient times what the noise run has there less what the clean run has.
template <eg::description const& D, class B>
std::vector<eg::edge_sender> ranked_nodes(eg::model<D, B> const& m, example::prompts const& p, eg::metric const& of,
                                          int steps, std::function<void(double)> const& progress) {
    std::vector<double> heads(std::size_t(D.layers * D.heads)), mlps(std::size_t(D.layers));
    auto const add = [](std::vector<double>& to, std::vector<double> const& more) {
        std::transform(to.begin(), to.end(), more.begin(), to.begin(), std::plus{});
    };
    constexpr std::size_t at_once = 20; // whose activations and gradients are held
    for (auto const part : eg::parts_of_batch(p.examples(), at_once)) {
        auto const clean = part.of(p.tokens), noise = part.of(p.noise_tokens);
        auto const metric = part.of(of);
        add(heads, eg::attribute(m, clean, noise, metric, eg::z, {.steps = steps}).over_positions());
        add(mlps, eg::attribute(m, clean, noise, metric, eg::mlp_out, {.steps = steps}).over_positions());
        progress(double(part.first + part.count) / double(p.examples()));
    }
    std::vector<std::pair<double, eg::edge_sender>> scored;
    for (int l = 0; l < D.layers; ++l) {
        for (int h = 0; h < D.heads; ++h)
            scored.push_back({heads[std::size_t(l * D.heads + h)], {l, h}});
        scored.push_back({mlps[std::size_t(l)], {l}});
    }
    std::ranges::stable_sort(scored, std::greater{}, [](auto const& one) { return std::abs(one.first); });
    std::vector<eg::edge_sender> best_first;
    for (auto const& one : scored)
        best_first.push_back(one.second);
    return best_first;
}

} // namespace

int main(int argc, char** argv) {
    example::options app(
        "Measures a circuit on the boxes task or another: accuracy, faithfulness, completeness, attention.",
        "evaluate_circuit");
    std::string folder = ENGRAFT_DESCRIBED_MODEL, circuit_file = ENGRAFT_PAIR_FOLDER "/circuit.json", adapter,
                pruned_file, journal_file;
    example::task task{.boxes = {.examples = 500, .seed = 10}};
    std::size_t mean_examples = 500, random_circuits = 10, random_subsets = 10, greedy = 0;
    std::uint64_t mean_seed = 11, draw_seed = 12;
    bool prune = false, attention = true, curve = false, anew = false;
    int curve_steps = 5;
    eg::minimality_options minimality;
    double memory = 1e9;
    int threads = 0;
    app.add("--model", folder, "Folder of the model that this program was compiled for").with_default();
    app.add("--adapter", adapter, "Folder of a LoRA adapter to put on it");
    app.add("--circuit", circuit_file, "The circuit: JSON, as write_circuit writes it").with_default();
    task.add_to(app, "Prompts that accuracy is measured on");
    app.examples(mean_examples, "Prompts that means are taken over", "--mean-examples");
    app.seed(mean_seed, "Seed of these prompts", "--mean-seed");
    app.add("--random-circuits", random_circuits, {0, 100000}, "Random circuits to compare with").with_default();
    app.add("--random-subsets", random_subsets, {0, 100000}, "Random subsets of the circuit for completeness")
        .with_default();
    app.add("--greedy", greedy, {0, 100000}, "Nodes of the worst subset, searched greedily; 0 for no search")
        .with_default();
    app.seed(draw_seed, "Seed of random circuits and subsets", "--draw-seed");
    app.flag("--prune", prune, "Prune the circuit by minimality first, and measure what is left");
    app.add("--threshold", minimality.threshold, {-100, 100}, "The least contribution that keeps a head; 0.01 is 1 %")
        .with_default();
    app.add("--fraction", minimality.fraction, {0, 1}, "Part of a group that minimality takes away beside a head")
        .with_default();
    app.add("--write-pruned", pruned_file, "Write the pruned circuit to this file");
    app.flag("!--no-attention", attention, "Leave the heads' attention out");
    app.flag(
        "--curve", curve,
        "Also rank all heads and MLPs by attribution, and measure the circuits that keep the first so many: CPR and "
        "CMD. Noise prompts must be as long as their prompts");
    app.add("--curve-steps", curve_steps, {0, 1000},
            "Gradients between the noise and the clean embeddings for this ranking; 0: the clean run's alone")
        .with_default();
    app.add("--journal", journal_file, "Keep what is finished in this file; a program that was stopped goes on there");
    app.flag("--anew", anew, "Throw away what the journal has");
    app.add("--memory", memory, {1e3, 1e15}, "Bytes for what a run keeps; prompts are taken in parts that fit")
        .with_default();
    app.threads(threads);

    return example::run(app, argc, argv, [&] {
        auto circuit = eg::read_circuit(circuit_file, eg::group_order::as_written);
        auto const backend = example::backend_with(threads);
        auto const model = adapter.empty() ? eg::load<described>(folder, backend)
                                           : eg::load<described>(folder, eg::lora(adapter), backend);
        auto const prompts = task.sample(model.tokenizer());
        for (auto const& group : circuit.groups)
            prompts.role(group.role); // before anything is run
        auto of_means = task;
        of_means.boxes.examples = mean_examples;
        of_means.boxes.seed = mean_seed;
        auto const mean_prompts = of_means.sample(model.tokenizer());
        // Boxes prompts have the same shape, so that their distance from the last token is enough.
        auto const mean_roles = task.is_boxes() ? std::vector<eg::role>{} : mean_prompts.noise_roles;
        std::vector<eg::metric> metrics{eg::accuracy(prompts.answers)};
        if (!prompts.wrong.empty())
            metrics.push_back(eg::logit_difference(prompts.answers, prompts.wrong));

        std::optional<eg::journal_file> journal;
        if (!journal_file.empty()) {
            eg::hasher of_tokens;
            of_tokens.add(prompts.tokens.tokens()).add(mean_prompts.noise_tokens.tokens());
            if (!task.is_boxes()) // whose tokens say the rest
                of_tokens.add(example::hash_of(prompts)).add(example::hash_of(mean_prompts));
            journal.emplace(
                journal_file,
                std::vector<eg::journal_input>{{"model", eg::hash_of_files(folder)},
                                               {"adapter", adapter.empty() ? 0 : eg::hash_of_files(adapter)},
                                               {"prompts", of_tokens.value()}},
                anew ? eg::journal_start::anew : eg::journal_start::go_on);
            example::keep("what is finished is kept in " + journal_file + "; run the same command again to go on");
        }
        example::progress bar(1000);
        std::string doing;
        auto const share = [&](double done) { bar.at(done, doing); };
        doing = "means";
        // [setting]
        auto const means =
            eg::mean_activations(model, mean_prompts.noise_tokens, eg::z, {.roles = mean_roles, .progress = share});
        eg::mean_ablation const f(
            model, prompts.tokens, prompts.roles, means, metrics,
            {.memory = memory,
             .sweep = {.memory = memory / 4, .progress = share, .journal = journal ? &*journal : nullptr}});
        // [/setting]
        auto const first = [](eg::sweep_result const& found) { return eg::mean_over_examples(found).front(); };

        auto numbers = example::json_of(task, prompts);
        numbers["mean_examples"] = mean_prompts.examples();
        numbers["mean_seed"] = mean_seed;
        numbers["draw_seed"] = draw_seed;
        auto& out = std::cout;
        out << prompts.about << "; means over " << mean_prompts.examples() << '\n'
            << std::fixed << std::setprecision(3);

        doing = "the whole model";
        auto const of_whole = f.whole();
        double const whole = first(of_whole);
        if (prune) {
            doing = "minimality";
            auto const before = nodes_of(circuit);
            // [prune]
            circuit = eg::minimal_circuit(eg::without_overlap(circuit), minimality, f);
            // [/prune]
            out << "minimality keeps " << nodes_of(circuit) << " of " << before << " nodes (threshold "
                << minimality.threshold << ")\n";
            numbers["threshold"] = minimality.threshold;
            if (!pruned_file.empty())
                eg::write_circuit(pruned_file, circuit);
        }
        for (auto const& group : circuit.groups)
            numbers["circuit"][group.name] = {{"role", group.role}, {"heads", heads_of(group)}};

        doing = "the circuit";
        auto const alone = f.alone(circuit);
        eg::faithfulness const found{first(alone), whole};
        out << "\naccuracy of the model          " << found.model << "\nof the circuit alone           "
            << found.circuit << "\nfaithfulness                   ";
        if (found.model == 0)
            out << "none: the model's accuracy is 0\n";
        else
            out << found.ratio() << '\n';
        numbers["model"] = found.model;
        numbers["alone"] = found.circuit;
        numbers["faithfulness"] = found.ratio();
        if (!prompts.wrong.empty()) {
            auto const mean = [](eg::sweep_result const& of) {
                return eg::mean_over_examples(of, "logit_difference").front();
            };
            eg::faithfulness const difference{mean(alone), mean(of_whole)};
            out << "logit difference of the model  " << difference.model << "\nof the circuit alone           "
                << difference.circuit << '\n';
            numbers["logit_difference"] = {{"model", difference.model}, {"alone", difference.circuit}};
        }

        eg::random random(draw_seed);
        if (random_circuits > 0) {
            doing = "random circuits";
            auto const accuracies = eg::mean_over_examples(
                f.each(eg::random_circuits(circuit, random_circuits, described.layers, described.heads, random)));
            auto const s = example::summarize(accuracies);
            out << "of " << std::setw(3) << random_circuits << " random circuits         " << s.mean << " (deviation "
                << s.deviation << ")\n";
            numbers["random_circuits"] = accuracies;
        }

        doing = "completeness";
        // [completeness]
        auto subsets = eg::each_group(circuit);
        for (auto& subset : eg::random_subsets(circuit, random_subsets, random))
            subsets.push_back(std::move(subset));
        auto lines = eg::completeness(f, circuit, subsets);
        // [/completeness]
        if (greedy > 0) {
            doing = "the worst subset";
            lines.push_back(eg::worst_subset(f, circuit, greedy));
        }
        out << "\nwithout                      nodes  circuit    model  incompleteness\n";
        for (auto const& line : lines) {
            out << std::left << std::setw(28) << line.removed.name << std::right << std::setw(6)
                << nodes_of(line.removed.nodes) << std::setw(9) << line.circuit << std::setw(9) << line.model
                << std::setw(16) << line.incompleteness() << '\n';
            json nodes;
            for (auto const& group : line.removed.nodes.groups)
                nodes[group.name] = heads_of(group);
            numbers["completeness"].push_back({{"without", line.removed.name},
                                               {"nodes", nodes},
                                               {"circuit", line.circuit},
                                               {"model", line.model},
                                               {"incompleteness", line.incompleteness()}});
        }
        if (curve) {
            doing = "the curve";
            auto const metric = metrics.size() > 1 ? metrics.back() : eg::logit(prompts.answers);
            example::stopwatch watch;
            auto const best_first = ranked_nodes(model, prompts, metric, curve_steps, share);
            auto const ranked_in = watch.seconds();
            auto const of_nodes = eg::node_curves(model, prompts.tokens, prompts.noise_tokens, best_first, {metric},
                                                  {.memory = memory, .progress = share});
            auto const c = of_nodes.curve();
            auto const faithfulness = c.faithfulness();
            out << "\n"
                << best_first.size() << " heads and MLPs by attribution, " << metric.name << " from " << c.corrupted
                << " (noise) to " << c.clean << ": CPR " << c.cpr() << ", CMD " << c.cmd()
                << "\nshare kept                     nodes  faithfulness\n";
            for (std::size_t i = 0; i < faithfulness.size(); ++i)
                out << std::left << std::setw(28) << c.shares[i] << std::right << std::setw(8) << of_nodes.kept[i]
                    << std::setw(14) << faithfulness[i] << '\n';
            numbers["curve"] = {{"metric", metric.name},
                                {"clean", c.clean},
                                {"corrupted", c.corrupted},
                                {"shares", c.shares},
                                {"kept", of_nodes.kept},
                                {"faithfulness", faithfulness},
                                {"cpr", c.cpr()},
                                {"cmd", c.cmd()},
                                {"ranking_seconds", ranked_in},
                                {"curve_seconds", watch.seconds() - ranked_in}};
        }
        if (!attention)
            return numbers;

        doing = "attention";
        std::vector<eg::attention_target> targets;
        for (auto const& role : prompts.roles)
            targets.push_back(eg::attention_target::of(role));
        std::vector<std::string> columns{"last", "query", "previous", "object", "own segment", "others"};
        if (task.is_boxes()) {
            targets.push_back({"own segment", prompts.own_segment});
            targets.push_back({"other segments", prompts.other_segments});
        } else {
            columns.clear();
            for (auto const& target : targets)
                columns.push_back(target.name);
        }
        auto const width = [&](std::size_t t) { return static_cast<int>(std::max(columns[t].size(), std::size_t{4})); };
        out << "\naverage attention to            ";
        for (std::size_t t = 0; t < columns.size(); ++t)
            out << "  " << std::setw(width(t)) << columns[t];
        out << '\n' << std::setprecision(2);
        for (auto const& group : circuit.groups) {
            bar.at(0, doing);
            auto const report =
                eg::attention_from(model, prompts.tokens, prompts.role(group.role), group.heads, targets);
            for (std::size_t h = 0; h < group.heads.size(); ++h) {
                auto const n = group.heads[h];
                out << std::left << std::setw(22) << group.name << "L" << n.layer << " H" << std::setw(4) << n.head
                    << std::right << "  ";
                for (std::size_t t = 0; t < columns.size(); ++t)
                    out << "  " << std::setw(width(t)) << report(h, t);
                out << '\n';
                json to;
                for (std::size_t t = 0; t < report.targets.size(); ++t)
                    to[report.targets[t]] = report(h, t);
                numbers["attention"].push_back(
                    {{"group", group.name}, {"head", {n.layer, n.head}}, {"from", group.role}, {"to", to}});
            }
        }
        return numbers;
    });
}
