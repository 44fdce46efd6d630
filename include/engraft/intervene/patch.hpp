#pragma once

#include <engraft/intervene/donor.hpp>

namespace engraft {

/// The source's activations are those of the model that is edited.
struct patch_rule {
    template <description const& D, class Donor>
    static constexpr void check() {
        static_assert(decltype(Donor::run)::model == D, "engraft [patch.same_model]: patch takes activations of the "
                                                        "model it edits; to take those of another model use swap");
    }

    void require(auto const& run, auto const& donor) const {
        if (donor.run.weights_identity() != run.weights)
            throw bad_input("engraft [patch.same_model]: the source run is of other weights than the model that is "
                            "patched; to take activations of another model use swap");
    }
};

/// patch(site, where, source): at each chosen place the activation becomes that of `source`, a run with capture(site),
/// at the same layer, head and number of example. Negative positions count from the source prompt's own end, roles made
/// with `from` are looked up at their source positions, and all other positions need prompts of equal length
/// [source.length]. Where two policies write to one place of one site, the right one wins.
/// source Meng et al. 2022, section 2.1 ("causal tracing"); Prakash et al. 2024, section 5.1
template <site S, class Where, source_run Source>
    requires detail::is_where<Where>
auto patch(S, Where where, Source const& source) { return patch(S{}, std::move(where), source, S{}); }

/// patch(site, where, source, from): the same, taking another site of the same kind, such as resid_pre for resid_post.
template <site S, class Where, source_run Source, site From>
    requires detail::is_where<Where>
auto patch(S, Where where, Source const& source, From) {
    detail::require_holds<Source, From>();
    using operation = copied<from_run<From, Source>, patch_rule>;
    return slice_policy<touch::writes, S, Where, operation>(std::move(where), operation{{source}});
}

} // namespace engraft
