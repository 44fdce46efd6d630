// test: --json first_program.json

// [program]
// Puts the value fetchers of the tuned model into the base model, and counts right answers before and after.
#include <engraft/engraft.hpp>

#include "pair/pair.hpp"
#include "program.hpp"

namespace eg = engraft;

int main(int argc, char** argv) {
    CLI::App app("Puts one group of heads of the tuned model into the base model.", "first_program");
    std::string folder = ENGRAFT_PAIR_FOLDER;
    app.add_option("--pair", folder, "Folder with base/, tuned/ and circuit.json")->capture_default_str();
    return example::run(app, argc, argv, [&] {
        auto const base = eg::load<pair_model>(folder + "/base");
        auto const tuned = eg::load<pair_model>(folder + "/tuned");
        auto const prompts = eg::boxes::sample(base.tokenizer(), {.examples = 300, .seed = 10});
        auto const last = prompts.role<eg::last>();

        auto const source = tuned.run(prompts.tokens, eg::capture(eg::z));
        auto const where = eg::read_circuit(folder + "/circuit.json")["value_fetcher"].at(last);
        auto const before = base.run(prompts.tokens);
        auto const after = base.run(prompts.tokens, eg::swap(eg::z, where, source));

        nlohmann::ordered_json numbers{{"before", eg::accuracy(before.logits_at(last), prompts.answers)},
                                       {"after", eg::accuracy(after.logits_at(last), prompts.answers)}};
        std::cout << "accuracy of base: " << numbers["before"] << ", with the tuned model's value fetchers: "
                  << numbers["after"] << '\n';
        return numbers;
    });
}
// [/program]
