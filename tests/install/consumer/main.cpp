// [program]
// Puts the value fetchers of a tuned model into its base model, and counts right answers before and after.
#include <iostream>

#include <engraft/engraft.hpp>
namespace eg = engraft;

inline constexpr eg::description pair{.name = "pair", .layers = 6, .d_model = 128, .heads = 8, .kv_heads = 8,
                                      .d_head = 16, .d_mlp = 192, .vocab = 755};

int main(int, char** arguments) try {
    std::string const folder = arguments[1]; // examples/pair
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
// [/program]
