// A plain forward pass in SmolLM2-135M's shape (prompts of 53 tokens, last logits) beside its matrix products alone,
// which take the same weights and as many rows: seconds of both, the best of six in turns. A prompt's logits are
// compared with those that it has by itself, to the bit, before anything is told.
//
//     bench_forward [PROMPTS]   (25)

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "smollm2.hpp"

namespace eg = engraft;

namespace {

using cpu = eg::cpu<eg::fp32>;
constexpr auto const& D = smollm2;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::vector<float> last_logits(eg::model<D> const& model, eg::batch const& prompts) {
    return model.run(prompts).logits_at(-1).values().to_host();
}

} // namespace

int main(int argc, char** argv) try {
    std::size_t const count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 25;
    if (argc > 2 || count < 1) {
        std::fprintf(stderr, "usage: bench_forward [PROMPTS]\n");
        return 2;
    }
    eg::model<D> const model(eg::random_weights<D, cpu>(1));
    auto const prompts = random_prompts(2, count, 53), first = random_prompts(2, 1, 53);
    auto const together = last_logits(model, prompts), alone = last_logits(model, first);
    if (!std::equal(alone.begin(), alone.end(), together.begin())) {
        std::fprintf(stderr, "a prompt has other logits by itself\n");
        return 1;
    }

    auto const& b = model.backend();
    auto const& w = *model.shared_weights();
    auto const rows = prompts.rows().rows();
    using table = eg::matrix_tensor<float, eg::host_memory>;
    table in(table::extents_type(rows, D.d_mlp)), out(table::extents_type(rows, D.d_mlp));
    table logits(table::extents_type(count, D.vocab));
    std::fill_n(in.data(), in.size(), 0.5f);
    double flops = 0, forward = 1e30, products = 1e30;
    for (int i = 0; i < 6; ++i) {
        double const begin = now();
        last_logits(model, prompts);
        double const between = now();
        flops = 0;
        auto const multiply = [&](float* to, std::size_t of, cpu::linear_map const& map) {
            b.linear({to, of, map.out(), map.out()}, {in.data(), of, map.in(), map.in()}, map);
            flops += 2.0 * static_cast<double>(of) * static_cast<double>(map.out() * map.in());
        };
        for (auto const& block : w.blocks)
            for (auto const* map : {&block.q, &block.k, &block.v, &block.o, &block.gate, &block.up, &block.down})
                multiply(out.data(), rows, *map);
        multiply(logits.data(), count, w.unembedding);
        products = std::min(products, now() - between);
        forward = std::min(forward, between - begin);
    }
    std::printf("forward %.3f s, %.0f tokens/s; its products alone %.3f s, %.1f GFLOP/s; the pass has %.1f %% of their "
                "speed\n",
                forward, static_cast<double>(rows) / forward, products, flops / products / 1e9,
                100 * products / forward);
} catch (eg::error const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
}
