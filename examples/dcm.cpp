// Section 5.1 of Prakash et al. 2024: which heads of each group of the circuit carry the object, the label or the
// position? A mask per group and desideratum is trained to take z from alternate prompts where that gives the target.
// On another task: which heads carry what the answer depends on, from the clean prompts into the corrupted ones?
// test: --model tuned --train 32 --evaluate 14 --test 14 --batch 16
// test: --model adapter --group value_fetcher --desiderata object --neurons --train 16 --evaluate 7 --test 7 --epochs 1
// refused: --task induction
// refused: --task nothing
// refused: --task induction --desiderata label
// refused: --circuit nowhere.json
// refused: --desiderata colour
// refused: --group nowhere
// refused: --train 0
// refused: --pair nowhere
// refused: --model base,base
// refused: --learning-rate nan

#include <filesystem>
#include <iomanip>

#include <engraft/engraft.hpp>

#include "backend.hpp"
#include "pair/pair.hpp"
#include "program.hpp"
#include "prompts.hpp"

namespace eg = engraft;

namespace {

struct settings {
    std::string folder = ENGRAFT_PAIR_FOLDER, circuit, state, masks;
    std::vector<std::string> models{"base", "tuned", "adapter"}, desiderata{"object", "label", "position"}, groups;
    std::size_t train = 1000, evaluate = 500, test = 500;
    example::task task{.boxes = {.seed = 20}};
    bool neurons = false;
    int threads = 0;
    eg::dcm_options dcm;
};

eg::loaded_model<pair_model, example::backend> load(settings const& s, std::string const& name) {
    auto const backend = example::backend_with(s.threads);
    return name == "adapter" ? eg::load<pair_model>(s.folder + "/base", eg::lora(s.folder + "/adapter"), backend)
                             : eg::load<pair_model>(s.folder + "/" + name, backend);
}

eg::circuit groups_of(settings const& s) {
    auto const all = eg::read_circuit(s.circuit.empty() ? s.folder + "/circuit.json" : s.circuit);
    if (s.groups.empty())
        return all;
    eg::circuit some;
    for (auto const& name : s.groups)
        some.groups.push_back(all[name]);
    return some;
}

/// On boxes, those asked for. On another task a corrupted prompt is to get the clean one's answer from its activations.
std::vector<eg::desideratum> desiderata_of(settings const& s, eg::tokenizer const& t) {
    std::vector<eg::desideratum> all;
    if (!s.task.is_boxes()) {
        auto const p = s.task.sample(t);
        // [answer]
        eg::desideratum answer{"answer", p.noise_tokens, p.tokens, p.answers, {}};
        for (std::size_t r = 0; r < p.roles.size(); ++r)
            answer.roles.push_back(p.noise_roles[r].from(p.roles[r]));
        // [/answer]
        return {answer};
    }
    // [sample]
    for (auto const& d : s.desiderata)
        all.push_back(eg::boxes::sample(t, eg::boxes::hypothesis_named(d), s.task.boxes_options()));
    // [/sample]
    return all;
}

std::string text_of(std::vector<eg::node> const& heads) {
    std::string text;
    for (auto const& n : heads)
        text += (text.empty() ? "" : " ") + std::to_string(n.layer) + "." + std::to_string(n.head);
    return text.empty() ? "none" : text;
}

void print(std::vector<eg::dcm_result> const& found, eg::circuit const& circuit) {
    std::cout << std::left << std::setw(22) << "group" << std::setw(22) << "desideratum" << std::right << std::setw(7)
              << "chosen" << std::setw(10) << "accuracy" << std::setw(8) << "group" << std::setw(8) << "clean"
              << "  heads\n";
    for (auto const& one : found)
        std::cout << std::left << std::setw(22) << one.group << std::setw(22) << one.desideratum << std::right
                  << std::setw(3) << one.chosen.size() << "/" << std::left << std::setw(3)
                  << circuit[one.group].heads.size() << std::right << std::fixed << std::setprecision(3)
                  << std::setw(10) << one.test_accuracy << std::setw(8) << one.group_accuracy << std::setw(8)
                  << one.clean_accuracy << "  " << text_of(one.chosen) << '\n';
    std::cout << std::endl;
}

example::json json_of(eg::dcm_result const& one) {
    example::json heads = example::json::array();
    for (auto const& n : one.chosen)
        heads.push_back({n.layer, n.head});
    return {{"group", one.group},
            {"role", one.role},
            {"desideratum", one.desideratum},
            {"heads", heads},
            {"weights_exchanged", one.exchanged},
            {"mask", one.mask},
            {"accuracy", one.accuracy},
            {"test_accuracy", one.test_accuracy},
            {"group_accuracy", one.group_accuracy},
            {"clean_accuracy", one.clean_accuracy}};
}

} // namespace

int main(int argc, char** argv) {
    example::options app("Finds the heads of each group that carry the object, the label or the position (DCM).",
                         "dcm");
    settings s;
    app.add("--pair", s.folder, "Folder with base/, tuned/, adapter/ and circuit.json").with_default();
    app.add("--model", s.models, "Models: base, tuned, or adapter (base with its LoRA adapter)")
        .delimiter(',')
        .with_default()
        .one_of({"base", "tuned", "adapter"})
        .each_once();
    app.add("--circuit", s.circuit, "The circuit, as write_circuit writes it; circuit.json of the pair if left out");
    app.add("--desiderata", s.desiderata, "Desiderata of the task boxes; docs/how_to/dcm.md lists them")
        .delimiter(',')
        .with_default()
        .each_once();
    app.add("--group", s.groups, "Groups of the circuit; all where none is given").delimiter(',').each_once();
    app.examples(s.train, "Examples to train on", "--train");
    app.examples(s.evaluate, "Examples that choose the best mask", "--evaluate");
    app.examples(s.test, "Examples of the accuracy that is reported", "--test");
    app.seed(s.task.boxes.seed, "Seed of the prompts");
    s.task.add_name_to(app, 3);
    app.add("--epochs", s.dcm.epochs, {1, 10000}, "Times that all examples are gone through").with_default();
    app.examples(s.dcm.batch, "Examples of a step", "--batch");
    app.add("--evaluate-every", s.dcm.evaluate_every, {1, 1000000}, "Steps between evaluations").with_default();
    app.add("--learning-rate", s.dcm.rule.learning_rate, {1e-9, 1e3}, "Of Adam").with_default();
    app.add("--sparsity", s.dcm.rule.sparsity, {0, 1e6}, "Lambda: what an exchanged head costs").with_default();
    app.add("--temperature", s.dcm.rule.temperature, {0, 1e6}, "Of sigmoid weights; 0: weights are clamped")
        .with_default();
    app.flag("--neurons", s.neurons, "A weight for each element of z in place of each head");
    app.add("--state", s.state, "Keep what is done in FILE.<model>, and go on from there");
    app.add("--masks", s.masks, "Write the masks to FILE.<model>, as the paper's authors released theirs");
    app.threads(s.threads);

    return example::run(app, argc, argv, [&] {
        example::stopwatch total;
        auto const circuit = groups_of(s);
        s.dcm.of = s.neurons ? eg::granularity::neuron : eg::granularity::head;
        if (s.dcm.rule.temperature > 0)
            s.dcm.rule.start = 0.9;
        s.task.boxes.examples = s.train + s.evaluate + s.test;
        if (!s.task.is_boxes() && s.desiderata != settings{}.desiderata)
            throw eg::bad_input("--desiderata are of the task boxes; leave them out with another --task");
        auto const steps = (s.train + s.dcm.batch - 1) / s.dcm.batch * s.dcm.epochs;
        example::progress bar(steps * s.models.size());
        if (!s.state.empty())
            example::keep("what is trained is kept in " + s.state + ".<model>; run the same command again to go on");
        else if (!s.masks.empty())
            example::keep("the masks of finished models are kept in " + s.masks + ".<model>, all else is lost");

        example::json numbers{{"seed", s.task.boxes.seed}};
        if (s.task.is_boxes())
            numbers["boxes"] = s.task.boxes.boxes;
        else
            numbers["task"] = s.task.name;
        numbers["train"] = s.train;
        numbers["evaluate"] = s.evaluate;
        numbers["test"] = s.test;
        numbers["models"] = example::json::object();
        for (auto const& name : s.models) {
            example::stopwatch watch;
            auto const model = load(s, name);
            auto options = s.dcm;
            options.progress = [&](double) { bar.step(name); };
            eg::dcm_state state;
            if (auto const file = s.state + "." + name; !s.state.empty()) {
                if (std::filesystem::exists(file))
                    state = eg::read_dcm_state(file);
                options.checkpoint = [file](eg::dcm_state const& now) { eg::write_dcm_state(file, now); };
            }
            // [train]
            std::vector<eg::desideratum> const desiderata = desiderata_of(s, model.tokenizer());
            auto const data = eg::dcm_data::split(desiderata, s.train, s.evaluate, s.test);
            auto const found = eg::dcm(model, circuit, data, options, state);
            // [/train]

            std::cout << "== " << name << ": " << s.train << " examples to train, " << s.evaluate << " to evaluate, "
                      << s.test << " to test, "
                      << (s.task.is_boxes() ? std::to_string(s.task.boxes.boxes) + " boxes" : s.task.name) << ", seed "
                      << s.task.boxes.seed << " ==\n";
            print(found, circuit);
            auto& of_model = numbers["models"][name];
            std::vector<eg::mask_record> records;
            for (auto const& one : found) {
                of_model["masks"].push_back(json_of(one));
                records.push_back({one.group, one.desideratum, one.mask, one.chosen, one.test_accuracy});
            }
            of_model["seconds"] = watch.seconds();
            if (!s.masks.empty())
                eg::write_masks(s.masks + "." + name, records);
        }
        numbers["seconds"] = total.seconds();
        std::cout << std::fixed << std::setprecision(1) << total.seconds() << " seconds\n";
        return numbers;
    });
}
