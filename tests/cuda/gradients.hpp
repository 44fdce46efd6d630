#pragma once

// Gradients of whole runs, and masks that are trained, beside the reference's, typed over backends. The description has
// softcaps, windows, grouped heads and norms behind each branch.

#include "gradient/checks.hpp"

namespace gradients {

inline constexpr eg::description small{.name = "small",
                                       .family = eg::family::gemma2,
                                       .layers = 2,
                                       .d_model = 12,
                                       .heads = 4,
                                       .kv_heads = 2,
                                       .d_head = 4,
                                       .d_mlp = 10,
                                       .vocab = 19,
                                       .norm_eps = 1e-6,
                                       .post_norms = true,
                                       .window = 3,
                                       .window_layers = "10",
                                       .attention_scalar = 8,
                                       .attention_softcap = 2,
                                       .final_softcap = 3,
                                       .scaled_embedding = true,
                                       .mlp = eg::mlp::gated_gelu_tanh,
                                       .tied_unembedding = true};

struct positive {
    ENGRAFT_HOST_DEVICE bool operator()(auto row) const { return row[0] > 0; }
};
/// Squares every element.
struct square {
    ENGRAFT_HOST_DEVICE void operator()(auto row) const {
        for (auto& x : row)
            x *= x;
    }
    ENGRAFT_HOST_DEVICE void derivative(auto gradient, auto before) const {
        for (std::size_t i = 0; i < gradient.size(); ++i)
            gradient[i] *= 2 * before[i];
    }
};

/// Gradients with respect to the parameters of masks, a direction, a factor and a basis, and to sites under them.
template <class Model>
std::map<std::string, checks::numbers> through_policies(Model const& model) {
    auto const prompts = checks::prompts_of(3, small.vocab, {7, 1, 5}),
               others = checks::prompts_of(4, small.vocab, {7, 1, 5});
    eg::role const last{"last", {-1, 0, -1}, {}};
    auto const source = model.run(others, eg::capture(eg::z, eg::mlp_post, eg::resid_pre));
    checks::numbers basis(12), heads{0.25, 0.5}, neurons = checks::some_numbers(5, 20, 0.5);
    for (std::size_t i = 0; i < 12; ++i)
        basis[i] = (i % 2 ? 1 : -1) / std::sqrt(12.0);
    auto const policy = eg::mask(eg::z, eg::nodes({{1, 2}, {0, 1}}), heads, source) |
                        eg::mask(eg::mlp_post, eg::at(last), neurons, source) |
                        eg::steer(eg::q, eg::layer(1), checks::some_numbers(6, 16, 0.5)) |
                        eg::scale(eg::resid_post, eg::layer(0) & eg::when(positive{}), 1.25) |
                        eg::subspace(eg::resid_pre, eg::layer(1) & eg::at(last), {basis}, source) |
                        eg::edit(eg::mlp_gate, eg::layer(0), square{}) |
                        eg::ablate(eg::v, eg::kv_nodes({{0, 0}}).at(last), 0.5);
    checks::reading const what{eg::log_probability({3, 1, 4}), {-1, 0, -2}, {1, 0.5, 2}};
    using sites = eg::site_list<eg::sites::embed, eg::sites::resid_pre, eg::sites::q, eg::sites::k, eg::sites::v,
                                eg::sites::mlp_pre>;
    auto const found = eg::gradient(model, prompts, policy, checks::capture_of(sites{}), what.metric, what.options());
    auto all = checks::all_of_them<small>(found, sites{});
    all["values"] = found.values();
    all["heads"] = found.template parameters<0>();
    all["neurons"] = found.template parameters<1>();
    all["direction"] = found.template parameters<2>();
    all["factor"] = found.template parameters<3>();
    all["basis"] = found.template parameters<4>();
    all["number"] = found.template parameters<6>();
    return all;
}

/// Masks of two groups for two desiderata, trained in a few steps.
template <class Model>
std::vector<eg::dcm_result> trained(Model const& model) {
    std::vector<std::size_t> const lengths(12, 5);
    auto const original = checks::prompts_of(7, small.vocab, lengths),
               alternate = checks::prompts_of(8, small.vocab, lengths);
    eg::role const middle{"middle", std::vector<long>(12, 2), std::vector<long>(12, 3)},
        end{"end", std::vector<long>(12, -1), std::vector<long>(12, -1)};
    std::vector<eg::desideratum> desiderata;
    for (std::string const name : {"like", "unlike"}) {
        std::vector<eg::token> targets;
        eg::random r(desiderata.size() + 30);
        for (int i = 0; i < 12; ++i)
            targets.push_back(static_cast<eg::token>(r.below(19)));
        desiderata.push_back({name, original, alternate, targets, {middle, end}});
    }
    eg::circuit const groups{
        {{"early", "middle", {{0, 1}, {0, 3}, {1, 0}}}, {"late", "end", {{1, 2}, {1, 3}, {0, 0}}}}};
    eg::dcm_options options{.epochs = 2, .batch = 2, .evaluate_every = 2};
    options.rule.learning_rate = 0.05;
    return eg::dcm(model, groups, eg::dcm_data::split(desiderata, 4, 4, 4), options);
}

// The reference's, by tests/cuda/exact/gradients.cpp.
std::map<std::string, checks::numbers> const& exact();
std::vector<eg::dcm_result> const& exactly_trained();

/// Masks are the reference's, of which the training has moved some.
inline void check_trained(std::vector<eg::dcm_result> const& found) {
    auto const& expected = exactly_trained();
    REQUIRE(expected.size() == 4);
    REQUIRE(found.size() == 4);
    int moved = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
        CHECK(found[i].clean_accuracy == expected[i].clean_accuracy);
        REQUIRE(found[i].mask.size() == 3);
        for (std::size_t h = 0; h < 3; ++h) {
            CHECK(found[i].mask[h] == Approx(expected[i].mask[h]).margin(1e-4));
            moved += expected[i].mask[h] < 0.99;
        }
    }
    CHECK(moved >= 3);
}

} // namespace gradients
