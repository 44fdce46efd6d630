// Reads pairs of prompts from a JSONL file and prints for each how probable its answer is, and how probable it is when
// the stream below layer 15 comes from the corrupted prompt at the last token.
// usage: jsonl_reader MODEL FILE
#include <iostream>

#include <engraft/engraft.hpp>
#include <engraft_models/smollm.hpp>
namespace eg = engraft;

int main(int count, char** arguments) try {
    if (count != 3)
        throw eg::error("usage: jsonl_reader MODEL FILE");
    auto const model = eg::load<smollm>(arguments[1]);
    auto const pairs = eg::read_pairs(arguments[2], model.tokenizer());
    auto const corrupted = model.run(pairs.corrupted(), eg::capture(eg::resid_pre, eg::layer(15)));
    auto const clean = model.run(pairs.clean());
    auto const patched = model.run(pairs.clean(), eg::patch(eg::resid_pre, eg::layer(15) & eg::at(-1), corrupted));

    auto const before = clean.logits_at(-1).probability(pairs.first_answers());
    auto const after = patched.logits_at(-1).probability(pairs.first_answers());
    for (std::size_t i = 0; i < pairs.pairs.size(); ++i)
        std::cout << model.tokenizer().decode({&pairs.pairs[i].answers[0], 1}) << ' ' << before[i] << ' ' << after[i]
                  << '\n';
} catch (eg::error const& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
