#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <engraft/engraft.hpp>

#include "lab.hpp"

namespace paper {

template <eg::description D>
class lab_of : public lab {
public:
    explicit lab_of(std::vector<model_entry> const& entries) {
        for (auto const& e : entries)
            models_.emplace(e.name, e.adapter.empty() ? eg::load<D>(e.folder) : eg::load<D>(e.folder, eg::lora(e.adapter)));
        words_ = &models_.at(entries.front().name).tokenizer();
    }

    int layers() const override { return D.layers; }
    int heads() const override { return D.heads; }
    std::string described() const override {
        return eg::message({D.name, ": ", D.layers, " layers of ", D.heads, " heads, d_model ", D.d_model, ", vocabulary ",
                            D.vocab});
    }

    eg::boxes::prompts prompts(std::size_t examples, std::uint64_t seed) const override {
        return eg::boxes::sample(*words_, {.examples = examples, .seed = seed});
    }

    double accuracy(std::string const& name, eg::boxes::prompts const& p) override {
        return eg::accuracy(of(name).run(p.tokens).logits_at(p.role<eg::last>()), p.answers);
    }

    eg::discovery discover(std::string const& name, eg::boxes::prompts const& p,
                           std::vector<std::size_t> const& counts) override {
        using input = eg::discovery_step::input;
        auto const& model = of(name);
        auto const clean = model.run(p.tokens, eg::capture_for_sweeps<D>() | eg::capture(eg::q));
        auto const noise = model.run(p.noise_tokens, eg::capture(eg::z));
        auto const at = [&](auto role) {
            return p.role<decltype(role)>().from(p.noise_role<decltype(role)>());
        };
        auto found = eg::discover(
            model, clean, noise, p.answers,
            {{"value_fetcher", at(eg::last{}), counts.at(0)},
             {"position_transmitter", at(eg::last{}), counts.at(1), input::of_queries, "value_fetcher"},
             {"position_detector", at(eg::query_label{}), counts.at(2), input::of_values, "position_transmitter"},
             {"structure_reader", at(eg::previous_query_label{}), counts.at(3), input::of_values, "position_detector"}},
            options());
        for (auto const& step : found.steps)
            count(step.planned, step.counted);
        return found;
    }

    std::vector<double> swapped(part what, std::string const& into, std::string const& from, eg::boxes::prompts const& p,
                                std::vector<eg::circuit> const& sets) override {
        switch (what) {
        case part::z:
            return swapped(eg::z, into, from, p, sets);
        case part::q:
            return swapped(eg::q, into, from, p, sets);
        case part::k:
            return swapped(eg::k, into, from, p, sets);
        case part::v:
            return swapped(eg::v, into, from, p, sets);
        }
        return {};
    }

    std::vector<double> knocked_out(std::string const& name, eg::boxes::prompts const& p, eg::role const& from,
                                    eg::role const& to) override {
        auto const& model = of(name);
        auto const clean = model.run(p.tokens, eg::capture_for_sweeps<D>());
        return means(eg::sweep(
            model, clean, eg::each_layer<D>(),
            [&](int first) { return eg::knockout(eg::layers(first, D.layers), eg::at(from), eg::at(to)); },
            {eg::accuracy(p.answers)}, options()));
    }

private:
    using model_type = eg::model<D>;

    model_type const& of(std::string const& name) const { return models_.at(name); }

    /// A circuit's heads at its roles, where a site has as many heads as there are queries or fewer.
    template <eg::site S>
    std::vector<double> swapped(S, std::string const& into, std::string const& from, eg::boxes::prompts const& p,
                                std::vector<eg::circuit> const& sets) {
        auto const& model = of(into);
        auto const clean = model.run(p.tokens, eg::capture_for_sweeps<D>());
        auto const source = of(from).run(p.tokens, eg::capture(S{}));
        auto const one = [&](eg::circuit_group const& g) {
            auto const& role = p.role(g.role);
            if constexpr (std::is_same_v<S, eg::sites::k> || std::is_same_v<S, eg::sites::v>)
                return eg::may_not_fire(eg::swap(S{}, eg::kv_nodes(eg::kv_heads_of<D>(g.heads)).at(role), source));
            else
                return eg::may_not_fire(eg::swap(S{}, eg::nodes(g.heads).at(role), source));
        };
        eg::table<eg::circuit> const each{{{"set", sets.size()}}, sets};
        return means(eg::sweep(
            model, clean, each,
            [&](eg::circuit const& c) {
                std::vector<decltype(one(c.groups.front()))> groups;
                for (auto const& g : c.groups)
                    groups.push_back(one(g));
                return eg::all_of(std::move(groups));
            },
            {eg::accuracy(p.answers)}, options()));
    }

    eg::sweep_options options() const {
        eg::sweep_options o;
        o.progress = progress;
        return o;
    }

    void count(eg::sweep_plan const& planned, eg::flop_count const& counted) {
        used.planned += planned.flops.total(), used.counted += counted.total();
    }

    /// Mean over the examples, of each entry of a sweep.
    std::vector<double> means(eg::sweep_result const& found) {
        count(found.planned, found.counted);
        auto const examples = found.axes().back().size;
        std::vector<double> m(found.of().size() / examples);
        for (std::size_t i = 0; i < found.of().size(); ++i)
            m[i / examples] += found.of()[i] / static_cast<double>(examples);
        return m;
    }

    std::map<std::string, model_type> models_;
    eg::tokenizer const* words_ = nullptr;
};

} // namespace paper
