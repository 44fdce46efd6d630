// Gradients with respect to activations and parameters, beside a clean run too; attribution; and training by DCM.

#include "bits.hpp"

#include <engraft/circuit/attention_attribution.hpp>
#include <engraft/circuit/attribution.hpp>
#include <engraft/circuit/dcm.hpp>
#include <engraft/circuit/edge_attribution.hpp>

using namespace bits;

struct squared {
    template <class T>
    void operator()(eg::activation_row<T> row) const {
        for (auto& x : row)
            x *= x;
    }
    template <class T>
    void derivative(eg::activation_row<T> gradient, eg::activation_row<T const> before) const {
        for (std::size_t i = 0; i < gradient.size(); ++i)
            gradient[i] *= 2 * before[i];
    }
};

template <class Found, class Site>
void tell_gradient(std::string const& what, Found const& found, Site site) {
    std::vector<float> all;
    for (int l = 0; l < D.layers; ++l) {
        auto const one = eg::to_host(found[site].whole(l));
        all.insert(all.end(), one.begin(), one.end());
    }
    tell("gradient " + what + " " + Site::name, all);
}

int main(int, char** arguments) try {
    auto const [base, tuned] = load(arguments);
    auto const last = eg::at(-1);
    auto const source = base.run(others, eg::capture(eg::z, eg::resid_mid));
    std::vector<eg::node> const heads{{0, 1}, {1, 0}, {2, 3}};

    for (auto const& of : {eg::logit(answers), eg::logit_difference(answers, wrong), eg::probability(answers),
                           eg::log_probability(answers)}) {
        auto const found = eg::gradient(base, prompts, eg::identity,
                                        eg::capture(eg::z, eg::resid_pre, eg::q, eg::k, eg::v, eg::mlp_post), of);
        tell("gradient value " + of.name, found.values());
        tell_gradient(of.name, found, eg::z);
        tell_gradient(of.name, found, eg::resid_pre);
        tell_gradient(of.name, found, eg::q);
        tell_gradient(of.name, found, eg::k);
        tell_gradient(of.name, found, eg::v);
        tell_gradient(of.name, found, eg::mlp_post);
    }
    auto const patterns = eg::gradient(base, prompts, eg::identity, eg::capture(eg::scores, eg::pattern, eg::result),
                                       eg::logit(answers), {.read_at = {5, -2, -1, 7}, .weights = {}});
    tell_gradient("read elsewhere", patterns, eg::scores);
    tell_gradient("read elsewhere", patterns, eg::pattern);
    tell_gradient("read elsewhere", patterns, eg::result);

    auto const clean = base.run(prompts, eg::capture_for_gradients<D>());
    auto const frozen = base.run(prompts, eg::capture(eg::mlp_out));
    auto const policy =
        eg::mask(eg::z, eg::nodes(heads) & last, std::vector{0.3, 0.8, 0.5}, source) |
        eg::steer(eg::resid_mid, eg::layer(0) & eg::at(-2), numbers(6, D.d_model), 0.7) |
        eg::scale(eg::mlp_out, eg::layer(1), 0.8) | eg::ablate(eg::v, eg::layer(2) & eg::at(1), 0.1) |
        eg::edit(eg::attn_out, eg::layer(1) & last, squared{}) | eg::freeze(eg::mlp_out, eg::layer(2), frozen) |
        eg::patch(eg::resid_mid, eg::layer(1) & eg::at(0), source) | eg::knockout(eg::layer(1), last, eg::at(2));
    auto const under = eg::gradient(base, prompts, policy, eg::capture(eg::resid_pre), eg::log_probability(answers));
    tell("gradient value under policies", under.values());
    tell_gradient("under policies", under, eg::resid_pre);
    tell("gradient of mask", under.parameters<0>());
    tell("gradient of steer", under.parameters<1>());
    tell("gradient of scale", under.parameters<2>());
    tell("gradient of ablate", under.parameters<3>());

    // Beside a clean run: the last rows of examples as cases, which may share an example.
    std::vector<eg::last_rows> const cases{{0, 10}, {1, 18}, {3, 12}, {1, 4}};
    std::vector<eg::token> const targets{3, 60, 42, 17};
    auto const weights = std::vector{0.3, 0.8, 0.5};
    eg::batch const alternates = sequences(8, {4, 3, 9, 17});
    auto const there = base.run(alternates, eg::capture(eg::z));
    auto const beside =
        eg::gradient_beside(base, clean, cases,
                            eg::mask(eg::z, eg::nodes(heads) & last, weights, there) |
                                eg::steer(eg::resid_mid, eg::layer(1) & last, numbers(6, D.d_model), 0.1),
                            eg::logit(targets));
    tell("gradient beside, value", beside.values);
    tell("gradient beside, mask", std::get<0>(beside.parameters));
    tell("gradient beside, steer", std::get<1>(beside.parameters));

    auto const difference = eg::logit_difference(answers, wrong);
    tell("attribution", eg::attribute(base, prompts, others, difference, eg::z).values);
    tell("attribution by steps", eg::attribute(base, prompts, others, difference, eg::z, {.steps = 2}).values);
    tell("attribution of queries", eg::attribute_queries(base, prompts, others, difference).values);
    tell("attribution of edges", eg::attribute_edges(base, prompts, others, difference).scores);

    // Two groups, two desiderata, two epochs.
    std::vector<std::size_t> const dcm_lengths{9, 12, 10, 9, 12, 11, 9, 10, 12, 10};
    std::vector<eg::desideratum> desiderata;
    for (std::uint64_t seed : {20u, 30u}) {
        auto const count = dcm_lengths.size();
        std::vector<eg::token> to;
        for (std::size_t i = 0; i < count; ++i)
            to.push_back(static_cast<eg::token>((7 * i + seed) % 60));
        desiderata.push_back({seed == 20 ? "one" : "two",
                              sequences(seed, dcm_lengths),
                              sequences(seed + 1, dcm_lengths),
                              to,
                              {{"middle", std::vector<long>(count, 5), std::vector<long>(count, 4)},
                               {"end", std::vector<long>(count, -1), std::vector<long>(count, -1)}}});
    }
    eg::circuit const groups{{{"early", "middle", {{0, 1}, {0, 3}, {1, 0}}}, {"late", "end", {{1, 2}, {2, 0}}}}};
    eg::dcm_options options{.epochs = 2, .batch = 2, .evaluate_every = 2};
    for (auto const granularity : {eg::granularity::head, eg::granularity::neuron}) {
        options.of = granularity;
        for (auto const& found : eg::dcm(base, groups, eg::dcm_data::split(desiderata, 4, 3, 3), options)) {
            auto const name =
                std::string(granularity == eg::granularity::head ? "dcm of heads, " : "dcm of elements, ") +
                found.group + ", " + found.desideratum;
            tell(name, found.mask);
            tell(name + ", accuracies", std::vector{found.accuracy, found.test_accuracy, found.group_accuracy});
        }
    }
} catch (eg::error const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
}
