#pragma once

// What a numeric policy rounds, site by site, and that a policy which changes nothing changes no bit in it.

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "random_models.hpp"

namespace numbers {

/// Of a layer, on the host. [site][element], the sites of a block in their order, then final_normalized and logits
template <class Run>
std::vector<std::vector<double>> activations(Run const& run, int layer) {
    std::vector<std::vector<double>> all;
    auto const add = [&](auto site, int at) {
        auto const seen = run[site].whole(at);
        using memory = typename Run::backend_type::memory_type;
        std::vector<typename Run::backend_type::value_type> elements(seen.size());
        memory::to_host(elements.data(), seen.data(), seen.size() * sizeof(elements[0]));
        all.emplace_back(elements.begin(), elements.end());
    };
    boost::hana::for_each(eg::block_sites<grouped>, [&](auto site) { add(site, layer); });
    add(eg::final_normalized, 0);
    add(eg::logits, 0);
    return all;
}

template <class B>
auto run_of(eg::model<grouped, B> const& model) {
    return model.run(random_prompts(2, {5, 1, 9, 70}),
                     eg::capture(eg::block_sites<grouped>) | eg::capture(eg::final_normalized, eg::logits));
}

/// The largest difference from the reference at a site, over all layers, as a share of the largest number there.
template <class B>
std::vector<std::pair<std::string, double>> differences(eg::model<grouped, B> const& model) {
    static auto const exact = run_of(random_model<eg::reference>(1));
    auto const run = run_of(model);
    std::vector<std::pair<std::string, double>> found;
    boost::hana::for_each(eg::block_sites<grouped>, [&](auto site) { found.emplace_back(decltype(site)::name, 0); });
    found.emplace_back("final_normalized", 0);
    found.emplace_back("logits", 0);
    for (int layer = 0; layer < grouped.layers; ++layer) {
        auto const is = activations(run, layer), expected = activations(exact, layer);
        for (std::size_t s = 0; s < found.size(); ++s) {
            REQUIRE(is[s].size() == expected[s].size());
            double largest = 0, worst = 0;
            for (std::size_t i = 0; i < is[s].size(); ++i) {
                if (!std::isfinite(expected[s][i])) { // scores that the mask hides
                    CHECK(is[s][i] == expected[s][i]);
                    continue;
                }
                largest = std::max(largest, std::abs(expected[s][i]));
                worst = std::max(worst, std::abs(is[s][i] - expected[s][i]));
            }
            found[s].second = std::max(found[s].second, worst / largest);
        }
    }
    return found;
}

/// bound: of the differences; least: of the largest of them, or nothing was rounded
template <class B>
void check(char const* name, double bound, double least) {
    auto const model = random_model<B>(1);
    double largest = 0;
    for (auto const& [site, difference] : differences(model)) {
        INFO(name << " at " << site);
        CHECK(difference <= bound);
        largest = std::max(largest, difference);
        std::cout << std::left << std::setw(6) << name << std::setw(18) << site << std::scientific
                  << std::setprecision(1) << difference << '\n';
    }
    CHECK(largest >= least);

    auto const prompts = random_prompts(2, {5, 1, 9});
    auto const all = model.run(prompts, eg::capture(eg::resid_pre, eg::z, eg::mlp_post));
    auto const same = eg::patch(eg::resid_pre, eg::everywhere, all) | eg::patch(eg::z, eg::everywhere, all) |
                      eg::patch(eg::mlp_post, eg::everywhere, all);
    CHECK(logits_of(model.run(prompts, same)) == logits_of(model.run(prompts)));
}

} // namespace numbers
