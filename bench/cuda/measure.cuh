#pragma once

// Runs and sweeps on a GPU: seconds, TFLOP/s, the share of the speed of a large plain matrix product measured beside
// them, and the memory that was planned and used. Before a sweep's time is told, some of its cases are compared with
// whole runs, which they equal to the bit.

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../counting_launch.hpp"
#include "../paper_search.hpp"
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

static_assert(counting_launch::panel_rows == eg::cuda_launch::panel_rows &&
              counting_launch::panels_together == eg::cuda_launch::panels_together &&
              counting_launch::lines_together == eg::cuda_launch::lines_together);

/// FLOP/s of a product of two 8192 x 8192 matrices.
struct product_speed {
    double plain;     ///< one call of cuBLASLt, with the algorithm that it names first
    double in_panels; ///< as linear maps do it
};

template <class Numbers>
product_speed speed_of_products() {
    using backend = eg::cuda<Numbers>;
    using types = eg::detail::blas_types<Numbers>;
    constexpr int n = 8192;
    backend const b;
    auto& gpu = eg::detail::gpu::one();
    device_reader<backend> numbers(b, 5);
    auto const map = numbers.linear({.weight = "w", .out = n, .in = n});
    auto const x = numbers.linear({.weight = "x", .out = n, .in = n}); // the input, as it is stored for a product
    eg::matrix_tensor<float, eg::cuda_memory> out(eg::extents<eg::dynamic, eg::dynamic>(n, n));

    cublasLtMatmulDescOpaque_t operation{};
    cublasLtMatrixLayoutOpaque_t stored{}, summed{};
    cublasLtMatmulPreferenceOpaque_t wishes{};
    std::int32_t const transposed = CUBLAS_OP_T;
    auto const space = static_cast<std::uint64_t>(eg::detail::gpu::blas_space_bytes);
    ENGRAFT_CUDA(cublasLtMatmulDescInit(&operation, types::compute, CUDA_R_32F));
    ENGRAFT_CUDA(
        cublasLtMatmulDescSetAttribute(&operation, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof(transposed)));
    ENGRAFT_CUDA(cublasLtMatrixLayoutInit(&stored, types::storage, n, n, n));
    ENGRAFT_CUDA(cublasLtMatrixLayoutInit(&summed, CUDA_R_32F, n, n, n));
    ENGRAFT_CUDA(cublasLtMatmulPreferenceInit(&wishes));
    ENGRAFT_CUDA(
        cublasLtMatmulPreferenceSetAttribute(&wishes, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &space, sizeof(space)));
    cublasLtMatmulHeuristicResult_t first{};
    int count = 0;
    ENGRAFT_CUDA(cublasLtMatmulAlgoGetHeuristic(gpu.blas(), &operation, &stored, &stored, &summed, &summed, &wishes, 1,
                                                &first, &count));
    if (count == 0 || map.product.plain()) {
        std::fprintf(stderr, "cuBLASLt has no algorithm for a large product, or none that passed the test\n");
        std::exit(1);
    }
    auto const plain = [&] {
        float const one = 1, zero = 0;
        ENGRAFT_CUDA(cublasLtMatmul(gpu.blas(), &operation, &one, map.weight.data(), &stored, x.weight.data(), &stored,
                                    &zero, out.data(), &summed, out.data(), &summed, &first.algo, gpu.blas_space(),
                                    space, gpu.stream()));
    };
    auto const in_panels = [&] {
        constexpr auto rows = eg::cuda_launch::panel_rows * eg::cuda_launch::panels_together;
        static_assert(n % rows == 0);
        for (std::size_t r = 0; r < n; r += rows)
            b.launch().multiply(out.data() + r * n, x.weight.data() + r * n, eg::cuda_launch::panels_together,
                                as_matrix(map.weight), map.product);
    };
    plain(), in_panels(); // once before
    double const flops = 2.0 * n * n * n;
    return {flops / seconds_of<backend>(10, plain), flops / seconds_of<backend>(10, in_panels)};
}

/// The most that tensors have taken of the GPU's memory, in bytes, since `forget`.
struct most_memory {
    static double bytes() {
        std::uint64_t most = 0;
        ENGRAFT_CUDA(cudaMemPoolGetAttribute(pool(), cudaMemPoolAttrUsedMemHigh, &most));
        return static_cast<double>(most);
    }
    static void forget() {
        std::uint64_t none = 0; // nothing else can be set
        ENGRAFT_CUDA(cudaMemPoolSetAttribute(pool(), cudaMemPoolAttrUsedMemHigh, &none));
    }

private:
    static cudaMemPool_t pool() {
        int device = 0;
        cudaMemPool_t the{};
        ENGRAFT_CUDA(cudaGetDevice(&device));
        ENGRAFT_CUDA(cudaDeviceGetDefaultMemPool(&the, device));
        return the;
    }
};

inline eg::batch random_prompts(std::uint64_t seed, int vocab, std::size_t count, std::size_t length) {
    eg::random r(seed);
    std::vector<std::vector<eg::token>> prompts(count);
    for (auto& p : prompts)
        for (std::size_t i = 0; i < length; ++i)
            p.push_back(static_cast<eg::token>(r.below(static_cast<std::uint64_t>(vocab))));
    return prompts;
}

template <eg::description const& D, class Backend>
class measurement {
public:
    measurement(std::size_t prompts, std::size_t length, double memory)
        : model_(weights_on_device<D, Backend>(1)), speed_(speed_of_products<numbers>()), prompts_(prompts),
          length_(length), memory_(memory) {
        std::printf("%s in %s on %s, %zu prompts of %zu tokens; a product of 8192 x 8192 matrices: %.1f TFLOP/s, in "
                    "panels %.1f\n",
                    std::string(std::string_view(D.name)).c_str(), numbers::name, Backend::device().c_str(), prompts,
                    length, speed_.plain / 1e12, speed_.in_panels / 1e12);
        require_library();
    }

    void all(std::vector<search_sweep> const& search) const {
        auto const tokens = random_prompts(2, D.vocab, prompts_, length_),
                   others = random_prompts(3, D.vocab, prompts_, length_);
        std::vector<eg::token> const answers(prompts_, 123);
        auto const probability = [&](auto const& run) { return run.logits_at(-1).probability(answers); };

        auto const plain = seconds_of<Backend>(3, [&] { probability(model_.run(tokens)); });
        print("clean run", plain, flops_of_runs());
        auto const kept = seconds_of<Backend>(3, [&] { probability(model_.run(tokens, eg::capture(eg::z))); });
        std::printf("capture of z in all layers: %.4f times the clean run\n", kept / plain);
        gradient(tokens, others, answers);

        auto const clean = model_.run(tokens, eg::capture_for_sweeps<D>() | eg::capture(eg::q));
        auto const noise = model_.run(others, eg::capture(eg::z));
        double const of_runs = bytes_of_runs<D, numbers>(tokens);
        auto const heads = eg::each_head<D>();
        eg::role const last{"last", std::vector<long>(prompts_, -1), {}};
        auto const patched = [&](eg::node n) { return eg::patch(eg::z, eg::nodes({n}).at(last), noise); };
        eg::sweep_options const options{.memory = memory_};
        sweep(
            "z of each head", of_runs,
            [&] { return eg::sweep(model_, clean, heads, patched, {eg::probability(answers)}, options); },
            [&](std::size_t i) { return probability(model_.run(tokens, patched(heads.entries[i]))); });

        double seconds = 0;
        for (auto const& s : search)
            seconds += sweep(
                s.step.group.c_str(), of_runs,
                [&] { return eg::patch_step(model_, clean, noise, answers, s.step, s.readers, options); },
                [&](std::size_t i) {
                    return eg::detail::sweep_of_step<D>(
                        clean, noise, s.step, s.readers, [&](auto const& sender, auto const&... to) {
                            return probability(path(tokens, sender(heads.entries[i]), to...));
                        });
                });
        std::printf("the paper's four path patching sweeps: %.1f s\n", seconds);
    }

private:
    template <class Numbers>
    static Numbers numbers_of(eg::cuda<Numbers> const&);
    using numbers = decltype(numbers_of(std::declval<Backend>()));

    /// Path patching of one sender as whole runs.
    auto path(eg::batch const& tokens, auto const& sender) const { return model_.run(tokens, sender); }
    template <eg::site S, class Where>
    auto path(eg::batch const& tokens, auto const& sender, eg::receivers_of<S, Where> const& to) const {
        auto const first = model_.run(tokens, sender | eg::capture(S{}));
        return model_.run(tokens, eg::patch(S{}, to.where, first));
    }

    static void require_library() {
        Backend::print_products(std::cout);
        std::cout.flush();
        if (Backend::products_by_library())
            return;
        std::fprintf(stderr, "some products have no algorithm of cuBLASLt that passed the test, so that they would be "
                             "done by engraft's own kernel; its speed is no figure to give\n");
        std::exit(1);
    }

    void print(char const* what, double seconds, double flops) const {
        std::printf("%s: %.3f s, %.3f TFLOP, %.1f TFLOP/s, %.1f %% of the product's\n", what, seconds, flops / 1e12,
                    flops / seconds / 1e12, 100 * flops / seconds / speed_.plain);
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
        require_library(); // of products with weights as they lie, too
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

    /// Seconds. of_runs: bytes of weights and of what runs keep
    template <class Sweep, class ByRuns>
    double sweep(char const* what, double of_runs, Sweep const& run, ByRuns const& by_runs) const {
        most_memory::forget();
        std::optional<eg::sweep_result> result;
        auto const once = [&] { result = run(); };
        double seconds = seconds_of<Backend>(1, once);
        if (seconds < 10) // what takes longer is no slower the first time
            seconds = std::min(seconds, seconds_of<Backend>(2, once));
        auto const& found = *result;
        double const used = most_memory::bytes(), planned = of_runs + found.planned.memory;
        std::size_t const entries = found.of().size() / prompts_;
        for (std::size_t const entry : {entries / 7, entries / 2}) {
            auto const expected = by_runs(entry);
            for (std::size_t e = 0; e < prompts_; ++e)
                if (expected[e] != found.of()[entry * prompts_ + e]) {
                    std::fprintf(stderr, "%s: entry %zu, example %zu: the sweep has %.9g, a whole run %.9g\n", what,
                                 entry, e, found.of()[entry * prompts_ + e], expected[e]);
                    std::exit(1);
                }
        }
        if (!(found.planned.flops == found.counted)) {
            std::fprintf(stderr, "%s: planned and counted FLOPs differ\n", what);
            std::exit(1);
        }
        print(what, seconds, found.counted.total());
        std::printf("    %zu cases in %zu chunks; whole runs at the product's speed would take %.0f s\n",
                    found.planned.cases, found.planned.chunks, found.planned.naive_flops / speed_.plain);
        std::printf(
            "    memory: %.2f GB, %+.1f %% of what was planned; of these %.2f GB of tables for %.2f GB planned\n",
            used / 1e9, 100 * (used / planned - 1), (used - of_runs) / 1e9, found.planned.memory / 1e9);
        std::fflush(stdout);
        return seconds;
    }

    eg::model<D, Backend> model_;
    product_speed speed_;
    std::size_t prompts_, length_;
    double memory_;
};

/// PROGRAM [PROMPTS [GIGABYTES]]; search(prompts): path patching sweeps
template <eg::description const& D, class Backend, class Search>
int measure(int argc, char** argv, std::size_t prompts, double gigabytes, Search const& search) try {
    auto const number = [&](int i, double otherwise) { return argc > i ? std::strtod(argv[i], nullptr) : otherwise; };
    prompts = static_cast<std::size_t>(number(1, static_cast<double>(prompts)));
    double const memory = number(2, gigabytes) * 1e9;
    if (argc > 3 || prompts < 1 || memory <= 0) {
        std::fprintf(stderr, "usage: %s [PROMPTS [GIGABYTES]]\n", argv[0]);
        return 2;
    }
    measurement<D, Backend>(prompts, prompt_length, memory).all(search(prompts));
    return 0;
} catch (eg::error const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
}

} // namespace bench
