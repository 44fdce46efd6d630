// What each head does, by zero ablation, by patching, and as attribution estimates it with one gradient.
// usage: two_sweeps_and_attribution MODEL
#include <iostream>

#include <engraft/engraft.hpp>
#include <engraft_models/smollm.hpp>
namespace eg = engraft;

int main(int count, char** arguments) try {
    if (count != 2)
        throw eg::error("usage: two_sweeps_and_attribution MODEL");
    auto const model = eg::load<smollm>(arguments[1]);
    auto const pairs = eg::pairs_of("induction", model.tokenizer(), {.count = 8, .seed = 1});
    auto const end = pairs.role("end");
    auto const difference = eg::logit_difference(pairs.first_answers(), pairs.first_wrong());

    auto const clean = model.run(pairs.clean(), eg::capture_for_sweeps<smollm>());
    auto const corrupted = model.run(pairs.corrupted(), eg::capture(eg::z));
    auto const heads = eg::each_head<smollm>();
    auto const ablated =
        eg::sweep(model, clean, heads,
                  [&](eg::node head) { return eg::ablate(eg::z, eg::nodes({head}) & eg::at(end)); }, {difference});
    auto const patched = eg::sweep(
        model, clean, heads,
        [&](eg::node head) { return eg::patch(eg::z, eg::nodes({head}) & eg::at(end), corrupted); }, {difference});
    auto const estimated = eg::attribute(model, pairs.clean(), pairs.corrupted(), difference, eg::z).at_role(end);

    auto const change = [&](eg::sweep_result const& found, std::size_t head) {
        double sum = 0;
        for (std::size_t e = 0; e < pairs.pairs.size(); ++e)
            sum += found.at(0, head, e) - found.clean()[e];
        return sum;
    };
    std::cout << "head ablated patched estimated\n";
    for (std::size_t i = 0; i < heads.entries.size(); ++i)
        std::cout << heads.entries[i].layer << '.' << heads.entries[i].head << ' ' << change(ablated, i) << ' '
                  << change(patched, i) << ' ' << estimated[i] << '\n';
} catch (eg::error const& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
