#pragma once

#include <engraft/intervene/donor.hpp>

namespace engraft {

/// swap(site, where, source): as `patch`, with `source` a run of another model, usually on the same tokens (cross-model
/// activation patching, CMAP). Prompts of unequal length: as for `patch`. source Prakash et al. 2024, section 6.1
template <site S, class Where, source_run Source>
    requires detail::is_where<Where>
auto swap(S, Where where, Source const& source) {
    detail::require_holds<Source, S>();
    using operation = copied<from_run<S, Source>, any_donor>;
    return slice_policy<touch::writes, S, Where, operation>(std::move(where), operation{{source}});
}

} // namespace engraft
