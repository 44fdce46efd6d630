// Indirect object identification: patches each head at the last token with its activation in the corrupted prompt, and
// prints the ten heads that change the logit difference most.
// usage: ioi_sweep MODEL
#include <algorithm>
#include <iostream>
#include <utility>

#include <engraft/engraft.hpp>
#include <engraft_models/smollm.hpp>
namespace eg = engraft;

int main(int count, char** arguments) try {
    if (count != 2)
        throw eg::error("usage: ioi_sweep MODEL");
    auto const model = eg::load<smollm>(arguments[1]);
    auto const pairs = eg::pairs_of("ioi", model.tokenizer(), {.count = 20, .seed = 1});
    auto const end = pairs.role("end");

    auto const clean = model.run(pairs.clean(), eg::capture_for_sweeps<smollm>());
    auto const corrupted = model.run(pairs.corrupted(), eg::capture(eg::z));
    auto const heads = eg::each_head<smollm>();
    auto const found =
        eg::sweep(model, clean, heads,
                  [&](eg::node head) { return eg::patch(eg::z, eg::nodes({head}) & eg::at(end), corrupted); },
                  {eg::logit_difference(pairs.first_answers(), pairs.first_wrong())});

    auto const changes = found.relative_change();
    std::vector<std::pair<double, eg::node>> ranked;
    for (std::size_t i = 0; i < changes.size(); ++i)
        ranked.emplace_back(changes[i], heads.entries[i]);
    std::ranges::sort(ranked, {}, [](auto const& r) { return -std::abs(r.first); });
    for (std::size_t i = 0; i < 10; ++i)
        std::cout << ranked[i].second.layer << '.' << ranked[i].second.head << ' ' << ranked[i].first << '\n';
} catch (eg::error const& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
