// Figure 4 of Prakash et al. 2024: put heads of a fine-tuned model into its base model, at the positions where they
// work, and see how much of the fine-tuned accuracy comes with them (cross-model activation patching).
// test: --examples 70 --draws 1
// refused: --task induction
// refused: --task nothing
// refused: --circuit nowhere.json
// refused: --pair nowhere
// refused: --examples 0
// refused: --boxes 27
// refused: --draws 0
// refused: --examples 1e9
// test: --examples 20 --draws 1 --from adapter

#include <algorithm>
#include <iomanip>

#include <engraft/engraft.hpp>

#include "backend.hpp"
#include "pair/pair.hpp"
#include "program.hpp"
#include "prompts.hpp"

namespace eg = engraft;

int main(int argc, char** argv) {
    example::options app(
        "Swaps groups of heads of a fine-tuned model into its base model, on the boxes task or another.",
        "cross_model_swap");
    std::string folder = ENGRAFT_PAIR_FOLDER, from = "tuned", circuit_file;
    example::task task{.boxes = {.examples = 500, .seed = 10}};
    int draws = 5, threads = 0;
    app.add("--pair", folder, "Folder with base/, tuned/, adapter/ and circuit.json").with_default();
    app.add("--from", from, "The fine-tuned model: tuned/, or base/ with the LoRA adapter of adapter/")
        .with_default()
        .one_of({"tuned", "adapter"});
    app.add("--circuit", circuit_file, "The circuit, as write_circuit writes it; circuit.json of the pair if left out");
    task.add_to(app, "Number of prompts");
    app.add("--draws", draws, {1, 10000}, "Draws of random heads").with_default();
    app.threads(threads);

    return example::run(app, argc, argv, [&] {
        example::stopwatch total;
        auto const backend = example::backend_with(threads);
        auto const base = eg::load<pair_model>(folder + "/base", backend);
        auto const tuned = from == "adapter"
                               ? eg::load<pair_model>(folder + "/base", eg::lora(folder + "/adapter"), backend)
                               : eg::load<pair_model>(folder + "/tuned", backend);
        auto const circuit = eg::read_circuit(circuit_file.empty() ? folder + "/circuit.json" : circuit_file);
        auto const prompts = task.sample(base.tokenizer());
        for (auto const& group : circuit.groups)
            prompts.role(group.role); // before anything is run

        auto numbers = example::json_of(task, prompts);
        numbers["from"] = from;
        std::cout << prompts.about;
        if (prompts.left_out > 0)
            std::cout << " (" << prompts.left_out << (task.is_boxes() ? " objects" : " words")
                      << " left out: not one token here)";
        std::cout << "\n\n"
                  << std::left << std::setw(34) << "heads" << std::setw(22) << "role" << std::right << std::setw(6)
                  << "count" << std::setw(10) << "accuracy" << std::setw(9) << "seconds" << '\n';
        example::progress bar(4 + circuit.groups.size() + 2 * static_cast<std::size_t>(draws));

        // Runs the steps of one line of the table, and prints their mean accuracy.
        auto const line = [&](std::string const& name, std::string const& role, std::size_t heads, int steps,
                              auto const& accuracy) {
            example::stopwatch watch;
            double sum = 0;
            for (int i = 0; i < steps; ++i) {
                bar.step(name);
                sum += accuracy();
            }
            double const mean = sum / steps, seconds = watch.seconds();
            std::cout << std::left << std::setw(34) << name << std::setw(22) << role << std::right << std::setw(6)
                      << heads << std::setw(10) << std::fixed << std::setprecision(3) << mean << std::setw(9)
                      << std::setprecision(2) << seconds << std::endl;
            numbers["rows"].push_back(
                {{"heads", name}, {"role", role}, {"count", heads}, {"accuracy", mean}, {"seconds", seconds}});
        };
        auto const score = [&](auto const& out) { return eg::accuracy(out.logits_at(-1), prompts.answers); };
        auto const at = [&](eg::circuit_group const& g) { return g.at(prompts.role(g.role)); };

        line("base, none swapped", "", 0, 1, [&] { return score(base.run(prompts.tokens)); });
        line(from, "", 0, 1, [&] { return score(tuned.run(prompts.tokens)); });
        bar.step("capturing z of " + from);
        auto const source = tuned.run(prompts.tokens, eg::capture(eg::z));

        std::size_t heads = 0;
        for (auto const& group : circuit.groups) {
            heads += group.heads.size();
            line(group.name, group.role, group.heads.size(), 1,
                 [&] { return score(base.run(prompts.tokens, eg::swap(eg::z, at(group), source))); });
        }

        // All groups of a circuit in one run, a policy each.
        auto const swap_all = [&](eg::circuit const& c) {
            std::vector<decltype(eg::swap(eg::z, at(c.groups[0]), source))> swaps;
            for (auto const& group : c.groups)
                swaps.push_back(eg::swap(eg::z, at(group), source));
            return score(base.run(prompts.tokens, eg::all_of(std::move(swaps))));
        };
        auto const count = circuit.groups.size() == 4 ? "four" : std::to_string(circuit.groups.size());
        line("all " + count + " groups", "each its own", heads, 1, [&] { return swap_all(circuit); });

        eg::random random(task.boxes.seed, 1);
        auto const& largest =
            *std::ranges::max_element(circuit.groups, {}, [](eg::circuit_group const& g) { return g.heads.size(); });
        line("random, as many as " + largest.name, largest.role, largest.heads.size(), draws, [&] {
            auto const drawn = eg::random_like<pair_model>(largest, random);
            return score(base.run(prompts.tokens, eg::swap(eg::z, at(drawn), source)));
        });
        line("random, as many as all " + count, "each its own", heads, draws, [&] {
            auto drawn = circuit;
            for (auto& group : drawn.groups)
                group.heads = eg::random_like<pair_model>(group, random).heads;
            return swap_all(drawn);
        });
        numbers["seconds"] = total.seconds();
        return numbers;
    });
}
