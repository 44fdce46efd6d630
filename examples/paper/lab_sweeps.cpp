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
    auto const one = [&](part asked, auto site, eg::circuit_group const& g) {
        auto const heads = asked == what ? g.heads : std::vector<eg::node>{};
        return eg::may_not_fire(eg::swap(site, eg::nodes(heads).at(p.role(g.role)), source));
    };
    auto const one_of_kv = [&](part asked, auto site, eg::circuit_group const& g) {
        auto const heads = asked == what ? eg::kv_heads_of<D>(g.heads) : std::vector<eg::node>{};
        return eg::may_not_fire(eg::swap(site, eg::kv_nodes(heads).at(p.role(g.role)), source));
    };
    auto const of_group = [&](eg::circuit_group const& g) {
        return one(part::z, eg::z, g) | one(part::q, eg::q, g) | one_of_kv(part::k, eg::k, g) |
               one_of_kv(part::v, eg::v, g);
    };
    eg::table<eg::circuit> const each{{{"set", sets.size()}}, sets};
    return means(eg::sweep(
        model, clean, each,
        [&](eg::circuit const& c) {
            std::vector<decltype(of_group(c.groups.front()))> groups;
            for (auto const& g : c.groups)
                groups.push_back(of_group(g));
            return eg::all_of(std::move(groups));
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
