// What policies cost beside a forward pass without any, and what that costs beside one written out by hand over the
// same backend. Read the ratios: each is of the shortest of several interleaved runs. Every variant's logits are
// compared with the plain ones, to the bit, before it is timed.
//
//     bench_overhead --benchmark_repetitions=9 --benchmark_enable_random_interleaving=true

#include <benchmark/benchmark.h>

#include "ratios.hpp"
#include "smollm2.hpp"

namespace eg = engraft;

namespace {

using backend = eg::cpu<eg::fp32>;

struct setting {
    eg::model<smollm2> model{eg::random_weights<smollm2, backend>(1)};
    eg::batch prompts = random_prompts(2, 8, 53);
    std::vector<float> plain = model.run(prompts).logits_at(-1).values().to_host();
};

setting const& shared() {
    static setting const s;
    return s;
}

/// The forward pass of this one architecture and the logits of each example's last row, without a hook anywhere.
std::vector<float> by_hand(eg::model<smollm2> const& model, eg::batch const& prompts) {
    constexpr auto const& D = smollm2;
    using table = eg::matrix_tensor<float, eg::host_memory>;
    auto const& b = model.backend();
    auto const& w = *model.shared_weights();
    auto const& rows = prompts.rows();
    auto const make = [&](std::size_t n, int columns) {
        return table(eg::extents<eg::dynamic, eg::dynamic>(n, columns));
    };
    auto const list = [](auto const& items) {
        using T = typename std::remove_cvref_t<decltype(items)>::value_type;
        return eg::vector_tensor<T, eg::host_memory>::from_host(items, eg::extents<eg::dynamic>(items.size()));
    };
    auto const n = rows.rows();
    auto stream = make(n, D.d_model), normalized = make(n, D.d_model), out = make(n, D.d_model);
    auto queries = make(n, D.heads * D.d_head), mixed = make(n, D.heads * D.d_head);
    auto keys = make(n, D.kv_heads * D.d_head), values = make(n, D.kv_heads * D.d_head);
    auto gate = make(n, D.d_mlp), up = make(n, D.d_mlp);
    auto const in = [](table const& t) { return as_matrix(t); };

    std::vector<std::uint32_t> at;
    std::vector<std::int32_t> last;
    for (std::size_t e = 0; e < rows.examples(); ++e) {
        for (std::size_t p = 0; p < rows.length(e); ++p)
            at.push_back(static_cast<std::uint32_t>(p));
        last.push_back(static_cast<std::int32_t>(rows.begin(e) + rows.length(e) - 1));
    }
    auto const positions = list(at);
    auto const angles = eg::detail::rotary_angles<D, backend>(rows.longest());
    w.embed(b, as_matrix(stream), list(prompts.tokens()));
    for (int l = 0; l < D.layers; ++l) {
        auto const& block = w.blocks[static_cast<std::size_t>(l)];
        b.rms_norm(as_matrix(normalized), in(stream), block.norm1.gain, D.norm_eps);
        b.linear(as_matrix(queries), in(normalized), block.q);
        b.linear(as_matrix(keys), in(normalized), block.k);
        b.linear(as_matrix(values), in(normalized), block.v);
        b.rotate(as_matrix(queries), D.heads, in(angles), positions);
        b.rotate(as_matrix(keys), D.kv_heads, in(angles), positions);
        b.attention(as_matrix(mixed), in(queries), in(keys), in(values), eg::shape_of_attention<D>(l), rows);
        b.linear(as_matrix(out), in(mixed), block.o);
        b.add(as_matrix(stream), in(out));
        b.rms_norm(as_matrix(normalized), in(stream), block.norm2.gain, D.norm_eps);
        b.linear(as_matrix(gate), in(normalized), block.gate);
        b.linear(as_matrix(up), in(normalized), block.up);
        b.gated(as_matrix(up), in(gate), D.mlp);
        b.linear(as_matrix(out), in(up), block.down);
        b.add(as_matrix(stream), in(out));
    }
    auto chosen = make(last.size(), D.d_model), logits = make(last.size(), D.vocab);
    b.rms_norm(as_matrix(normalized), in(stream), w.final_norm.gain, D.norm_eps);
    b.gather_rows(as_matrix(chosen), in(normalized), list(last));
    b.linear(as_matrix(logits), in(chosen), w.unembedding);
    return logits.to_host();
}

template <class Run>
void time_run(benchmark::State& state, Run const& run) {
    if (run() != shared().plain) {
        state.SkipWithError("these logits must be the plain run's to the bit, but are not; the time means nothing");
        return;
    }
    for (auto _ : state)
        benchmark::DoNotOptimize(run());
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(shared().prompts.rows().rows()));
}

template <class Policy>
void time_policy(benchmark::State& state, Policy const& policy) {
    time_run(state, [&] { return shared().model.run(shared().prompts, policy).logits_at(-1).values().to_host(); });
}

void written_by_hand(benchmark::State& state) {
    time_run(state, [] { return by_hand(shared().model, shared().prompts); });
}
void no_policy(benchmark::State& state) {
    time_run(state, [] { return shared().model.run(shared().prompts).logits_at(-1).values().to_host(); });
}
void identity(benchmark::State& state) { time_policy(state, eg::identity | eg::identity | eg::identity); }
void capture_z(benchmark::State& state) { time_policy(state, eg::capture(eg::z)); }
void capture_block(benchmark::State& state) { time_policy(state, eg::capture(eg::block_sites<smollm2>)); }
void patch_z_with_itself(benchmark::State& state) {
    static auto const source = shared().model.run(shared().prompts, eg::capture(eg::z));
    time_policy(state, eg::patch(eg::z, eg::everywhere, source));
}

BENCHMARK(written_by_hand)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(no_policy)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(identity)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(capture_z)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(patch_z_with_itself)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(capture_block)->UseRealTime()->Unit(benchmark::kMillisecond);

} // namespace

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 2;
    ratio_reporter reporter({{"no_policy", "written_by_hand"},
                             {"identity", "no_policy"},
                             {"capture_z", "no_policy"},
                             {"patch_z_with_itself", "no_policy"},
                             {"capture_block", "no_policy"}});
    benchmark::RunSpecifiedBenchmarks(&reporter);
    benchmark::Shutdown();
}
