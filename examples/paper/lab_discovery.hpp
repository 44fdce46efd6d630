#pragma once

#include "lab_of.hpp"

namespace paper {

/// Where numbers mean nothing heads are drawn, so that groups are spread over the layers.
inline void draw_scores(eg::sweep_result& all, std::size_t examples) {
    eg::random random(1, 1);
    for (std::size_t e = 0; e < examples; ++e)
        all.set_clean(0, e, 1);
    for (std::size_t i = 0; i < all.of().size() / examples; ++i) {
        double const score = random.uniform();
        for (std::size_t e = 0; e < examples; ++e)
            all.set(0, i, e, score);
    }
}

template <eg::description const& D, class B>
eg::discovery lab_of<D, B>::discover(std::string const& name, eg::boxes::prompts const& p,
                                     std::vector<std::size_t> const& counts) {
    using input = eg::discovery_step::input;
    auto const& model = of(name);
    auto const at = [&](auto role) { return p.role<decltype(role)>().from(p.noise_role<decltype(role)>()); };
    std::vector<eg::discovery_step> const steps{
        {"value_fetcher", at(eg::last{}), counts.at(0)},
        {"position_transmitter", at(eg::last{}), counts.at(1), input::of_queries, "value_fetcher"},
        {"position_detector", at(eg::query_label{}), counts.at(2), input::of_values, "position_transmitter"},
        {"structure_reader", at(eg::previous_query_label{}), counts.at(3), input::of_values, "position_detector"}};
    auto const parts = parts_of(p.tokens, kept_elements + 2 * query_elements);
    return eg::discover_by(steps, D.heads, [&](std::size_t number, std::vector<eg::node> const& readers) {
        auto found = over_parts(parts, eg::each_head<D>().axes, eg::probability(p.answers), p.answers.size(),
                                [&](eg::part_of_batch part, eg::metric const& read, eg::sweep_options const& o) {
                                    auto const clean =
                                        model.run(part.of(p.tokens), eg::capture_for_sweeps<D>() | eg::capture(eg::q));
                                    auto const noise = model.run(part.of(p.noise_tokens), eg::capture(eg::z));
                                    auto step = steps[number];
                                    step.sender = part.of(step.sender);
                                    return eg::patch_step(model, clean, noise, read.tokens, step, readers, o);
                                },
                                {0.25 * static_cast<double>(number), 0.25});
        if constexpr (!computes)
            draw_scores(found, p.answers.size());
        return found;
    });
}

} // namespace paper
