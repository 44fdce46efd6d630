// What the host does for the paper's search on a GPU, in Llama-7B's shape: the CUDA backend plans, makes lists, uploads
// and launches, and nothing is computed (counting_launch.hpp). A GPU waits for this where it is faster. The memory is
// what all tensors would take there.
//
//     bench_host_part [PROMPTS [GIGABYTES]]   (300 prompts of 54 tokens, 8 GB for a sweep's tables)

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "counting_launch.hpp"
#include "paper_search.hpp"

namespace eg = engraft;

int main(int argc, char** argv) try {
    auto const number = [&](int i, double otherwise) { return argc > i ? std::strtod(argv[i], nullptr) : otherwise; };
    auto const prompts = static_cast<std::size_t>(number(1, 300));
    double const memory = number(2, 8) * 1e9;
    if (argc > 3 || prompts < 1 || memory <= 0) {
        std::fprintf(stderr, "usage: %s [PROMPTS [GIGABYTES]]\n", argv[0]);
        return 2;
    }
    constexpr auto const& D = bench::llama_7b;
    using backend = bench::counting<eg::bf16>;
    eg::model<D, backend> const model(eg::empty_weights<D, backend>());
    eg::batch const tokens = std::vector(prompts, std::vector<eg::token>(bench::prompt_length, 1));
    auto const clean = model.run(tokens, eg::capture_for_sweeps<D>() | eg::capture(eg::q));
    auto const noise = model.run(tokens, eg::capture(eg::z));
    std::vector<eg::token> const answers(prompts, 123);
    std::printf("%zu prompts of %zu tokens; weights and what is kept of two runs: %.2f GB\n", prompts,
                bench::prompt_length, static_cast<double>(eg::no_memory::held()) / 1e9);
    double all_seconds = 0, all_flops = 0;
    bench::counting_launch::launches = bench::counted_memory::uploads = bench::counted_memory::uploaded_bytes = 0;
    for (auto const& s : bench::llama_search(prompts)) {
        eg::no_memory::forget_most();
        auto const held = static_cast<double>(eg::no_memory::held());
        auto const begin = std::chrono::steady_clock::now();
        auto const found = eg::patch_step(model, clean, noise, answers, s.step, s.readers, {.memory = memory});
        double const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        if (!(found.planned.flops == found.counted)) {
            std::fprintf(stderr, "%s: planned and counted FLOPs differ\n", s.step.group.c_str());
            return 1;
        }
        double const used = static_cast<double>(eg::no_memory::most_held()), planned = held + found.planned.memory;
        std::printf("%-21s %6.2f s for %7.1f TFLOP: %6zu of %zu cases live, %.3g rows in %zu chunks; at most %.2f GB, "
                    "%+.2f %% of what was planned, %.2f GB of them for %.2f GB of tables\n",
                    s.step.group.c_str(), seconds, found.counted.total() / 1e12, found.planned.live,
                    found.planned.cases, found.planned.rows, found.planned.chunks, used / 1e9,
                    100 * (used / planned - 1), (used - held) / 1e9, found.planned.memory / 1e9);
        std::fflush(stdout);
        all_seconds += seconds;
        all_flops += found.counted.total();
    }
    std::printf("all four: %.2f s for %.1f TFLOP; %zu launches, %zu uploads of %.2f GB together\n", all_seconds,
                all_flops / 1e12, bench::counting_launch::launches, bench::counted_memory::uploads,
                static_cast<double>(bench::counted_memory::uploaded_bytes) / 1e9);
    return 0;
} catch (eg::error const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
}
