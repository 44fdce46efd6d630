// How cost grows, in SmolLM2-135M's shape with weights from a seed: forward passes, sweeps and gradients by the length
// of prompts, their number, the number of cases and of layers. Each line has the seconds (best of three), what is
// computed per second, and the share of the time that its matrix products and its attention alone would take, each at
// the speed that it has by itself in this run. One case of each sweep is compared with its whole run, to the bit,
// before it is timed.
//
//     bench_growth [forward | layers | sweep | gradient]...   (all of them)

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "smollm2.hpp"

namespace eg = engraft;

namespace {

using cpu = eg::cpu<eg::fp32>;

template <int Layers>
constexpr eg::description deep = [] {
    auto d = smollm2;
    d.layers = Layers;
    return d;
}();

double best_of_three(std::function<void()> const& work) {
    double best = 1e30;
    for (int i = 0; i < 3; ++i) {
        auto const begin = std::chrono::steady_clock::now();
        work();
        best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    return best;
}

/// FLOP per second of the products of a block with so many rows.
template <eg::description const& D>
double products_alone(eg::model<D> const& model, std::size_t rows) {
    using table = eg::matrix_tensor<float, eg::host_memory>;
    auto const& block = model.shared_weights()->blocks[0];
    table in(table::extents_type(rows, D.d_mlp)), out(table::extents_type(rows, D.d_mlp));
    std::fill_n(in.data(), in.size(), 0.5f);
    double flops = 0;
    auto const seconds = best_of_three([&] {
        flops = 0;
        for (int again = 0; again < 8; ++again)
            for (auto const* map : {&block.q, &block.k, &block.v, &block.o, &block.gate, &block.up, &block.down}) {
                model.backend().linear({out.data(), rows, map->out(), map->out()},
                                       {in.data(), rows, map->in(), map->in()}, *map);
                flops += 2.0 * static_cast<double>(rows) * static_cast<double>(map->out() * map->in());
            }
    });
    return flops / seconds;
}

/// FLOP per second of attention over prompts of one length.
template <eg::description const& D>
double attention_alone(eg::model<D> const& model, std::size_t count, std::size_t length) {
    using table = eg::matrix_tensor<float, eg::host_memory>;
    auto const shape = eg::shape_of_attention<D>(0);
    eg::ragged const rows(std::vector<std::size_t>(count, length));
    auto const make = [&](std::size_t heads) {
        table t(table::extents_type(rows.rows(), heads * shape.width));
        for (std::size_t i = 0; i < t.size(); ++i)
            t.data()[i] = 0.01f * static_cast<float>(i % 97);
        return t;
    };
    auto const q = make(shape.heads), k = make(shape.kv_heads), v = make(shape.kv_heads);
    auto z = make(shape.heads);
    auto const seconds = best_of_three(
        [&] { model.backend().attention(as_matrix(z), as_matrix(q), as_matrix(k), as_matrix(v), shape, rows); });
    auto const n = static_cast<double>(length);
    return static_cast<double>(count * shape.heads * shape.width) * 2 * n * (n + 1) / seconds;
}

void tell(std::string const& what, double seconds, double flops, double alone) {
    std::printf("%-44s %9.3f s %7.1f GFLOP/s %5.0f %%\n", what.c_str(), seconds, flops / seconds / 1e9,
                100 * alone / seconds);
    std::fflush(stdout);
}

std::string by(std::size_t count, std::size_t length) { return std::to_string(count) + " x " + std::to_string(length); }

template <eg::description const& D>
eg::flop_count flops_of(eg::batch const& prompts) {
    eg::flop_count f;
    auto const n = [](auto x) { return static_cast<double>(x); };
    for (std::size_t e = 0; e < prompts.examples(); ++e) {
        double const t = n(prompts.rows().length(e));
        f.linear += 2 * n(D.layers) * t * n(D.d_model) *
                    (2 * n(D.heads * D.d_head) + 2 * n(D.kv_heads * D.d_head) + 3 * n(D.d_mlp));
        f.attention += 2 * n(D.layers) * n(D.heads * D.d_head) * t * (t + 1);
        f.readings += 2 * n(D.d_model) * n(D.vocab);
    }
    return f;
}

double alone(eg::flop_count const& f, double products, double attention) {
    return (f.linear + f.readings) / products + f.attention / attention;
}

template <eg::description const& D>
void forward(eg::model<D> const& model, std::string const& name, std::size_t count, std::size_t length) {
    auto const prompts = random_prompts(2, count, length);
    auto const flops = flops_of<D>(prompts);
    auto const seconds = best_of_three([&] { model.run(prompts).logits_at(-1).values(); });
    tell(name + ", " + by(count, length) + " tokens", seconds, flops.total(),
         alone(flops, products_alone(model, std::min<std::size_t>(count * length, 4096)),
               attention_alone(model, count, length)));
}

template <class Entry, class Policy>
void sweep(eg::model<smollm2> const& model, std::string const& name, std::size_t count, std::size_t length,
           eg::table<Entry> const& table, Policy const& policy_of) {
    auto const prompts = random_prompts(2, count, length), others = random_prompts(3, count, length);
    auto const clean = model.run(prompts, eg::capture_for_sweeps<smollm2>());
    auto const source = model.run(others, eg::capture(eg::z, eg::resid_pre));
    std::vector<eg::token> const answers(count, 11);
    auto const policy = [&](Entry const& entry) { return policy_of(entry, source); };
    auto const found = eg::sweep(model, clean, table, policy, {eg::logit(answers)});
    auto const entry = table.entries.size() / 2;
    auto const whole = model.run(prompts, policy(table.entries[entry])).logits_at(-1).of(answers);
    for (std::size_t e = 0; e < count; ++e)
        if (found.of()[entry * count + e] != whole[e])
            throw eg::bad_input({name, ": a case of the sweep is not its whole run"});
    auto const seconds = best_of_three([&] { eg::sweep(model, clean, table, policy, {eg::logit(answers)}); });
    tell(name + ", " + by(count, length) + " tokens", seconds, found.counted.total(),
         alone(found.counted, products_alone(model, 2048), attention_alone(model, 1, length)));
}

} // namespace

int main(int argc, char** argv) try {
    std::set<std::string> wanted(argv + 1, argv + argc);
    for (auto const& name : wanted)
        if (!std::set<std::string>{"forward", "layers", "sweep", "gradient"}.contains(name)) {
            std::fprintf(stderr, "usage: bench_growth [forward | layers | sweep | gradient]...\n");
            return 2;
        }
    auto const wants = [&](char const* name) { return wanted.empty() || wanted.contains(name); };
    eg::model<smollm2> const model(eg::random_weights<smollm2, cpu>(1));
    if (wants("forward")) {
        for (std::size_t const length : {16u, 64u, 256u, 1024u, 4096u})
            forward(model, "forward", 1, length);
        for (std::size_t const count : {4u, 16u, 64u})
            forward(model, "forward", count, 53);
    }
    if (wants("layers")) {
        forward(eg::model<deep<6>>(eg::random_weights<deep<6>, cpu>(1)), "forward, 6 layers", 25, 53);
        forward(eg::model<deep<15>>(eg::random_weights<deep<15>, cpu>(1)), "forward, 15 layers", 25, 53);
        forward(model, "forward, 30 layers", 25, 53);
    }
    if (wants("sweep")) {
        auto const heads = eg::each_head<smollm2>();
        auto const one_head = [](eg::node n, auto const& source) {
            return eg::patch(eg::z, eg::nodes({n}) & eg::at(-1), source);
        };
        for (std::size_t const count : {2u, 8u, 25u})
            sweep(model, "z of 270 heads at the last token", count, 53, heads, one_head);
        for (std::size_t const length : {256u, 1024u})
            sweep(model, "z of 270 heads at the last token", 4, length, heads, one_head);
        auto const stream = [](eg::layer_position at, auto const& source) {
            return eg::patch(eg::resid_pre, eg::layer(at.layer) & eg::at(-1 - 16 * long(at.position)), source);
        };
        std::vector<eg::layer_position> places;
        for (std::size_t p = 0; p < 64; ++p)
            places.push_back({15, p});
        sweep(model, "resid_pre of layer 15 at 64 positions", 1, 1024,
              eg::table<eg::layer_position>{{{"position", places.size()}}, places}, stream);
    }
    if (wants("gradient"))
        for (std::size_t const length : {64u, 256u, 1024u}) {
            auto const prompts = random_prompts(2, 1, length);
            auto const run = best_of_three([&] { model.run(prompts).logits_at(-1).values(); });
            auto const both = best_of_three([&] {
                eg::gradient(model, prompts, eg::identity, eg::capture(eg::resid_pre, eg::layer(0) & eg::at(-1)),
                             eg::logit({11}));
            });
            std::printf("%-44s %9.3f s %7.2f times its forward pass\n",
                        ("gradient, " + by(1, length) + " tokens").c_str(), both, both / run);
            std::fflush(stdout);
        }
} catch (eg::error const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
