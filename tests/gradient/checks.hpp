#pragma once

// Gradients against central differences in double, and one backend's against the other's.

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "catch.hpp"

#include <engraft/engraft.hpp>

namespace eg = engraft;

namespace checks {

using numbers = std::vector<double>;

template <eg::description const& D, eg::site... S>
auto sites_in(eg::site_list<S...>)
    -> eg::join<std::conditional_t<eg::has_site<D, S>, eg::site_list<S>, eg::site_list<>>...>;
/// Every site of a description.
template <eg::description const& D>
using sites_of = decltype(sites_in<D>(eg::known_sites{}));

/// Adds step * direction to one site of one layer: one type for every place, so that it is compiled once.
template <eg::description const& D>
struct nudge : eg::touches_nothing {
    using writes = sites_of<D>;
    static constexpr bool may_not_fire = true;
    int site = -1;
    int layer = 0;
    numbers const* direction = nullptr;
    double step = 0;

    template <eg::description const&, class Backend>
    static constexpr void check() {}

    template <class Binding>
    nudge bind(Binding const&) const {
        return *this;
    }
    template <eg::site S>
    void apply(eg::hook_point<D, S> const& point, auto view) const {
        if (eg::site_index<S> == site && point.layer() == layer)
            for (std::size_t i = 0; i < view.size(); ++i)
                view.data()[i] += step * (*direction)[i];
    }
    std::size_t fired() const { return 0; }
    std::vector<eg::selection const*> chosen() const { return {}; }
    std::vector<eg::row_slice> slices_of(std::size_t) const { return {}; }
};

/// What is differentiated.
struct reading {
    eg::metric metric;
    std::vector<long> at;
    numbers weights;

    template <class Run>
    double of(Run const& run) const {
        auto const rows = run.logits_at(eg::role{"read", at, {}});
        auto values = rows.of(metric.tokens);
        if (metric.of == eg::metric::kind::logit_difference)
            for (std::size_t e = 0; e < values.size(); ++e)
                values[e] -= rows.of(metric.others)[e];
        else if (metric.of != eg::metric::kind::logit)
            values = rows.probability(metric.tokens);
        double sum = 0;
        for (std::size_t e = 0; e < values.size(); ++e)
            sum += weights[e] * (metric.of == eg::metric::kind::log_probability ? std::log(values[e]) : values[e]);
        return sum;
    }
    eg::gradient_options options() const { return {.read_at = at, .weights = weights}; }
};

inline numbers some_numbers(std::uint64_t seed, std::size_t count, double size = 1) {
    eg::random r(seed);
    numbers all(count);
    for (auto& x : all)
        x = size * r.normal();
    return all;
}

/// The derivative of f(step) at 0, by central differences of two widths: exact but for the step's fourth power.
template <class F>
double central_difference(F const& f, double h = 1e-3) {
    return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h);
}

inline void check_same(double ours, double difference, std::string const& what) {
    INFO(what << ": gradient " << ours << ", finite difference " << difference);
    CHECK(std::abs(ours - difference) <= 1e-6 * std::abs(difference) + 1e-10);
}

/// Every layer of every site kept by `found`, flat and in double.
template <eg::description const& D, class Gradients, eg::site... S>
std::map<std::string, numbers> all_of_them(Gradients const& found, eg::site_list<S...>) {
    std::map<std::string, numbers> all;
    auto const add = [&](auto s) {
        for (int layer = 0; layer < eg::hook_point<D, decltype(s)>::layers; ++layer) {
            auto const host = eg::to_host(found[s].whole(layer));
            all[decltype(s)::name + (' ' + std::to_string(layer))] = numbers(host.begin(), host.end());
        }
    };
    (add(S{}), ...);
    return all;
}

template <eg::site... S>
int number_of(std::string const& name, eg::site_list<S...>) {
    int number = -1;
    ((S::name == name ? void(number = eg::site_index<S>) : void()), ...);
    return number;
}

template <eg::site... S>
auto capture_of(eg::site_list<S...>) {
    return eg::capture(S{}...);
}

/// What is read of a run, with one site of one layer moved: the one kind of run that differences are made of.
template <eg::description const& D, class Model, class Policy>
double value_of(Model const& model, eg::batch const& prompts, Policy const& policy, reading const& what,
                nudge<D> const& by = {}) {
    return what.of(model.run(prompts, policy | by));
}

/// Gradients at every site.
template <eg::description const& D, class Model, class Policy>
auto gradient_everywhere(Model const& model, eg::batch const& prompts, Policy const& policy, reading const& what) {
    return eg::gradient(model, prompts, policy, capture_of(sites_of<D>{}), what.metric, what.options());
}

/// Directional derivatives of what is read, at every layer of every site, under a policy.
template <eg::description const& D, class Model, class Policy>
void check_every_site(Model const& model, eg::batch const& prompts, Policy const& policy, reading const& what,
                      std::map<std::string, numbers> const& gradients) {
    std::uint64_t seed = 1000;
    for (auto const& [name, gradient] : gradients) {
        auto const direction = some_numbers(++seed, gradient.size(), 1 / std::sqrt(double(gradient.size())));
        nudge<D> by;
        by.layer = std::stoi(name.substr(name.find(' ')));
        by.direction = &direction;
        by.site = number_of(name.substr(0, name.find(' ')), sites_of<D>{});
        double ours = 0;
        for (std::size_t i = 0; i < gradient.size(); ++i)
            ours += gradient[i] * direction[i];
        check_same(ours, central_difference([&](double step) {
                       by.step = step;
                       return value_of<D>(model, prompts, policy, what, by);
                   }),
                   name);
    }
}

inline void check_close(std::map<std::string, numbers> const& ours, std::map<std::string, numbers> const& exact) {
    REQUIRE(ours.size() == exact.size());
    for (auto const& [name, theirs] : exact) {
        auto const& mine = ours.at(name);
        REQUIRE(mine.size() == theirs.size());
        double largest = 0, difference = 0;
        for (std::size_t i = 0; i < theirs.size(); ++i) {
            REQUIRE(std::isfinite(mine[i]));
            largest = std::max(largest, std::abs(theirs[i]));
            difference = std::max(difference, std::abs(mine[i] - theirs[i]));
        }
        INFO(name << ": largest difference " << difference << ", largest number " << largest);
        CHECK(difference <= 2e-5 * largest);
    }
}

inline eg::batch prompts_of(std::uint64_t seed, int vocab, std::vector<std::size_t> const& lengths) {
    eg::random r(seed, 99);
    std::vector<std::vector<eg::token>> prompts;
    for (auto n : lengths) {
        prompts.emplace_back();
        for (std::size_t i = 0; i < n; ++i)
            prompts.back().push_back(static_cast<eg::token>(r.below(static_cast<std::uint64_t>(vocab))));
    }
    return prompts;
}

template <eg::description const& D, class Backend>
eg::model<D, Backend> random_model(std::uint64_t seed, Backend const& backend = Backend{}) {
    return {eg::random_weights<D, Backend>(seed, backend), backend};
}

} // namespace checks
