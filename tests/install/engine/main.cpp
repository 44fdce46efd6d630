// What the engine does without files: a model of random weights, an intervention, and a sweep whose entry is the same
// intervention.
#include <cstdio>
#include <vector>

#include <engraft/engine.hpp>
namespace eg = engraft;

inline constexpr eg::description small{.name = "small", .layers = 2, .d_model = 24, .heads = 3, .kv_heads = 3,
                                       .d_head = 8, .d_mlp = 20, .vocab = 30};

int main() {
    eg::model<small> const model(eg::random_weights<small, eg::cpu<eg::fp32>>(1));
    eg::batch const prompts({{1, 2, 3, 4}, {5, 6, 7}});
    std::vector<eg::token> const answers{8, 9};
    auto const without = [](eg::node head) { return eg::ablate(eg::z, eg::nodes({head})); };

    auto const clean = model.run(prompts, eg::capture_for_sweeps<small>());
    auto const heads = eg::sweep(model, clean, eg::each_head<small>(), without, {eg::probability(answers)});
    auto const one = model.run(prompts, without({1, 2})).logits_at(-1).probability(answers);
    double const swept = heads.of("probability")[5 * prompts.examples() + 1]; // layer 1, head 2, example 1
    std::printf("%.9g %.9g\n", one[1], swept);
    return !(one[1] > 0 && one[1] == swept);
}
