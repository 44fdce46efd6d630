#pragma once

#include <cmath>
#include <future>

#include "lab_of.hpp"

namespace paper {

/// Of the parts that the prompts are taken in.
template <eg::description const& D, class B>
class ablation_of : public ablation {
public:
    struct part {
        eg::mean_ablation<D, B> f;
        double times; ///< its cost counts
    };
    ablation_of(std::vector<part> parts, lab_of<D, B>& owner) : parts_(std::move(parts)), owner_(owner) {}

    std::vector<double> each(std::vector<eg::circuit> const& circuits, eg::circuit const& beside) override {
        return measured(circuits, [&](auto const& f) { return f.each(circuits, beside); });
    }
    std::vector<double> without(std::vector<eg::circuit> const& nodes) override {
        return measured(nodes, [&](auto const& f) { return f.without(nodes); });
    }

private:
    template <class Sweep>
    std::vector<double> measured(std::vector<eg::circuit> const& circuits, Sweep const& sweep) {
        std::vector<double> values;
        auto const policy = lab_of<D, B>::computes ? std::launch::deferred : std::launch::async;
        std::vector<std::future<eg::sweep_result>> all;
        for (auto const& one : parts_)
            all.push_back(std::async(policy, [&] { return sweep(one.f); }));
        for (std::size_t i = 0; i < parts_.size(); ++i) {
            auto const found = all[i].get();
            owner_.count(found.planned, found.counted, parts_[i].times);
            values = eg::mean_over_examples(found);
        }
        if constexpr (!lab_of<D, B>::computes) // no head can be spared
            for (std::size_t i = 0; i < circuits.size(); ++i) {
                values[i] = 1;
                for (auto const& g : circuits[i].groups)
                    values[i] *= std::pow(1.1, static_cast<double>(g.heads.size()));
            }
        return values;
    }

    std::vector<part> parts_;
    lab_of<D, B>& owner_;
};

template <eg::description const& D, class B>
std::unique_ptr<ablation> lab_of<D, B>::mean_ablation(std::string const& name, eg::boxes::prompts const& p,
                                                      eg::boxes::prompts const& mean_prompts) {
    using part_type = typename ablation_of<D, B>::part;
    auto const& model = of(name);
    eg::mean_ablation_options o{.memory = room / 4}; // it keeps two runs
    if (progress)
        o.sweep.progress = progress;
    std::vector<eg::role> const roles(p.roles.begin(), p.roles.end());
    std::vector<part_type> parts;
    auto const add = [&](eg::batch const& noise, eg::part_of_batch some, double times) {
        parts.push_back(
            {eg::mean_ablation<D, B>(model, some.of(p.tokens), some.of_each(roles),
                                     eg::mean_activations(model, noise, eg::z), {some.of(eg::accuracy(p.answers))}, o),
             times});
    };
    if constexpr (computes)
        add(mean_prompts.noise_tokens, {0, p.answers.size()}, 1);
    else
        for (auto const& [some, times] : samples_of(p.answers.size()))
            add(some.of(mean_prompts.noise_tokens), some, times);
    used.kept = std::max(used.kept, 2 * o.memory);
    return std::make_unique<ablation_of<D, B>>(std::move(parts), *this);
}

template <eg::description const& D, class B>
eg::attention_report lab_of<D, B>::attention(std::string const& name, eg::boxes::prompts const& p,
                                             eg::circuit_group const& group) {
    std::vector<eg::attention_target> targets;
    for (auto const& role : p.roles)
        targets.push_back(eg::attention_target::of(role));
    auto const segments = eg::boxes::segments(words_, p);
    eg::attention_target own{"own segment", {}};
    for (std::size_t e = 0; e < p.scenes.size(); ++e)
        own.positions.push_back(segments[p.scenes[e].queried][e]);
    targets.push_back(std::move(own));
    return eg::attention_from(of(name), p.tokens, p.role(group.role), group.heads, targets);
}

} // namespace paper
