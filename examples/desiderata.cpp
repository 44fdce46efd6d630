// Figure 3 of Prakash et al. 2024: how often a model follows the target of a desideratum when a whole group of heads
// takes its z from the alternate prompts. Also the eleven positional desiderata of appendix J (Table A11).
// test: --examples 21 --repetitions 2
// test: --model tuned --desiderata all --group position_transmitter --examples 14 --repetitions 1
// refused: --desiderata colour
// refused: --repetitions 0
// refused: --boxes 2
// refused: --seed -1
// refused: --threads 100000

#include <algorithm>
#include <iomanip>

#include <engraft/engraft.hpp>

#include "backend.hpp"
#include "pair/pair.hpp"
#include "program.hpp"
#include "summary.hpp"

namespace eg = engraft;

int main(int argc, char** argv) {
    example::options app("Activation patching of groups of heads with desiderata, on the boxes task.", "desiderata");
    std::string folder = ENGRAFT_PAIR_FOLDER, masks;
    std::vector<std::string> models{"base", "tuned", "adapter"}, names{"object", "position", "label", "label_untold"},
        only;
    eg::boxes::options task{.examples = 500, .seed = 60};
    int repetitions = 10, threads = 0;
    app.add("--pair", folder, "Folder with base/, tuned/, adapter/ and circuit.json").with_default();
    app.add("--model", models, "Models: base, tuned, or adapter (base with its LoRA adapter)")
        .delimiter(',')
        .with_default()
        .one_of({"base", "tuned", "adapter"})
        .each_once();
    app.add("--desiderata", names, "Desiderata, or all; docs/how_to/dcm.md lists them")
        .delimiter(',')
        .with_default()
        .each_once();
    app.add("--group", only, "Groups of the circuit; all where none is given").delimiter(',').each_once();
    app.add("--masks", masks, "Only the heads that a file of masks chooses: FILE of `dcm --masks`");
    app.examples(task.examples, "Prompts of a repetition");
    app.add("--repetitions", repetitions, {1, 1000}, "Draws of prompts, each by the next seed").with_default();
    app.seed(task.seed, "Seed of the first draw");
    app.add("--boxes", task.boxes, {3, 26}, "Boxes in a prompt").with_default();
    app.threads(threads);

    return example::run(app, argc, argv, [&] {
        example::stopwatch total;
        auto const backend = example::backend_with(threads);
        auto circuit = eg::read_circuit(folder + "/circuit.json");
        if (!only.empty()) {
            eg::circuit some;
            for (auto const& name : only)
                some.groups.push_back(circuit[name]);
            circuit = some;
        }
        std::vector<eg::boxes::hypothesis> hypotheses;
        for (auto const& name : names)
            if (name == "all")
                for (auto const& h : eg::boxes::all_hypotheses)
                    hypotheses.push_back(h.what);
            else
                hypotheses.push_back(eg::boxes::hypothesis_named(name));
        auto const chosen = masks.empty() ? std::vector<eg::mask_record>{} : eg::read_masks(masks);

        // One exchange per group and desideratum: of all heads, or of those that a mask has chosen.
        auto exchanges = eg::whole_groups(circuit, hypotheses.size());
        for (std::size_t i = 0; i < exchanges.size() && !masks.empty(); ++i) {
            auto const& group = circuit.groups[i / hypotheses.size()].name;
            std::string const name = eg::boxes::name_of(hypotheses[i % hypotheses.size()]);
            auto const found = std::find_if(chosen.begin(), chosen.end(), [&](eg::mask_record const& m) {
                return m.group == group &&
                       eg::boxes::hypothesis_named(m.desideratum) == eg::boxes::hypothesis_named(name);
            });
            if (found == chosen.end())
                throw eg::bad_file(masks, {"there is no mask of `", group, "` for `", name, "`"});
            exchanges[i].heads = found->heads;
        }

        example::progress bar(static_cast<std::size_t>(repetitions) * models.size());
        example::json numbers{{"examples", task.examples}, {"seed", task.seed}, {"boxes", task.boxes}};
        std::cout << repetitions << " x " << task.examples << " prompts of " << task.boxes << " boxes, seeds from "
                  << task.seed << " on; share that follows the target, and its standard deviation\n";
        for (auto const& name : models) {
            auto const model = name == "adapter"
                                   ? eg::load<pair_model>(folder + "/base", eg::lora(folder + "/adapter"), backend)
                                   : eg::load<pair_model>(folder + "/" + name, backend);
            std::vector<std::vector<double>> shares(exchanges.size());
            for (int repetition = 0; repetition < repetitions; ++repetition) {
                bar.step(name);
                auto draw = task;
                draw.seed += static_cast<std::uint64_t>(repetition);
                std::vector<eg::desideratum> desiderata;
                for (auto h : hypotheses)
                    desiderata.push_back(eg::boxes::sample(model.tokenizer(), h, draw));
                eg::desiderata_runs runs(model, std::move(desiderata));
                auto const found = runs.follow(exchanges);
                for (std::size_t i = 0; i < found.size(); ++i)
                    shares[i].push_back(found[i]);
            }
            std::cout << "\n== " << name << " ==\n" << std::left << std::setw(24) << "desideratum" << std::right;
            for (auto const& group : circuit.groups)
                std::cout << std::setw(22) << group.name;
            std::cout << '\n';
            for (std::size_t d = 0; d < hypotheses.size(); ++d) {
                std::cout << std::left << std::setw(24) << eg::boxes::name_of(hypotheses[d]) << std::right << std::fixed
                          << std::setprecision(3);
                for (std::size_t g = 0; g < circuit.groups.size(); ++g) {
                    auto const& values = shares[g * hypotheses.size() + d];
                    auto const s = example::summarize(values);
                    std::cout << std::setw(14) << s.mean << " +- " << std::setw(4) << std::setprecision(3)
                              << s.deviation;
                    auto& to = numbers["models"][name][circuit.groups[g].name][eg::boxes::name_of(hypotheses[d])];
                    to = {{"mean", s.mean}, {"deviation", s.deviation}, {"shares", values}};
                }
                std::cout << std::endl;
            }
        }
        numbers["seconds"] = total.seconds();
        return numbers;
    });
}
