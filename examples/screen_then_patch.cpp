// Which heads matter? Attribution (EAP-IG) ranks all of them by a few backward passes, and only the first share of that
// ranking is patched exactly. This program patches the others too, to say what the short cut misses.
// test: --examples 14 --steps 3
// test: --examples 10 --steps 1 --model tuned --top 4 --share 0.1 --share 0.5
// refused: --pair nowhere
// refused: --top 49
// refused: --share 0

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <numeric>

#include <engraft/circuit/edge_attribution.hpp>
#include <engraft/engraft.hpp>

#include "pair/pair.hpp"
#include "program.hpp"

namespace eg = engraft;

namespace {

constexpr std::size_t heads = std::size_t(pair_model.layers * pair_model.heads);

/// Numbers of the heads, the largest score (whatever its sign) first.
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

/// How alike two rankings are: the correlation of the sizes' ranks.
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
    CLI::App app("Ranks heads by attribution, patches the first share of them exactly, and says how many of those that "
                 "matter most were found, on the boxes task.",
                 "screen_then_patch");
    std::string folder = ENGRAFT_PAIR_FOLDER, name = "base";
    eg::boxes::options task{.examples = 105, .seed = 10};
    int steps = 5, threads = 0;
    std::size_t top = 10;
    std::vector<double> shares{0.2, 0.3, 0.4};
    app.add_option("--pair", folder, "Folder with base/ and tuned/")->capture_default_str();
    app.add_option("--model", name, "Which of the two")->capture_default_str()->check(CLI::IsMember({"base", "tuned"}));
    app.add_option("--examples", task.examples, "Number of pairs of prompts")->capture_default_str();
    app.add_option("--seed", task.seed, "Seed of the prompts")->capture_default_str();
    app.add_option("--steps", steps, "Gradients between the noise and the clean embeddings; 0: the clean run's alone")
        ->capture_default_str()
        ->check(CLI::NonNegativeNumber);
    app.add_option("--top", top, "How many heads are to be found")
        ->capture_default_str()
        ->check(CLI::Range(std::size_t{1}, heads));
    app.add_option("--share", shares, "Shares of the heads that are patched exactly")
        ->capture_default_str()
        ->check(CLI::Range(1.0 / double(heads), 1.0));
    app.add_option("--threads", threads, "Threads; 0 means all")->capture_default_str()->check(CLI::NonNegativeNumber);

    return example::run(app, argc, argv, [&] {
        auto const model = eg::load<pair_model>(folder + "/" + name, eg::cpu<eg::fp32>(threads));
        auto const prompts = eg::boxes::sample(model.tokenizer(), task);
        auto const last = prompts.role<eg::last>();
        auto const noise = model.run(prompts.noise_tokens, eg::capture(eg::z));

        // The answer against what the noise prompt suggests instead.
        std::vector<eg::token> others;
        auto const of_noise = noise.logits_at(-1);
        for (std::size_t e = 0; e < task.examples; ++e) {
            auto const two = of_noise.top(e, 2);
            others.push_back(two[two[0] == prompts.answers[e]]);
        }
        auto const metric = eg::logit_difference(prompts.answers, others);
        example::progress bar(int(2 * (2 + shares.size())));

        bar.step("attribution");
        example::stopwatch watch;
        // [screen]
        auto const edges = eg::attribute_edges(model, prompts.tokens, prompts.noise_tokens, metric, {.steps = steps});
        // [/screen]
        double const screening = watch.seconds();
        auto const logits = edges.receivers.size() - 1;
        auto const senders = edges.of_senders();
        std::vector<double> of_heads, to_logits;
        for (std::size_t s = 0; s < edges.senders.size(); ++s)
            if (edges.senders[s].of == eg::edge_end::kind::head) {
                of_heads.push_back(senders[s]);
                to_logits.push_back(edges.at(logits, s));
            }

        watch = {};
        auto const clean = model.run(prompts.tokens, eg::capture_for_sweeps<pair_model>());
        double const clean_run = watch.seconds();
        nlohmann::ordered_json numbers{
            {"model", name}, {"examples", task.examples}, {"seed", task.seed}, {"steps", steps},
            {"top", top},    {"screening", screening},    {"clean", clean_run}};
        std::cout << task.examples << " pairs of prompts, seed " << task.seed << "; " << edges.ranked().size()
                  << " edges attributed in " << std::fixed << std::setprecision(2) << screening << " s (" << steps
                  << " steps), clean run for sweeps " << clean_run << " s\n";

        /// Patches the first heads of `scores` by policy_of, and compares with all of them.
        auto const compare = [&](std::string const& what, std::vector<double> const& scores, auto const& policy_of) {
            auto const patch = [&](std::vector<std::size_t> const& which) {
                eg::table<eg::node> table{{{"head", which.size()}}, {}};
                for (auto const h : which)
                    table.entries.push_back({int(h) / pair_model.heads, int(h) % pair_model.heads});
                example::stopwatch took;
                auto const found = eg::sweep(model, clean, table, policy_of, {metric});
                std::vector<double> change(which.size());
                for (std::size_t i = 0; i < found.of().size(); ++i)
                    change[i / task.examples] +=
                        (found.of()[i] - found.clean()[i % task.examples]) / double(task.examples);
                return std::pair(change, took.seconds());
            };
            std::vector<std::size_t> every(heads);
            std::iota(every.begin(), every.end(), std::size_t{0});
            bar.step("patching every head");
            auto const [exact, all_seconds] = patch(every);
            auto best = ranked(exact);
            best.resize(top);
            auto const by_score = ranked(scores);
            nlohmann::ordered_json table{{"what", what},
                                         {"seconds", all_seconds},
                                         {"rank_correlation", rank_correlation(scores, exact)},
                                         {"rows", nlohmann::ordered_json::array()}};
            std::cout << '\n'
                      << what << ": all " << heads << " heads in " << all_seconds << " s, correlation of ranks "
                      << rank_correlation(scores, exact) << "\n  share  heads  precision  recall  seconds\n";
            for (double share : shares) {
                auto const count = std::min(heads, std::size_t(std::ceil(share * double(heads))));
                std::vector<std::size_t> const first(by_score.begin(), by_score.begin() + std::ptrdiff_t(count));
                bar.step("patching the first " + std::to_string(count));
                auto const [change, seconds] = patch(first);
                for (std::size_t i = 0; i < count; ++i)
                    if (!(std::abs(change[i] - exact[first[i]]) <= 1e-4))
                        throw eg::bad_input("a head's effect is another one alone than among all heads");
                double const found = double(common(first, best));
                std::cout << std::setw(7) << share << std::setw(7) << count << std::setw(11) << found / double(count)
                          << std::setw(8) << found / double(top) << std::setw(9) << seconds << '\n';
                table["rows"].push_back({{"share", share},
                                         {"heads", count},
                                         {"precision", found / double(count)},
                                         {"recall", found / double(top)},
                                         {"seconds", seconds}});
            }
            numbers["tables"].push_back(table);
        };
        compare("z of a head, at every position", of_heads,
                [&](eg::node n) { return eg::patch(eg::z, eg::nodes({n}), noise); });
        compare("path from a head at `last` to the logits", to_logits, eg::path_from_sender(clean, noise, last));
        return numbers;
    });
}
