// README.md's program, with the description that engraft_describe makes of the pair: puts the value fetchers of a tuned
// model into its base model, and counts right answers before and after.
// usage: value_fetchers FOLDER (examples/pair)
#include <iostream>

#include <engraft/engraft.hpp>
#include <engraft_models/pair.hpp>
namespace eg = engraft;

int main(int count, char** arguments) try {
    if (count != 2)
        throw eg::error("usage: value_fetchers FOLDER");
    std::string const folder = arguments[1];
    auto const base = eg::load<pair>(folder + "/base"), tuned = eg::load<pair>(folder + "/tuned");
    auto const prompts = eg::boxes::sample(base.tokenizer(), {.examples = 300, .seed = 10});
    auto const last = prompts.role<eg::last>();
    auto const where = eg::read_circuit(folder + "/circuit.json")["value_fetcher"].at(last);

    auto const source = tuned.run(prompts.tokens, eg::capture(eg::z));
    auto const before = base.run(prompts.tokens);
    auto const after = base.run(prompts.tokens, eg::swap(eg::z, where, source));
    std::cout << "accuracy of base: " << eg::accuracy(before.logits_at(last), prompts.answers)
              << ", with the tuned model's value fetchers: " << eg::accuracy(after.logits_at(last), prompts.answers)
              << '\n';
} catch (eg::error const& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
