#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <engraft/engraft.hpp>

#include "lab.hpp"

namespace paper {

/// Its members stand in several sources, so that a program is compiled in pieces: lab.cpp, lab_sweeps.cpp,
/// lab_circuits.cpp, lab_masks.cpp.
template <eg::description D>
class lab_of : public lab {
public:
    explicit lab_of(std::vector<model_entry> const& entries) {
        for (auto const& e : entries)
            models_.emplace(e.name,
                            e.adapter.empty() ? eg::load<D>(e.folder) : eg::load<D>(e.folder, eg::lora(e.adapter)));
        words_ = &models_.at(entries.front().name).tokenizer();
    }

    int layers() const override { return D.layers; }
    int heads() const override { return D.heads; }
    std::string described() const override {
        return eg::message(
            {D.name, ": ", D.layers, " layers of ", D.heads, " heads, d_model ", D.d_model, ", vocabulary ", D.vocab});
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
        auto const at = [&](auto role) { return p.role<decltype(role)>().from(p.noise_role<decltype(role)>()); };
        auto found = eg::discover(
            model, clean, noise, p.answers,
            {{"value_fetcher", at(eg::last{}), counts.at(0)},
             {"position_transmitter", at(eg::last{}), counts.at(1), input::of_queries, "value_fetcher"},
             {"position_detector", at(eg::query_label{}), counts.at(2), input::of_values, "position_transmitter"},
             {"structure_reader", at(eg::previous_query_label{}), counts.at(3), input::of_values, "position_detector"}},
            options());
        for (auto const& step : found.steps)
            count(step.patched.planned, step.patched.counted);
        return found;
    }

    std::vector<double> swapped(part what, std::string const& into, std::string const& from,
                                eg::boxes::prompts const& p, std::vector<eg::circuit> const& sets) override;
    std::vector<double> knocked_out(std::string const& name, eg::boxes::prompts const& p, eg::role const& from,
                                    eg::role const& to) override;
    std::unique_ptr<ablation> mean_ablation(std::string const& model, eg::boxes::prompts const& p,
                                            eg::boxes::prompts const& mean_prompts) override;
    eg::attention_report attention(std::string const& model, eg::boxes::prompts const& p,
                                   eg::circuit_group const& group) override;
    std::vector<double> follow(std::string const& model, std::vector<eg::desideratum> const& all,
                               std::vector<eg::exchange> const& exchanges) override;
    std::vector<eg::dcm_result> masks(std::string const& model, eg::circuit const& groups,
                                      eg::dcm_data const& data) override;

    std::vector<eg::desideratum> desiderata(std::vector<eg::boxes::hypothesis> const& all, std::size_t examples,
                                            std::uint64_t seed) const override {
        std::vector<eg::desideratum> drawn;
        for (auto const what : all)
            drawn.push_back(eg::boxes::sample(*words_, what, {.examples = examples, .seed = seed}));
        return drawn;
    }

private:
    using model_type = eg::model<D>;

    model_type const& of(std::string const& name) const { return models_.at(name); }

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
        return eg::mean_over_examples(found);
    }

    std::map<std::string, model_type> models_;
    eg::tokenizer const* words_ = nullptr;
};

} // namespace paper
