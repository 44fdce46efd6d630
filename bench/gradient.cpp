// What a gradient costs beside the forward pass that it goes back through, in SmolLM2's shape. `gradient` is that
// forward pass, which keeps the stream between blocks, and the way back, which computes each block again; so the way
// back alone costs one less than the ratio printed. Of a step against the gradient the metric's change is compared with
// what the gradient says of it, before anything is timed.
//
//     bench_gradient --benchmark_repetitions=9 --benchmark_enable_random_interleaving=true

#include <cmath>

#include <benchmark/benchmark.h>

#include "ratios.hpp"
#include "smollm2.hpp"

namespace eg = engraft;

namespace {

using backend = eg::cpu<eg::fp32>;

struct setting {
    eg::model<smollm2> model{eg::random_weights<smollm2, backend>(1)};
    eg::batch prompts = random_prompts(2, 8, 53);
    std::vector<eg::token> answers = std::vector<eg::token>(8, 11), others = std::vector<eg::token>(8, 12);
    eg::metric metric = eg::logit_difference(answers, others);
    bool right = check();

    std::vector<double> differences(std::vector<double> const& direction, double step) const {
        auto const rows =
            model.run(prompts, eg::steer(eg::resid_pre, eg::layer(0) & eg::at(-1), direction, step)).logits_at(-1);
        auto found = rows.of(answers);
        auto const less = rows.of(others);
        for (std::size_t e = 0; e < found.size(); ++e)
            found[e] -= less[e];
        return found;
    }

    bool check() const {
        auto const found = eg::gradient(model, prompts, eg::identity, eg::capture(eg::resid_pre), metric);
        for (std::size_t e : {0u, 7u}) {
            auto const slope = found[eg::resid_pre].slice(0, e, -1);
            std::vector<double> const direction(slope.begin(), slope.end());
            double squares = 0;
            for (double x : direction)
                squares += x * x;
            double const step = 1e-3 / std::sqrt(squares);
            double const change = (differences(direction, step)[e] - differences(direction, -step)[e]) / (2 * step);
            if (!(std::abs(change - squares) < 0.02 * squares))
                return false;
        }
        return true;
    }
};

setting const& shared() {
    static setting const s;
    return s;
}

template <class Work>
void time_work(benchmark::State& state, Work const& work) {
    if (!shared().right) {
        state.SkipWithError("a step along the gradient does not change the metric as it says; the time means nothing");
        return;
    }
    for (auto _ : state)
        benchmark::DoNotOptimize(work());
}

void forward(benchmark::State& state) {
    time_work(state, [] { return shared().model.run(shared().prompts).logits_at(-1).of(shared().answers); });
}
void gradient(benchmark::State& state) {
    time_work(state, [] {
        return eg::gradient(shared().model, shared().prompts, eg::identity, eg::capture(eg::resid_pre, eg::layer(0)),
                            shared().metric);
    });
}
void gradient_of_every_z(benchmark::State& state) {
    time_work(state, [] {
        return eg::gradient(shared().model, shared().prompts, eg::identity, eg::capture(eg::z), shared().metric);
    });
}

BENCHMARK(forward)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(gradient)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(gradient_of_every_z)->UseRealTime()->Unit(benchmark::kMillisecond);

} // namespace

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 2;
    ratio_reporter reporter({{"gradient", "forward"}, {"gradient_of_every_z", "forward"}});
    benchmark::RunSpecifiedBenchmarks(&reporter);
    benchmark::Shutdown();
}
