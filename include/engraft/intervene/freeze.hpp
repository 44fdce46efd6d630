#pragma once

#include <engraft/intervene/patch.hpp>

namespace engraft {

/// The source is an unedited run of this model on these tokens.
struct freeze_rule : patch_rule {
    void require(auto const& run, auto const& donor) const {
        patch_rule::require(run, donor);
        if (donor.run.edited() || donor.run.tokens() != run.tokens || !(donor.run.rows() == run.rows))
            throw bad_input("engraft [freeze.clean]: freeze holds activations at their clean values, but the source is "
                            "an edited run or a run of other tokens; use patch for those");
    }
};

/// freeze(site, where, clean): holds activations at their values in `clean`, this model's unedited run on the same
/// tokens with capture(site), whatever is changed before them. What is held can't be patched too [freeze.overlap].
/// source Wang et al. 2023, section 3.1 (path patching)
template <site S, class Where, source_run Source>
    requires detail::is_where<Where>
auto freeze(S, Where where, Source const& clean) {
    detail::require_holds<Source, S>();
    using operation = copied<from_run<S, Source>, freeze_rule>;
    return slice_policy<touch::holds, S, Where, operation>(std::move(where), operation{{clean}});
}

} // namespace engraft
