#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include <engraft/core/linkage.hpp>
#include <engraft/intervene/asked_lines.hpp>
#include <engraft/intervene/compose.hpp>
#include <engraft/intervene/footprint.hpp>

namespace engraft::detail {

/// Collects the lines of attention that policies touch, from their footprints.
class line_collector {
public:
    line_collector(ragged const& rows, std::size_t layers) : rows_(rows) {
        found_.layers.resize(layers);
        found_.number_of.assign(rows.rows(), asked_lines::absent);
    }

    void add(int site, touch, bool, int, selection const& chosen, policy_details = {}) {
        if (site == site_index<sites::scores> || site == site_index<sites::pattern>)
            add(chosen);
    }

    /// None if most lines are asked for; then the run makes all of them.
    std::optional<asked_lines> take() &&;

private:
    void add(selection const& chosen);

    ragged const& rows_;
    asked_lines found_;
};

template <class P>
inline constexpr bool touches_lines = touches<P, sites::scores> || touches<P, sites::pattern>;
template <class... P>
inline constexpr bool touches_lines<composed<P...>> = (touches_lines<P> || ...);

template <description const& D, class P>
void add_lines(P const& policy, line_collector& all, ragged const& rows) {
    if constexpr (touches_lines<P>)
        policy.template leave_footprint<D>(all, rows, P::may_not_fire);
}

/// The lines that a run under these policies makes; nothing if it makes all lines or no lines.
/// throws, as the policies' `bind` does, for places that do not fit the batch
template <description const& D, class... P>
std::optional<asked_lines> lines_of(composed<P...> const& policy, ragged const& rows) {
    if constexpr ((touches_lines<P> || ...) && ((!touches_lines<P> || has_footprint<P>)&&...)) {
        line_collector all(rows, static_cast<std::size_t>(D.layers));
        policy.policies.apply([&](auto const&... one) { (add_lines<D>(one, all, rows), ...); });
        return std::move(all).take();
    } else {
        return {};
    }
}
template <description const& D, class P>
std::optional<asked_lines> lines_of(P const& policy, ragged const& rows) {
    return lines_of<D>(compose(policy), rows);
}

} // namespace engraft::detail

#ifndef ENGRAFT_COMPILED
#include <engraft/run/source/lines_of.ipp>
#endif
