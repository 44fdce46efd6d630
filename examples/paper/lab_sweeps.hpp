#pragma once

#include "lab_of.hpp"

namespace paper {

template <eg::description const& D, class B>
std::vector<double> lab_of<D, B>::swapped(part what, std::string const& into, std::string const& from,
                                          eg::boxes::prompts const& p, std::vector<eg::circuit> const& sets) {
    auto const& model = of(into);
    eg::table<eg::circuit> const each{{{"set", sets.size()}}, sets};
    double const of_source = 2 * query_elements + 2.0 * D.layers * D.kv_heads * D.d_head;
    return eg::mean_over_examples(over_parts(
        parts_of(p.tokens, kept_elements + of_source), each.axes, eg::accuracy(p.answers), p.answers.size(),
        [&](eg::part_of_batch some, eg::metric const& read, eg::sweep_options const& o) {
            auto const tokens = some.of(p.tokens);
            auto const clean = model.run(tokens, eg::capture_for_sweeps<D>());
            auto const source = of(from).run(tokens, eg::capture(eg::z, eg::q, eg::k, eg::v));

            // One policy for all four sites, so that the engine is compiled once: three of them have no heads.
            auto const of_groups = [&](eg::circuit const& c, part asked, auto site, auto const& places) {
                using policy = decltype(eg::may_not_fire(eg::swap(site, places({}).at(p.role("last")), source)));
                std::vector<policy> all;
                for (auto const& g : c.groups) {
                    auto const heads = asked == what ? g.heads : std::vector<eg::node>{};
                    all.push_back(eg::may_not_fire(eg::swap(site, places(heads).at(some.of(p.role(g.role))), source)));
                }
                return eg::all_of(std::move(all));
            };
            auto const of_queries = [](std::vector<eg::node> const& heads) { return eg::nodes(heads); };
            auto const of_keys = [](std::vector<eg::node> const& heads) {
                return eg::kv_nodes(eg::kv_heads_of<D>(heads));
            };
            return eg::sweep(
                model, clean, each,
                [&](eg::circuit const& c) {
                    return of_groups(c, part::z, eg::z, of_queries) | of_groups(c, part::q, eg::q, of_queries) |
                           of_groups(c, part::k, eg::k, of_keys) | of_groups(c, part::v, eg::v, of_keys);
                },
                {read}, o);
        }));
}

template <eg::description const& D, class B>
std::vector<double> lab_of<D, B>::knocked_out(std::string const& name, eg::boxes::prompts const& p,
                                              eg::role const& from, eg::role const& to) {
    auto const& model = of(name);
    auto const each = eg::each_layer<D>();
    return eg::mean_over_examples(
        over_parts(parts_of(p.tokens, kept_elements), each.axes, eg::accuracy(p.answers), p.answers.size(),
                   [&](eg::part_of_batch some, eg::metric const& read, eg::sweep_options const& o) {
                       auto const clean = model.run(some.of(p.tokens), eg::capture_for_sweeps<D>());
                       auto const policy = [&](int first) {
                           return eg::knockout(eg::layers(first, D.layers), eg::at(some.of(from)), eg::at(some.of(to)));
                       };
                       return eg::sweep(model, clean, each, policy, {read}, o);
                   }));
}

} // namespace paper
