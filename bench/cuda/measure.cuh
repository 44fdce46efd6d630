#pragma once

// Runs and sweeps on a GPU: seconds, TFLOP/s, and the share of the speed of a large plain matrix product measured
// beside them. Before a sweep is timed, some of its cases are compared with whole runs, which they equal to the bit.

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "random_on_device.cuh"

namespace bench {

namespace eg = engraft;

/// Seconds of work on the GPU, the least of some times.
template <class Backend, class Work>
double seconds_of(int times, Work const& work) {
    double least = 1e30;
    for (int i = 0; i < times; ++i) {
        Backend::wait();
        auto const begin = std::chrono::steady_clock::now();
        work();
        Backend::wait();
        least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    return least;
}

/// FLOP/s of cuBLASLt's product of 8192 x 8192 matrices, as linear maps call it.
template <class Backend>
double product_speed(Backend const& b) {
    constexpr int n = 8192;
    device_reader<Backend> numbers(b, 5);
    auto const map = numbers.linear({.weight = "w", .out = n, .in = n});
    auto const x = numbers.linear({.weight = "x", .out = n, .in = n}); // the input, as it is stored for a product
    eg::matrix_tensor<float, eg::cuda_memory> out(eg::extents<eg::dynamic, eg::dynamic>(n, n));
    if (map.product.plain()) {
        std::fprintf(stderr, "no algorithm of cuBLASLt passed the test, so there is no product to compare with\n");
        std::exit(1);
    }
    auto const once = [&] {
        b.launch().multiply(out.data(), x.weight.data(), n / eg::cuda_launch::panel_rows, as_matrix(map.weight),
                            map.product);
    };
    once();
    return 2.0 * n * n * n / seconds_of<Backend>(10, once);
}

/// The most that tensors have taken of the GPU's memory, in bytes.
inline double most_memory() {
    int device = 0;
    cudaMemPool_t pool{};
    unsigned long long most = 0;
    ENGRAFT_CUDA(cudaGetDevice(&device));
    ENGRAFT_CUDA(cudaDeviceGetDefaultMemPool(&pool, device));
    ENGRAFT_CUDA(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemHigh, &most));
    return static_cast<double>(most);
}

inline eg::batch random_prompts(std::uint64_t seed, int vocab, std::size_t count, std::size_t length) {
    eg::random r(seed);
    std::vector<std::vector<eg::token>> prompts(count);
    for (auto& p : prompts)
        for (std::size_t i = 0; i < length; ++i)
            p.push_back(static_cast<eg::token>(r.below(static_cast<std::uint64_t>(vocab))));
    return prompts;
}

template <eg::description D, class Backend>
class measurement {
public:
    measurement(std::size_t prompts, std::size_t length, double memory)
        : model_(weights_on_device<D, Backend>(1)), speed_(product_speed(model_.backend())), prompts_(prompts),
          length_(length), memory_(memory) {
        std::printf("%s in %s on %s, %zu prompts of %zu tokens; a product of 8192 x 8192 matrices: %.1f TFLOP/s\n",
                    std::string(std::string_view(D.name)).c_str(), name_of_numbers(), Backend::device().c_str(),
                    prompts, length, speed_ / 1e12);
        Backend::print_products(std::cout);
    }

    void all(std::vector<eg::node> const& receivers) const {
        auto const tokens = random_prompts(2, D.vocab, prompts_, length_),
                   others = random_prompts(3, D.vocab, prompts_, length_);
        std::vector<eg::token> const answers(prompts_, 123);
        auto const probability = [&](auto const& run) { return run.logits_at(-1).probability(answers); };

        auto const plain = seconds_of<Backend>(3, [&] { probability(model_.run(tokens)); });
        print("clean run", plain, flops_of_runs());
        gradient(tokens, others, answers);
        auto const clean = model_.run(tokens, eg::capture_for_sweeps<D>() | eg::capture(eg::q));
        auto const noise = model_.run(others, eg::capture(eg::z));
        auto const kept = seconds_of<Backend>(3, [&] { probability(model_.run(tokens, eg::capture(eg::z))); });
        std::printf("capture of z in all layers: %.4f times the clean run\n", kept / plain);

        auto const heads = eg::each_head<D>();
        eg::role const last{"last", std::vector<long>(prompts_, -1), {}};
        auto const patched = [&](eg::node n) { return eg::patch(eg::z, eg::nodes({n}).at(last), noise); };
        eg::sweep_options const options{.memory = memory_};
        sweep(
            "z of each head", heads.entries.size(),
            [&] { return eg::sweep(model_, clean, heads, patched, {eg::probability(answers)}, options); },
            [&](std::size_t i) { return probability(model_.run(tokens, patched(heads.entries[i]))); });

        auto const sender = [&](eg::node n) {
            auto const one = eg::nodes({n}).at(last);
            return eg::freeze(eg::z, eg::at(last) - one, clean) | eg::patch(eg::z, one, noise);
        };
        sweep(
            "paths from each head to q of the receivers", heads.entries.size(),
            [&] {
                return eg::sweep(model_, clean, heads, sender, eg::receivers(eg::q, receivers, last),
                                 {eg::probability(answers)}, options);
            },
            [&](std::size_t i) {
                auto const first = model_.run(tokens, sender(heads.entries[i]) | eg::capture(eg::q));
                return probability(model_.run(tokens, eg::patch(eg::q, eg::nodes(receivers).at(last), first)));
            });
        std::printf("most memory of tensors: %.2f GB\n", most_memory() / 1e9);
    }

private:
    static char const* name_of_numbers() {
        if constexpr (std::is_same_v<Backend, eg::cuda<eg::bf16>>)
            return "bf16";
        else if constexpr (std::is_same_v<Backend, eg::cuda<eg::tf32>>)
            return "tf32";
        else
            return "fp32";
    }

    void print(char const* what, double seconds, double flops) const {
        std::printf("%s: %.3f s, %.3f TFLOP, %.1f TFLOP/s, %.1f %% of the product's\n", what, seconds, flops / 1e12,
                    flops / seconds / 1e12, 100 * flops / seconds / speed_);
        std::fflush(stdout);
    }

    /// Of weights of the heads in the upper half of the layers; below them nothing is gone through.
    void gradient(eg::batch const& tokens, eg::batch const& others, std::vector<eg::token> const& answers) const {
        auto const source = model_.run(others, eg::capture(eg::z, eg::at(-1)));
        std::vector<eg::node> upper;
        for (int layer = D.layers / 2; layer < D.layers; ++layer)
            for (int head = 0; head < D.heads; ++head)
                upper.push_back({layer, head});
        auto const mask =
            eg::mask(eg::z, eg::nodes(upper) & eg::at(-1), std::vector<double>(upper.size(), 0.5), source);
        auto const slopes = [&] {
            return eg::gradient(model_, tokens, mask, eg::identity, eg::logit(answers)).template parameters<0>();
        };
        auto const found = slopes();
        bool moved = false;
        for (double const x : found)
            moved = moved || x != 0;
        if (!moved || slopes() != found) { // NaN differs, too
            std::fprintf(stderr, "gradients are 0, no numbers or not the same each time\n");
            std::exit(1);
        }
        auto const planned = eg::plan_gradient<eg::model<D, Backend>>(tokens.rows(), D.layers / 2);
        print("gradient of a mask of the upper half's heads", seconds_of<Backend>(3, slopes),
              planned.forward.total() + planned.again.total() + planned.back.total());
    }

    double flops_of_runs() const {
        auto const n = static_cast<double>(length_), d = static_cast<double>(D.d_model);
        double const wide = D.heads * D.d_head, narrow = D.kv_heads * D.d_head;
        double const of_row = 2 * d * (2 * wide + 2 * narrow + (eg::is_gated(D.mlp) ? 3.0 : 2.0) * D.d_mlp);
        double const attention = 4 * wide * n * (n + 1) / 2;
        return static_cast<double>(prompts_) * (D.layers * (n * of_row + attention) + 2 * d * D.vocab);
    }

    template <class Sweep, class ByRuns>
    void sweep(char const* what, std::size_t entries, Sweep const& run, ByRuns const& by_runs) const {
        eg::sweep_result found = run(); // once before, as it will be timed
        for (std::size_t const entry : {entries / 7, entries / 2}) {
            auto const expected = by_runs(entry);
            for (std::size_t e = 0; e < prompts_; ++e)
                if (expected[e] != found.of()[entry * prompts_ + e]) {
                    std::fprintf(stderr, "%s: entry %zu, example %zu: the sweep has %.9g, a whole run %.9g\n", what,
                                 entry, e, found.of()[entry * prompts_ + e], expected[e]);
                    std::exit(1);
                }
        }
        auto const seconds = seconds_of<Backend>(1, [&] { found = run(); });
        if (!(found.planned.flops == found.counted)) {
            std::fprintf(stderr, "%s: planned and counted FLOPs differ\n", what);
            std::exit(1);
        }
        print(what, seconds, found.counted.total());
        std::printf("    %zu cases in %zu chunks; planned memory %.2f GB; whole runs would take %.0f s\n",
                    found.planned.cases, found.planned.chunks, found.planned.memory / 1e9,
                    found.planned.naive_flops / speed_);
    }

    eg::model<D, Backend> model_;
    double speed_;
    std::size_t prompts_, length_;
    double memory_;
};

/// PROGRAM [PROMPTS [LENGTH [GIGABYTES]]]
template <eg::description D, class Backend>
int measure(int argc, char** argv, std::size_t prompts, std::size_t length,
            std::vector<eg::node> const& receivers) try {
    auto const number = [&](int i, double otherwise) { return argc > i ? std::strtod(argv[i], nullptr) : otherwise; };
    prompts = static_cast<std::size_t>(number(1, static_cast<double>(prompts)));
    length = static_cast<std::size_t>(number(2, static_cast<double>(length)));
    if (argc > 4 || prompts < 1 || length < 1) {
        std::fprintf(stderr, "usage: %s [PROMPTS [LENGTH [GIGABYTES]]]\n", argv[0]);
        return 2;
    }
    measurement<D, Backend>(prompts, length, number(3, 4) * 1e9).all(receivers);
    return 0;
} catch (eg::error const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
}

} // namespace bench
