// Which edges of a model matter? Attribution (EAP-IG) ranks all of them by a few backward passes, and only the first
// share of that ranking is patched exactly. This program patches the others too, to say what the short cut misses.
// test: --examples 1 --steps 2
// test: --examples 1 --steps 0 --model tuned --top 5 --share 0.05
// test: --task induction --examples 2 --steps 1 --share 0.05
// refused: --task nothing
// refused: --task induction --objects nowhere.txt
// refused: --pair nowhere
// refused: --top 0
// refused: --share 0
// refused: --share 0.1 nan
// refused: --examples 18446744073709551616

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <numeric>

#include <engraft/engraft.hpp>

#include "backend.hpp"
#include "pair/pair.hpp"
#include "program.hpp"
#include "prompts.hpp"

namespace eg = engraft;

namespace {

/// Numbers of the scores, the largest (whatever its sign) first.
std::vector<std::size_t> ranked(std::vector<double> const& scores) {
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return std::abs(scores[a]) > std::abs(scores[b]); });
    return order;
}

std::size_t common(std::vector<std::size_t> a, std::vector<std::size_t> b) {
    std::sort(a.begin(), a.end());
    std::sort(b.begin(), b.end());
    std::vector<std::size_t> both;
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
    return both.size();
}

/// How alike two rankings by size are: the correlation of the ranks (Spearman's).
double rank_correlation(std::vector<double> const& a, std::vector<double> const& b) {
    auto const ranks = [](std::vector<double> const& scores) {
        std::vector<double> r(scores.size());
        auto const order = ranked(scores);
        for (std::size_t i = 0; i < order.size(); ++i)
            r[order[i]] = double(i);
        return r;
    };
    auto const x = ranks(a), y = ranks(b);
    double const n = double(x.size());
    double squares = 0;
    for (std::size_t i = 0; i < x.size(); ++i)
        squares += (x[i] - y[i]) * (x[i] - y[i]);
    return 1 - 6 * squares / (n * (n * n - 1));
}

} // namespace

int main(int argc, char** argv) {
    example::options app(
        "Ranks the edges between heads, MLPs and logits by attribution, patches the first share of them exactly, "
        "and says how many of those that matter most were found, on the boxes task or another whose prompts are as "
        "long as "
        "their noise prompts.",
        "screen_then_patch");
    std::string folder = ENGRAFT_PAIR_FOLDER, name = "base";
    example::task task{.boxes = {.examples = 14, .seed = 10}};
    int steps = 5, threads = 0;
    std::size_t top = 50;
    std::vector<double> shares{0.02, 0.05, 0.1};
    app.add("--pair", folder, "Folder with base/ and tuned/").with_default();
    app.add("--model", name, "Which of the two").with_default().one_of({"base", "tuned"});
    task.add_to(app, "Number of pairs of prompts");
    app.add("--steps", steps, {0, 10000},
            "Gradients between the noise and the clean embeddings; 0: the clean run's alone")
        .with_default();
    app.add("--top", top, {1, 1000}, "How many edges are to be found").with_default();
    app.add("--share", shares, {0.001, 1.0}, "Shares of the edges that are patched exactly").with_default();
    app.threads(threads);

    return example::run(app, argc, argv, [&] {
        auto const model = eg::load<pair_model>(folder + "/" + name, example::backend_with(threads));
        auto const prompts = task.sample(model.tokenizer());
        auto const examples = prompts.examples();
        auto const noise = model.run(prompts.noise_tokens, eg::capture(eg::z, eg::mlp_out));

        // The answer against the wrong one or, where the task names none, what the noise prompt suggests instead.
        auto others = prompts.wrong;
        auto const of_noise = noise.logits_at(-1);
        for (std::size_t e = 0; prompts.wrong.empty() && e < examples; ++e) {
            auto const two = of_noise.top(e, 2);
            others.push_back(two[two[0] == prompts.answers[e]]);
        }
        auto const metric = eg::logit_difference(prompts.answers, others);
        example::progress bar(2 + shares.size());

        bar.step("attribution");
        example::stopwatch watch;
        // [screen]
        auto const screened =
            eg::attribute_edges(model, prompts.tokens, prompts.noise_tokens, metric, {.steps = steps});
        auto const ranking = screened.ranked();
        // [/screen]
        double const screening = watch.seconds();

        auto const clean = model.run(prompts.tokens, eg::capture_for_sweeps<pair_model>());
        /// Mean change of the metric by each of these edges, and seconds.
        auto const patch = [&](std::vector<std::size_t> const& which) {
            eg::table<eg::edge> edges{{{"edge", which.size()}}, {}};
            for (auto const i : which)
                edges.entries.push_back(screened.edges.entries[i]);
            example::stopwatch took;
            auto const found = eg::edge_patching(model, clean, noise, edges, {metric});
            std::vector<double> change(which.size());
            for (std::size_t i = 0; i < found.of().size(); ++i)
                change[i / examples] += (found.of()[i] - screened.clean[i % examples]) / double(examples);
            return std::pair(change, took.seconds());
        };
        std::vector<std::size_t> every(ranking.size());
        std::iota(every.begin(), every.end(), std::size_t{0});
        bar.step("patching every edge");
        auto const [exact, all_seconds] = patch(every);
        auto best = ranked(exact);
        best.resize(std::min(top, best.size()));
        double const correlation = rank_correlation(screened.scores, exact);

        std::cout << name << ", "
                  << (task.is_boxes()
                          ? std::to_string(examples) + " pairs of prompts, seed " + std::to_string(task.boxes.seed)
                          : prompts.about)
                  << std::fixed << std::setprecision(2) << "\nattribution of " << every.size() << " edges, " << steps
                  << " steps: " << screening << " s\npatching all of them: " << all_seconds
                  << " s; correlation of ranks " << correlation << "\n\nof the " << best.size()
                  << " edges that matter most\n  patched    share  precision     recall    seconds\n";
        example::json numbers{{"model", name},
                              {"examples", examples},
                              {"seed", task.boxes.seed},
                              {"steps", steps},
                              {"edges", every.size()},
                              {"top", best.size()},
                              {"screening_seconds", screening},
                              {"patching_all_seconds", all_seconds},
                              {"rank_correlation", correlation}};
        if (!task.is_boxes())
            numbers["task"] = prompts.task;
        for (double share : shares) {
            auto const count = std::min(every.size(), std::size_t(std::ceil(share * double(every.size()))));
            std::vector<std::size_t> const first(ranking.begin(), ranking.begin() + std::ptrdiff_t(count));
            bar.step("patching the first " + std::to_string(count));
            auto const [change, seconds] = patch(first);
            for (std::size_t i = 0; i < count; ++i)
                if (!(std::abs(change[i] - exact[first[i]]) <= 1e-4))
                    throw eg::bad_input("an edge alone does something else than among all edges");
            double const found = double(common(first, best));
            double const precision = found / double(count), recall = found / double(best.size());
            std::cout << std::setw(9) << count << std::setw(9) << share << std::setw(11) << precision << std::setw(11)
                      << recall << std::setw(11) << seconds << std::endl;
            numbers["rows"].push_back({{"patched", count},
                                       {"share", share},
                                       {"precision", precision},
                                       {"recall", recall},
                                       {"seconds", seconds}});
        }
        std::cout << "\nthe edges that matter most, and what attribution says of them\n" << std::setprecision(3);
        for (std::size_t i = 0; i < std::min<std::size_t>(10, best.size()); ++i)
            std::cout << "  " << std::left << std::setw(16) << name_of(screened.edges.entries[best[i]]) << std::right
                      << std::setw(9) << exact[best[i]] << std::setw(9) << screened.scores[best[i]] << '\n';
        return numbers;
    });
}
