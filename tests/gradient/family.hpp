#pragma once

#include "gradient/checks.hpp"

namespace checks {

/// A family: the reference's gradients against differences at every site, those without patterns against those with,
/// and the cpu's against the reference's.
template <eg::description const& D>
void check_family(reading const& what) {
    auto const prompts = prompts_of(3, D.vocab, {7, 1, 5});
    auto const exact = random_model<D, eg::reference>(1);
    auto const fast = random_model<D, eg::cpu<eg::fp32>>(1, eg::cpu<eg::fp32>(2));
    auto const all = all_of_them<D>(gradient_everywhere<D>(exact, prompts, eg::identity, what), sites_of<D>{});
    check_every_site<D>(exact, prompts, eg::identity, what, all);
    check_close(all_of_them<D>(gradient_everywhere<D>(fast, prompts, eg::identity, what), sites_of<D>{}), all);
    // Without patterns attention goes back another way.
    using few_sites = eg::site_list<eg::sites::resid_pre, eg::sites::q, eg::sites::k, eg::sites::v>;
    auto const without_patterns = [&](auto const& model) {
        return all_of_them<D>(
            eg::gradient(model, prompts, eg::identity, capture_of(few_sites{}), what.metric, what.options()),
            few_sites{});
    };
    std::map<std::string, numbers> few;
    for (auto const& [name, gradient] : all)
        for (std::string const one : {"resid_pre ", "q ", "k ", "v "})
            if (name.starts_with(one))
                few[name] = gradient;
    check_close(without_patterns(exact), few);
    check_close(without_patterns(fast), few);
}

} // namespace checks
