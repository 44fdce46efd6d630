// Which tokens of a prompt matter to the next one: the norm of the gradient of its log probability at each embedding.
// usage: gradient MODEL PROMPT
#include <cmath>
#include <iostream>

#include <engraft/engraft.hpp>
#include <engraft_models/smollm.hpp>
namespace eg = engraft;

int main(int count, char** arguments) try {
    if (count != 3)
        throw eg::error("usage: gradient MODEL PROMPT");
    auto const model = eg::load<smollm>(arguments[1]);
    auto const prompt = eg::batch::of(model.tokenizer().encode(arguments[2]));
    auto const next = model.run(prompt).logits_at(-1).top();

    auto const found =
        eg::gradient(model, prompt, eg::identity, eg::capture(eg::resid_pre, eg::layer(0)), eg::log_probability(next));
    for (std::size_t p = 0; p < prompt.rows().rows(); ++p) {
        double squares = 0;
        for (double const slope : found[eg::resid_pre].slice(0, 0, p))
            squares += slope * slope;
        std::cout << std::sqrt(squares) << ' ' << model.tokenizer().decode({&prompt.tokens()[p], 1}) << '\n';
    }
} catch (eg::error const& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
