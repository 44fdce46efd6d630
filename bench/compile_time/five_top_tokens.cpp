// The five most probable next tokens of a prompt, with their probabilities.
// usage: five_top_tokens MODEL PROMPT
#include <iostream>

#include <engraft/engraft.hpp>
#include <engraft_models/smollm.hpp>
namespace eg = engraft;

int main(int count, char** arguments) try {
    if (count != 3)
        throw eg::error("usage: five_top_tokens MODEL PROMPT");
    auto const model = eg::load<smollm>(arguments[1]);
    auto const run = model.run(eg::batch::of(model.tokenizer().encode(arguments[2])));
    auto const logits = run.logits_at(-1);
    for (auto const token : logits.top(0, 5))
        std::cout << logits.probability({token})[0] << ' ' << model.tokenizer().decode({&token, 1}) << '\n';
} catch (eg::error const& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
