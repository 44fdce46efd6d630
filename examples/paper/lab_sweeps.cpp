#include "lab_of.hpp"

#include "../described.hpp"

namespace paper {

template <eg::description D>
std::vector<double> lab_of<D>::swapped(part what, std::string const& into, std::string const& from,
                                       eg::boxes::prompts const& p, std::vector<eg::circuit> const& sets) {
    auto const& model = of(into);
    auto const clean = model.run(p.tokens, eg::capture_for_sweeps<D>());
    auto const source = of(from).run(p.tokens, eg::capture(eg::z, eg::q, eg::k, eg::v));

    // One policy for all four sites, so that the engine is compiled once: three of them have no heads.
    auto const of_groups = [&](eg::circuit const& c, part asked, auto site, auto const& places) {
        using policy = decltype(eg::may_not_fire(eg::swap(site, places({}).at(p.role("last")), source)));
        std::vector<policy> all;
        for (auto const& g : c.groups) {
            auto const heads = asked == what ? g.heads : std::vector<eg::node>{};
            all.push_back(eg::may_not_fire(eg::swap(site, places(heads).at(p.role(g.role)), source)));
        }
        return eg::all_of(std::move(all));
    };
    auto const of_queries = [](std::vector<eg::node> const& heads) { return eg::nodes(heads); };
    auto const of_keys = [](std::vector<eg::node> const& heads) { return eg::kv_nodes(eg::kv_heads_of<D>(heads)); };
    eg::table<eg::circuit> const each{{{"set", sets.size()}}, sets};
    return means(eg::sweep(
        model, clean, each,
        [&](eg::circuit const& c) {
            return of_groups(c, part::z, eg::z, of_queries) | of_groups(c, part::q, eg::q, of_queries) |
                   of_groups(c, part::k, eg::k, of_keys) | of_groups(c, part::v, eg::v, of_keys);
        },
        {eg::accuracy(p.answers)}, options()));
}

template <eg::description D>
std::vector<double> lab_of<D>::knocked_out(std::string const& name, eg::boxes::prompts const& p, eg::role const& from,
                                           eg::role const& to) {
    auto const& model = of(name);
    auto const clean = model.run(p.tokens, eg::capture_for_sweeps<D>());
    return means(eg::sweep(
        model, clean, eg::each_layer<D>(),
        [&](int first) { return eg::knockout(eg::layers(first, D.layers), eg::at(from), eg::at(to)); },
        {eg::accuracy(p.answers)}, options()));
}

template std::vector<double> lab_of<described>::swapped(part, std::string const&, std::string const&,
                                                        eg::boxes::prompts const&, std::vector<eg::circuit> const&);
template std::vector<double> lab_of<described>::knocked_out(std::string const&, eg::boxes::prompts const&,
                                                            eg::role const&, eg::role const&);

} // namespace paper
