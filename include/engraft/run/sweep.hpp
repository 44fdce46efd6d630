#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include <engraft/intervene/compose.hpp>
#include <engraft/run/sweeper.hpp>
#include <engraft/run/table.hpp>

namespace engraft {

namespace detail {

/// Every policy of a composition says where it acts: what a sweep goes by.
template <class P>
inline constexpr bool all_have_footprints = has_footprint<P>;
template <class... P>
inline constexpr bool all_have_footprints<composed<P...>> = (has_footprint<P> && ...);

template <description const& D, class B, class Clean, class Entry, class PolicyOf>
auto make_sweeper(model<D, B> const& m, Clean const& clean, table<Entry> const& t, PolicyOf const& policy_of,
                  std::vector<metric> metrics, sweep_options options, bool computes) {
    using policy_type = decltype(policy_of(t.entries.front()));
    static_assert(policy<policy_type>,
                  "engraft [sweep.policy]: the fourth argument is a function that returns a policy for an entry of "
                  "the table, for example what ablate or patch returns; this one returns something else");
    static_assert(policy_type::captures::size == 0, "engraft [sweep.capture]: a sweep keeps what its metrics read and "
                                                    "nothing else; capture in model.run");
    static_assert(policy_type::reads::size == 0,
                  "engraft [sweep.reads]: a sweep computes only the rows that can differ, "
                  "so a policy that only looks would see some; look in model.run");
    static_assert(all_have_footprints<policy_type>,
                  "engraft [sweep.footprint]: a policy does not say where it acts, so nothing can be planned by it; "
                  "give it leave_footprint, see intervene/policy.hpp");
    static_assert(Clean::model == D && std::is_same_v<typename Clean::backend_type, B> &&
                      holds_all<Clean>(sites_for_sweeps<D>{}),
                  "engraft [sweep.clean]: the clean run is of another model or backend, or did not keep what sweeps "
                  "need; run the model with capture_for_sweeps<D>()");
    policy_type::template check<D, B>();
    std::size_t size = 1;
    for (auto const& a : t.axes)
        size *= a.size;
    if (size != t.entries.size())
        throw bad_input(
            {"engraft [sweep.table]: the table's axes make ", size, " entries, and it has ", t.entries.size()});
    std::vector<policy_type> policies;
    for (auto const& entry : t.entries)
        policies.push_back(policy_of(entry));
    if (clean.weights_identity() != m.shared_weights().get() || clean.edited())
        throw bad_input("engraft [sweep.clean]: the clean run must be an unedited run of the model that is swept");
    return sweeper<D, B>(m, clean_tables<D, B>(clean), t.axes,
                         std::make_unique<typed_entries<D, B, policy_type>>(std::move(policies)), std::move(metrics),
                         std::move(options), computes);
}

/// What receivers read in the clean run, at their layers.
template <description const& D, class B, class Clean, site S, class Where>
auto clean_receivers(Clean const& clean, receivers_of<S, Where> const& to) {
    static_assert(Clean::template holds<S>,
                  "engraft [cache.site]: the clean run did not keep the receivers' site; add capture(site) to it");
    std::vector<matrix<typename B::value_type const>> of_layers(std::size_t(D.layers));
    for (auto const& n : to.nodes)
        if (n.layer >= 0 && n.layer < D.layers) // others are refused by name when the receivers' `where` is resolved
            of_layers[static_cast<std::size_t>(n.layer)] = as_matrix(clean[S{}].whole(n.layer));
    return of_layers;
}

} // namespace detail

/// Runs one policy per entry of a table over all examples of a clean run, as rows beside it: only what a policy can
/// reach and a metric reads is computed, exactly. An intervention without effect has the clean run's numbers to the
/// bit.
///
///     auto const clean = model.run(prompts.tokens, capture_for_sweeps<D>());
///     auto const noise = model.run(others.tokens, capture(z));
///     auto const found = sweep(model, clean, each_head<D>(),
///                              [&](node n) { return patch(z, nodes({n}) & at(-1), noise); },
///                              {probability(prompts.answers)});
///     found.of();   // [layer, head, example]
///
/// throws bad_input and its family as `model.run` does, before anything is computed. That a condition holds nowhere, or
/// in no row that is computed, is no error here.
template <description const& D, class B, class Clean, class Entry, class PolicyOf>
sweep_result sweep(model<D, B> const& m, Clean const& clean, table<Entry> const& t, PolicyOf const& policy_of,
                   std::vector<metric> metrics, sweep_options options = {}) {
    return detail::make_sweeper(m, clean, t, policy_of, std::move(metrics), std::move(options), true).run();
}

/// The same in two passes: what the receivers read under each policy of the table is patched into a second run without
/// it, of which the metrics are (path patching). Where no receiver can be reached nothing is computed.
/// source Wang et al. 2023, section 3.1; Prakash et al. 2024, section 4.1
template <description const& D, class B, class Clean, class Entry, class PolicyOf, site S, class Where>
sweep_result sweep(model<D, B> const& m, Clean const& clean, table<Entry> const& t, PolicyOf const& policy_of,
                   receivers_of<S, Where> const& to, std::vector<metric> metrics, sweep_options options = {}) {
    check_where<D, S, Where>();
    return detail::make_sweeper(m, clean, t, policy_of, std::move(metrics), std::move(options), true)
        .run(to, detail::clean_receivers<D, B>(clean, to));
}

/// What `sweep` of the same arguments would compute, without computing it. throws as `sweep`, also when the memory that
/// is allowed does not suffice [sweep.memory]
///
///     std::cout << plan_sweep(model, clean, each_head<D>(), policy_of, {probability(answers)}) << '\n';
template <description const& D, class B, class Clean, class Entry, class PolicyOf>
sweep_plan plan_sweep(model<D, B> const& m, Clean const& clean, table<Entry> const& t, PolicyOf const& policy_of,
                      std::vector<metric> metrics, sweep_options options = {}) {
    return detail::make_sweeper(m, clean, t, policy_of, std::move(metrics), std::move(options), false).run().planned;
}
template <description const& D, class B, class Clean, class Entry, class PolicyOf, site S, class Where>
sweep_plan plan_sweep(model<D, B> const& m, Clean const& clean, table<Entry> const& t, PolicyOf const& policy_of,
                      receivers_of<S, Where> const& to, std::vector<metric> metrics, sweep_options options = {}) {
    check_where<D, S, Where>();
    return detail::make_sweeper(m, clean, t, policy_of, std::move(metrics), std::move(options), false)
        .run(to, detail::clean_receivers<D, B>(clean, to))
        .planned;
}

} // namespace engraft
