// Sweeps of every kind of policy, in one pass and in two, and what is made of sweeps: edge patching and mean ablation.

#include "bits.hpp"

#include <engraft/circuit/edge_patching.hpp>
#include <engraft/circuit/mean_ablation.hpp>

using namespace bits;

struct halved {
    void operator()(auto row) const {
        for (auto& x : row)
            x *= 0.5f;
    }
};

int main(int, char** arguments) try {
    auto const [base, tuned] = load(arguments);
    auto const clean = base.run(prompts, eg::capture_for_sweeps<D>() | eg::capture(eg::q));
    auto const noise = base.run(others, eg::capture(eg::z, eg::resid_pre, eg::mlp_out));
    auto const foreign = tuned.run(prompts, eg::capture(eg::z));
    std::vector<eg::metric> const all{eg::logit_difference(answers, wrong), eg::probability(answers),
                                      eg::log_probability(answers), eg::accuracy(answers), eg::kl_to_clean()};
    std::vector<eg::metric> const few{eg::logit(answers)};
    auto const last = eg::at(-1);
    auto const heads = eg::each_head<D>();
    auto const sweep = [&](char const* what, auto const& table, auto const& policy_of,
                           std::vector<eg::metric> const& metrics, eg::sweep_options options = {}) {
        tell_sweep(what, eg::sweep(base, clean, table, policy_of, metrics, options));
    };

    sweep(
        "ablate", heads, [&](eg::node n) { return eg::ablate(eg::z, eg::nodes({n}) & last); }, all);
    sweep(
        "ablate by means", heads,
        [&](eg::node n) { return eg::ablate(eg::z, eg::nodes({n}) & last, eg::mean(noise, eg::z)); }, few);
    auto const patched = [&](eg::node n) { return eg::patch(eg::z, eg::nodes({n}) & last, noise); };
    sweep("patch", heads, patched, all);
    sweep("patch in small chunks", heads, patched, few, {.memory = D.vocab > 1000 ? 4e6 : 4e5});
    sweep("patch read elsewhere", heads,
          [&](eg::node n) { return eg::patch(eg::z, eg::nodes({n}) & eg::at(3), noise); }, few,
          {.read_at = {5, -2, -1, 7}});
    sweep(
        "swap", heads, [&](eg::node n) { return eg::swap(eg::z, eg::nodes({n}) & last, foreign); }, few);
    sweep(
        "patch streams", eg::each_layer_position<D>(9),
        [&](eg::layer_position c) {
            return eg::patch(eg::resid_pre, eg::layer(c.layer) & eg::at(long(c.position)), noise);
        },
        few);
    auto const layers = eg::each_layer<D>();
    sweep(
        "patch mlp_out", layers, [&](int l) { return eg::patch(eg::mlp_out, eg::layer(l), noise); }, few);
    sweep(
        "knockout", layers,
        [&](int l) {
            return eg::knockout(eg::layer(l), last, eg::at({0, 2}));
        },
        all);
    sweep(
        "steer", layers,
        [&](int l) { return eg::steer(eg::resid_mid, eg::layer(l) & eg::at(-2), numbers(6, D.d_model), 0.7); }, few);
    sweep(
        "mask", heads, [&](eg::node n) { return eg::mask(eg::z, eg::nodes({n}) & last, std::vector{0.3}, noise); },
        few);
    sweep(
        "scale", layers, [&](int l) { return eg::scale(eg::mlp_out, eg::layer(l), 0.5); }, few);
    sweep(
        "edit", layers,
        [&](int l) {
            return eg::edit(eg::attn_out, eg::layer(l) & eg::at({1, -1}), halved{});
        },
        few);
    sweep(
        "edit pattern", layers, [&](int l) { return eg::edit(eg::pattern, eg::layer(l) & last, halved{}); }, few);
    sweep(
        "ablate values", layers, [&](int l) { return eg::ablate(eg::v, eg::layer(l) & eg::at(2)); }, few);
    sweep(
        "two at once", heads,
        [&](eg::node n) {
            return eg::patch(eg::z, eg::nodes({n}) & last, noise) |
                   eg::steer(eg::resid_post, eg::layer(1) & last, numbers(6, D.d_model), 0.1);
        },
        few);

    // Paths: to the logits, and to receivers in a second pass.
    auto const sender = [&](long p) {
        return [&, p](eg::node n) {
            auto const one = eg::nodes({n}) & eg::at(p);
            return eg::freeze(eg::z, eg::positions(p) - one, clean) | eg::patch(eg::z, one, noise);
        };
    };
    auto const role = [](long p) { return eg::role{"place", std::vector<long>(examples, p), {}}; };
    std::vector<eg::node> const readers{{1, 2}, {2, 0}, {2, 4}}, kv_readers{{1, 1}, {2, 0}};
    sweep("paths to logits", heads, sender(-1), all);
    auto const through = [&](char const* what, auto const& to, long p) {
        tell_sweep(what, eg::sweep(base, clean, heads, sender(p), to, few));
    };
    through("paths to q", eg::receivers(eg::q, readers, role(-1)), -1);
    through("paths to z", eg::receivers(eg::z, readers, role(-1)), -1);
    through("paths to v", eg::receivers(eg::v, kv_readers, role(-3)), -3);
    if constexpr (D.position == eg::position::rope)
        through("paths to rot_k", eg::receivers(eg::rot_k, kv_readers, role(-3)), -3);

    if constexpr (!D.post_norms) {
        auto edges = eg::each_edge<D>();
        eg::table<eg::edge> some{{{"edge", 0}}, {}};
        for (std::size_t i = 0; i < edges.entries.size(); i += edges.entries.size() / 40)
            some.entries.push_back(edges.entries[i]);
        some.axes[0].size = some.entries.size();
        tell_sweep("edges", eg::edge_patching(base, clean, noise, some, few));
    }
    auto const means = eg::mean_activations(base, others, eg::z, {});
    eg::mean_ablation const f(base, prompts, {role(-1)}, means, few);
    eg::circuit const circuit{{{"group", "place", readers}}};
    tell_sweep("mean ablation of a circuit", f.without({circuit}));
    tell_sweep("a circuit alone", f.alone(circuit));
} catch (eg::error const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
}
