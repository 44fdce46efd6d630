#pragma once

#include "lab_of.hpp"

namespace paper {

template <eg::description const& D, class B>
std::vector<double> lab_of<D, B>::follow(std::string const& name, std::vector<eg::desideratum> const& all,
                                         std::vector<eg::exchange> const& exchanges) {
    std::vector<double> shares;
    auto const add = [&](std::vector<eg::desideratum> list, double times) {
        eg::desiderata_cost took;
        shares = eg::desiderata_runs<D, B>(of(name), std::move(list), {.progress = progress, .cost = &took})
                     .follow(exchanges);
        count(took, times);
    };
    if constexpr (computes)
        add(all, 1);
    else
        for (auto const& [part, times] : samples_of(all.front().examples())) {
            std::vector<eg::desideratum> some;
            for (auto const& d : all)
                some.push_back(d.part(part.first, part.count));
            add(std::move(some), times);
        }
    used.kept = std::max(used.kept, eg::desiderata_options{}.memory);
    return shares;
}

template <eg::description const& D, class B>
std::vector<eg::dcm_result> lab_of<D, B>::masks(std::string const& name, eg::circuit const& groups,
                                                eg::dcm_data const& data) {
    eg::desiderata_cost took;
    eg::dcm_options o;
    o.progress = progress;
    o.runs.cost = &took;
    std::vector<eg::dcm_result> found;
    if constexpr (computes) {
        found = eg::dcm(of(name), groups, data, o);
    } else {
        auto const epochs = static_cast<double>(o.epochs);
        std::vector<eg::exchange> const all = eg::whole_groups(groups, data.train.size());
        for (auto const& e : all) {
            auto const& d = data.train[e.desideratum];
            auto const lowest = std::ranges::min_element(e.heads, {}, &eg::node::layer)->layer;
            for (auto const& [part, times] : samples_of(d.examples())) {
                auto const first = d.original.rows().position(part.first, d.role(e.role).positions.at(part.first));
                took.gradients +=
                    epochs * times *
                    eg::plan_gradient_beside<model_type>(d.original.rows(), {{part.first, first}}, lowest).total();
            }
        }
        // All masks are evaluated each time, although those that were seen before are not.
        auto const batches = (data.train.front().examples() + o.batch - 1) / o.batch;
        auto const evaluations = o.epochs * ((batches + o.evaluate_every - 1) / o.evaluate_every);
        for (std::size_t i = 0; i < evaluations; ++i)
            follow(name, data.evaluate, all);
        follow(name, data.test, all), follow(name, data.test, all); // the masks, and the whole groups
        for (std::size_t i = 0; i < all.size(); ++i) {
            auto const& group = groups.groups[i / data.train.size()];
            eg::dcm_result one;
            one.group = group.name, one.role = group.role, one.desideratum = data.train[i % data.train.size()].name;
            one.chosen = group.heads, one.test_accuracy = 1;
            found.push_back(std::move(one));
        }
    }
    count(took);
    return found;
}

} // namespace paper
