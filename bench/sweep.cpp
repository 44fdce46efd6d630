// Sweeps beside whole forward passes, in SmolLM2-135M's shape: seconds, the share of the speed of its matrix products
// alone (which take as many rows and the same weights, in the same order; both the best of two, in turns), how much
// faster than one forward pass per case (last logits only, all examples in one batch; a few entries are run and the
// time is scaled to all), and the memory that was planned and was used (on Linux). Before anything is told, some cases
// are compared with their forward pass, which they equal to the bit.
//
//     bench_sweep [NAME [PROMPTS]]   (one sweep only; 50 prompts, 8 for layers and positions)
//     bench_sweep plan               (FLOPs and memory of all, without computing them)

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "smollm2.hpp"

namespace eg = engraft;

namespace {

using cpu = eg::cpu<eg::fp32>;
constexpr auto const& D = smollm2;

struct product {
    std::size_t rows;
    cpu::linear_map const* map;
};

/// The cpu backend, which writes down what it multiplies while somebody gives it a list for that.
struct listing_cpu : cpu {
    inline static std::vector<product>* list = nullptr;
    using cpu::cpu;

    void linear(out_matrix out, in_matrix in, linear_map const& map) const {
        if (list)
            list->push_back({in.rows, &map});
        cpu::linear(out, in, map);
    }
};
using model = eg::model<D, listing_cpu>;

double seconds_of(std::function<void()> const& work) {
    auto const begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// What a sweep multiplies, without the sweep.
class products_alone {
public:
    explicit products_alone(std::vector<product> list) : list_(std::move(list)) {
        std::size_t in = 0, out = 0;
        for (auto const& p : list_) {
            in = std::max(in, p.rows * p.map->in()), out = std::max(out, p.rows * p.map->out());
            flops_ += 2.0 * static_cast<double>(p.rows) * static_cast<double>(p.map->in() * p.map->out());
        }
        in_.assign(in, 0.5f);
        out_.assign(out, 0);
    }
    double flops() const { return flops_; }
    double seconds(cpu const& b) {
        return seconds_of([&] {
            for (auto const& [rows, map] : list_)
                b.linear({out_.data(), rows, map->out(), map->out()}, {in_.data(), rows, map->in(), map->in()}, *map);
        });
    }

private:
    std::vector<product> list_;
    std::vector<float> in_, out_;
    double flops_ = 0;
};

/// The largest memory that the program has had since `forget`, in bytes; 0 where the system does not tell.
struct peak {
    static double bytes(std::string const& field) {
        std::ifstream status("/proc/self/status");
        for (std::string name, rest; status >> name; std::getline(status, rest))
            if (double kilobytes; name == field && status >> kilobytes)
                return 1024 * kilobytes;
        return 0;
    }
    static double forget() {
#if defined(__GLIBC__)
        ::malloc_trim(0); // what was freed before would be used again and not be counted
#endif
        std::ofstream("/proc/self/clear_refs") << 5;
        return bytes("VmHWM:");
    }
};

struct line {
    ::model const& model;
    bool only_plan;

    /// with(f): f(arguments of the sweep...); `by_runs(entry)`: the metric of each example by whole forward passes.
    template <class With, class ByRuns>
    void operator()(char const* name, std::size_t entries, With const& with, ByRuns const& by_runs) const {
        eg::sweep_options const options{.memory = 1e9};
        if (only_plan) {
            auto const plan = with([&](auto const&... arguments) { return eg::plan_sweep(arguments..., options); });
            std::printf("%-22s %8.3f TFLOP (whole runs %.1f), %.0f MB in %zu chunks\n", name, plan.flops.total() / 1e12,
                        plan.naive_flops / 1e12, plan.memory / 1e6, plan.chunks);
            return;
        }
        auto const sweep = [&] {
            return with([&](auto const&... arguments) { return eg::sweep(arguments..., options); });
        };
        double const before = peak::forget();
        std::vector<product> list;
        listing_cpu::list = &list;
        eg::sweep_result found = sweep(); // once before, as whole runs are run once before
        listing_cpu::list = nullptr;
        double const used = peak::bytes("VmHWM:") - before;
        products_alone products(std::move(list));
        double seconds = 1e30, possible = 1e30;
        for (int i = 0; i < 2; ++i) {
            possible = std::min(possible, products.seconds(model.backend()));
            seconds = std::min(seconds, seconds_of([&] { found = sweep(); }));
        }
        std::size_t const examples = found.of().size() / entries;
        std::size_t const tried[] = {entries / 7, entries / 2};
        double whole = 0;
        for (auto const entry : tried) {
            std::vector<double> expected;
            whole += seconds_of([&] { expected = by_runs(entry); });
            for (std::size_t e = 0; e < examples; ++e)
                if (expected[e] != found.of()[entry * examples + e]) {
                    std::fprintf(stderr, "%s: entry %zu, example %zu: the sweep has %.9g, a whole run %.9g\n", name,
                                 entry, e, found.of()[entry * examples + e], expected[e]);
                    std::exit(1);
                }
        }
        if (!(found.planned.flops == found.counted)) {
            std::fprintf(stderr, "%s: planned and counted FLOPs differ\n", name);
            std::exit(1);
        }
        double const naive = whole / 2 * static_cast<double>(entries);
        double const flops = found.counted.total(), speed = flops / seconds,
                     product_speed = products.flops() / possible;
        std::printf(
            "%-16s %7.3f TFLOP %7.2f s %6.1f GFLOP/s, %5.1f %% of its products' %6.1f; %5.1f x faster than whole "
            "runs (FLOPs: %.1f x); %.0f MB planned, %.0f used\n",
            name, flops / 1e12, seconds, speed / 1e9, 100 * speed / product_speed, product_speed / 1e9, naive / seconds,
            found.planned.naive_flops / flops, found.planned.memory / 1e6, used / 1e6);
        std::fflush(stdout);
    }
};

} // namespace

int main(int argc, char** argv) try {
    std::string const only = argc > 1 ? argv[1] : "";
    std::size_t const prompts = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 50;
    std::size_t const few = argc > 2 ? prompts : 8;
    std::string const names[] = {"", "plan", "z", "paths_to_logits", "paths_to_q", "paths_to_v", "resid_pre"};
    if (argc > 3 || prompts < 1 || std::ranges::find(names, only) == std::end(names)) {
        std::fprintf(stderr, "usage: bench_sweep [plan|z|paths_to_logits|paths_to_q|paths_to_v|resid_pre [PROMPTS]]\n");
        return 2;
    }

    constexpr std::size_t length = 53;
    ::model const model(eg::random_weights<D, listing_cpu>(1));
    bool const only_plan = only == "plan";
    line const report{model, only_plan};
    auto const wanted = [&](char const* name) { return only.empty() || only_plan || only == name; };
    auto const answers = [](std::size_t n) { return std::vector<eg::token>(n, 123); };
    auto const metrics = [&](std::size_t n) { return std::vector<eg::metric>{eg::probability(answers(n))}; };
    std::vector<eg::node> const receivers{{12, 3}, {14, 5}, {15, 1}, {17, 7}, {18, 2},
                                          {20, 0}, {21, 4}, {22, 8}, {24, 6}, {26, 2}};
    auto const probability = [&](auto const& run, std::size_t n) { return run.logits_at(-1).probability(answers(n)); };

    {
        auto const tokens = random_prompts(2, prompts, length), others = random_prompts(3, prompts, length);
        auto const clean = model.run(tokens, eg::capture_for_sweeps<D>() | eg::capture(eg::q));
        auto const noise = model.run(others, eg::capture(eg::z));
        auto const heads = eg::each_head<D>();
        auto const at = [&](long p) {
            return eg::role{"place", std::vector<long>(prompts, static_cast<long>(length) + p), {}};
        };
        auto const patched = [&](eg::node n) { return eg::patch(eg::z, eg::nodes({n}) & eg::at(-1), noise); };
        if (wanted("z"))
            report(
                "z", heads.entries.size(),
                [&](auto const& f) { return f(model, clean, heads, patched, metrics(prompts)); },
                [&](std::size_t i) { return probability(model.run(tokens, patched(heads.entries[i])), prompts); });

        auto const sender = [&](long p) {
            return [&, p](eg::node n) {
                auto const one = eg::nodes({n}) & eg::at(p);
                return eg::freeze(eg::z, eg::positions(p) - one, clean) | eg::patch(eg::z, one, noise);
            };
        };
        if (wanted("paths_to_logits"))
            report(
                "paths_to_logits", heads.entries.size(),
                [&](auto const& f) { return f(model, clean, heads, sender(-1), metrics(prompts)); },
                [&](std::size_t i) { return probability(model.run(tokens, sender(-1)(heads.entries[i])), prompts); });
        if (wanted("paths_to_q"))
            report(
                "paths_to_q", heads.entries.size(),
                [&](auto const& f) {
                    return f(model, clean, heads, sender(-1), eg::receivers(eg::q, receivers, at(-1)),
                             metrics(prompts));
                },
                [&](std::size_t i) {
                    auto const first = model.run(tokens, sender(-1)(heads.entries[i]) | eg::capture(eg::q));
                    return probability(model.run(tokens, eg::patch(eg::q, eg::nodes(receivers).at(at(-1)), first)),
                                       prompts);
                });
        std::vector<eg::node> values;
        for (auto const& n : receivers)
            values.push_back({n.layer, n.head / (D.heads / D.kv_heads)});
        if (wanted("paths_to_v"))
            report(
                "paths_to_v", heads.entries.size(),
                [&](auto const& f) {
                    return f(model, clean, heads, sender(-3), eg::receivers(eg::v, values, at(-3)), metrics(prompts));
                },
                [&](std::size_t i) {
                    auto const first = model.run(tokens, sender(-3)(heads.entries[i]) | eg::capture(eg::v));
                    return probability(model.run(tokens, eg::patch(eg::v, eg::kv_nodes(values).at(at(-3)), first)),
                                       prompts);
                });
    }
    if (wanted("resid_pre")) {
        auto const tokens = random_prompts(2, few, length), others = random_prompts(3, few, length);
        auto const clean = model.run(tokens, eg::capture_for_sweeps<D>());
        auto const noise = model.run(others, eg::capture(eg::resid_pre));
        auto const cells = eg::each_layer_position<D>(length);
        auto const patched = [&](eg::layer_position c) {
            return eg::patch(eg::resid_pre, eg::layer(c.layer) & eg::at(static_cast<long>(c.position)), noise);
        };
        report(
            "resid_pre", cells.entries.size(),
            [&](auto const& f) { return f(model, clean, cells, patched, metrics(few)); },
            [&](std::size_t i) { return probability(model.run(tokens, patched(cells.entries[i])), few); });
    }
} catch (eg::error const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
}
