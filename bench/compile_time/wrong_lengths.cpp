// Patches one prompt with another. If the two have different numbers of tokens, a whole layer can't be patched; the
// program says so and patches the last token alone.
// usage: wrong_lengths MODEL CLEAN CORRUPTED
#include <iostream>

#include <engraft/engraft.hpp>
#include <engraft_models/smollm.hpp>
namespace eg = engraft;

int main(int count, char** arguments) try {
    if (count != 4)
        throw eg::error("usage: wrong_lengths MODEL CLEAN CORRUPTED");
    auto const model = eg::load<smollm>(arguments[1]);
    auto const clean = eg::batch::of(model.tokenizer().encode(arguments[2]));
    auto const corrupted = eg::batch::of(model.tokenizer().encode(arguments[3]));
    auto const source = model.run(corrupted, eg::capture(eg::resid_pre, eg::layer(15)));
    auto const tell = [&](auto const& run) {
        auto const next = run.logits_at(-1).top();
        std::cout << model.tokenizer().decode(next) << '\n';
    };
    try {
        tell(model.run(clean, eg::patch(eg::resid_pre, eg::layer(15), source)));
    } catch (eg::bad_input const& e) {
        std::cout << e.what() << "\nThe last token alone:\n";
        tell(model.run(clean, eg::patch(eg::resid_pre, eg::layer(15) & eg::at(-1), source)));
    }
} catch (eg::error const& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
