// Continues a prompt by twenty tokens under a steering direction, which is the difference of two other prompts'
// streams, for several strengths. usage: steering_loop MODEL PROMPT TOWARDS AWAY_FROM
#include <iostream>

#include <engraft/engraft.hpp>
#include <engraft_models/smollm.hpp>
namespace eg = engraft;

int main(int count, char** arguments) try {
    if (count != 5)
        throw eg::error("usage: steering_loop MODEL PROMPT TOWARDS AWAY_FROM");
    auto const model = eg::load<smollm>(arguments[1]);
    auto const& words = model.tokenizer();
    auto const examples = eg::batch({words.encode(arguments[3]), words.encode(arguments[4])});
    auto const seen = model.run(examples, eg::capture(eg::resid_post, eg::layer(14) & eg::at(-1)));
    auto const towards = seen[eg::resid_post].slice(14, 0, -1), away = seen[eg::resid_post].slice(14, 1, -1);
    std::vector<double> direction;
    for (std::size_t i = 0; i < towards.size(); ++i)
        direction.push_back(towards[i] - away[i]);

    for (double const strength : {0.0, 0.5, 1.0, 2.0}) {
        auto tokens = words.encode(arguments[2]);
        auto const steered = eg::steer(eg::resid_post, eg::layer(14), direction, strength);
        for (int step = 0; step < 20; ++step)
            tokens.push_back(model.run(eg::batch::of(tokens), steered).logits_at(-1).top()[0]);
        std::cout << strength << ": " << words.decode(tokens) << '\n';
    }
} catch (eg::error const& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
