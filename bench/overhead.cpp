// What policies cost beside a forward pass without any, on the shipped pair: read the times as ratios within one run.
// Each variant's logits are compared with the plain ones before it is timed.

#include <benchmark/benchmark.h>

#include <engraft/engraft.hpp>

#include "../examples/pair/pair.hpp"

namespace eg = engraft;

namespace {

struct setting {
    eg::model<pair_model> model = eg::load<pair_model>(ENGRAFT_PAIR_FOLDER "/base");
    eg::boxes::prompts prompts = eg::boxes::sample(model.tokenizer(), {.examples = 49, .seed = 1});
    std::vector<float> plain = model.run(prompts.tokens).logits_at(-1).values().to_host();
};

setting const& shared() {
    static setting const s;
    return s;
}

template <class Policy>
void time_run(benchmark::State& state, Policy const& policy) {
    auto const& s = shared();
    if (s.model.run(s.prompts.tokens, policy).logits_at(-1).values().to_host() != s.plain) {
        state.SkipWithError("this policy must not change the logits, but does; its time means nothing");
        return;
    }
    for (auto _ : state)
        benchmark::DoNotOptimize(s.model.run(s.prompts.tokens, policy));
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(s.prompts.tokens.rows().rows()));
}

void none(benchmark::State& state) { time_run(state, eg::identity); }
void capture_z(benchmark::State& state) { time_run(state, eg::capture(eg::z)); }
void capture_block(benchmark::State& state) { time_run(state, eg::capture(eg::block_sites<pair_model>)); }
void patch_z_with_itself(benchmark::State& state) {
    auto const source = shared().model.run(shared().prompts.tokens, eg::capture(eg::z));
    time_run(state, eg::patch(eg::z, eg::everywhere, source));
}

BENCHMARK(none)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(capture_z)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(patch_z_with_itself)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(capture_block)->UseRealTime()->Unit(benchmark::kMillisecond);

} // namespace
