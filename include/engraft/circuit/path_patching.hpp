#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <engraft/circuit/discovery.hpp>
#include <engraft/intervene/freeze.hpp>
#include <engraft/intervene/patch.hpp>
#include <engraft/run/sweep.hpp>

namespace engraft {

namespace detail {

/// Of each example the role's position and all behind it.
inline std::vector<std::vector<long>> from_role_on(role const& at, ragged const& rows) {
    std::vector<std::vector<long>> positions(rows.examples());
    for (auto const& place : places_of(at, rows))
        for (auto p = place.position; p < rows.length(place.example); ++p)
            positions[place.example].push_back(static_cast<long>(p));
    return positions;
}

} // namespace detail

/// The policy of path patching's first pass, as a functor of the sender: the sender's z at the role comes from the
/// noise run, every other head's z from that position on is held at its clean value; MLPs are recomputed. sender: the
/// role of the senders; where it stands elsewhere in the noise prompts, made with `role::from` clean: the model's
/// unedited run with z captured; noise: its run on the noise prompts with z captured
template <class Clean, class Noise>
auto path_from_sender(Clean const& clean, Noise const& noise, role const& sender) {
    return [&clean, &noise, sender, behind = detail::from_role_on(sender, clean.rows())](node head) {
        auto const one = nodes({head}).at(sender);
        return freeze(sites::z{}, at_each(behind) - one, clean) | patch(sites::z{}, one, noise);
    };
}

/// What the direct path from each head to the logits does: scores of all heads as senders. axes [layer, head, example];
/// `relative_change()` of the probability of the answers is the paper's score.
/// throws bad_input and its family as `sweep`
/// source Wang et al. 2023, section 3.1; Prakash et al. 2024, section 4.1
template <description const& D, class B, class Clean, class Noise>
sweep_result path_patching(model<D, B> const& m, Clean const& clean, Noise const& noise, role const& sender,
                           std::vector<metric> metrics, sweep_options options = {}) {
    return sweep(m, clean, each_head<D>(), path_from_sender(clean, noise, sender), std::move(metrics),
                 std::move(options));
}

/// The same to the receivers' inputs. Senders at or above the last receiver's layer have exactly the clean numbers.
template <description const& D, class B, class Clean, class Noise, site S, class Where>
sweep_result path_patching(model<D, B> const& m, Clean const& clean, Noise const& noise, role const& sender,
                           receivers_of<S, Where> const& to, std::vector<metric> metrics, sweep_options options = {}) {
    return sweep(m, clean, each_head<D>(), path_from_sender(clean, noise, sender), to, std::move(metrics),
                 std::move(options));
}

/// The key/value heads that these query heads read, each once.
template <description const& D>
std::vector<node> kv_heads_of(std::vector<node> heads) {
    for (auto& n : heads)
        n.head /= D.heads / D.kv_heads;
    std::sort(heads.begin(), heads.end());
    heads.erase(std::unique(heads.begin(), heads.end()), heads.end());
    return heads;
}

/// One step of the search for a circuit: heads at a role that act on the logits, or on what the heads of an earlier
/// group read.
struct discovery_step {
    enum class input { of_logits, of_queries, of_values };
    std::string group; ///< name of the group that is found
    role sender;       ///< its role; with `from`, the noise prompts' role
    std::size_t count; ///< heads to take: those with the lowest scores
    input to = input::of_logits;
    std::string receivers{}; ///< name of the group that reads, where `to` is not the logits
};

/// What becomes of heads that two groups of one role have found.
enum class shared_heads { in_later_group, in_earlier_group, in_both };

/// What a search found.
struct discovery {
    circuit found;
    struct step {
        std::vector<double> change; ///< [layers, heads]: mean of (p - clean p) / clean p
        sweep_result patched;       ///< of each example; what it cost
    };
    std::vector<step> steps;
};

namespace detail {

/// Calls use(policy of a sender) or use(policy of a sender, receivers): the sweep that a step takes.
template <description const& D, class Clean, class Noise, class Use>
auto sweep_of_step(Clean const& clean, Noise const& noise, discovery_step const& step, std::vector<node> const& readers,
                   Use const& use) {
    auto const first = path_from_sender(clean, noise, step.sender);
    role at = step.sender;
    at.source_positions.clear();
    switch (step.to) {
    case discovery_step::input::of_logits:
        return use(first);
    case discovery_step::input::of_queries:
        return use(first, receivers(sites::q{}, readers, at));
    default:
        return use(first, receivers(sites::v{}, kv_heads_of<D>(readers), at));
    }
}

} // namespace detail

/// The sweep of one step: all heads as senders, and the heads of `readers` as receivers where they are asked for.
/// clean: a run with capture_for_sweeps<D>() and capture(q); noise: a run on the noise prompts with capture(z).
/// throws as `sweep`
template <description const& D, class B, class Clean, class Noise>
sweep_result patch_step(model<D, B> const& m, Clean const& clean, Noise const& noise, std::vector<token> const& answers,
                        discovery_step const& step, std::vector<node> const& readers,
                        sweep_options const& options = {}) {
    return detail::sweep_of_step<D>(clean, noise, step, readers, [&](auto const& sender, auto const&... to) {
        return sweep(m, clean, each_head<D>(), sender, to..., {probability(answers)}, options);
    });
}

/// Searches a circuit step by step with a function patched(number, readers) that gives the sweep of a step, such as
/// `patch_step` over prompts that are taken in parts. heads: of a layer
/// throws bad_input for a step whose receivers no earlier step found
template <class Patched>
discovery discover_by(std::vector<discovery_step> const& steps, int heads, Patched const& patched,
                      shared_heads rule = shared_heads::in_later_group) {
    discovery all;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        auto const& step = steps[i];
        sweep_result of_step = patched(
            i, step.to == discovery_step::input::of_logits ? std::vector<node>{} : all.found[step.receivers].heads);
        auto change = of_step.relative_change();
        all.found.groups.push_back({step.group, step.sender.name, lowest_heads(change, heads, step.count)});
        all.steps.push_back({std::move(change), std::move(of_step)});
    }
    if (rule == shared_heads::in_later_group)
        all.found = without_overlap(std::move(all.found));
    if (rule == shared_heads::in_earlier_group) {
        std::reverse(all.found.groups.begin(), all.found.groups.end());
        all.found = without_overlap(std::move(all.found));
        std::reverse(all.found.groups.begin(), all.found.groups.end());
    }
    return all;
}

/// Searches a circuit step by step: the heads whose direct path to the logits matters most, then those whose paths to
/// these heads' queries or values do. The paper's search:
///
///     discover(model, clean, noise, answers,
///              {{"value_fetcher", last, 58},
///               {"position_transmitter", last, 10, discovery_step::input::of_queries, "value_fetcher"},
///               {"position_detector", query_label, 25, discovery_step::input::of_values, "position_transmitter"},
///               {"structure_reader", previous_query_label, 5, discovery_step::input::of_values,
///               "position_detector"}});
///
/// clean: a run with capture_for_sweeps<D>() and capture(q); noise: a run on the noise prompts with capture(z).
/// `options.progress` gets the share of all steps. With `options.journal` a search that was stopped goes on.
/// throws bad_input for a step whose receivers no earlier step found, and as `sweep`
/// source Prakash et al. 2024, section 4.1
template <description const& D, class B, class Clean, class Noise>
discovery discover(model<D, B> const& m, Clean const& clean, Noise const& noise, std::vector<token> const& answers,
                   std::vector<discovery_step> const& steps, sweep_options const& options = {},
                   shared_heads rule = shared_heads::in_later_group) {
    return discover_by(
        steps, D.heads,
        [&](std::size_t i, std::vector<node> const& readers) {
            auto of_step = options;
            if (options.progress)
                of_step.progress = [&](double share) {
                    options.progress((static_cast<double>(i) + share) / static_cast<double>(steps.size()));
                };
            return patch_step(m, clean, noise, answers, steps[i], readers, of_step);
        },
        rule);
}

/// What each step of `discover` would cost. Receivers that are in no group of `known` are taken to be all heads, since
/// who they are only the steps before can tell: such a step costs at most what is planned. throws as `plan_sweep`
template <description const& D, class B, class Clean, class Noise>
std::vector<sweep_plan> plan_discovery(model<D, B> const& m, Clean const& clean, Noise const& noise,
                                       std::vector<token> const& answers, std::vector<discovery_step> const& steps,
                                       sweep_options const& options = {}, circuit const& known = {}) {
    std::vector<sweep_plan> plans;
    for (auto const& step : steps) {
        auto const* group = known.find(step.receivers);
        plans.push_back(detail::sweep_of_step<D>(clean, noise, step, group ? group->heads : each_head<D>().entries,
                                                 [&](auto const& sender, auto const&... to) {
                                                     return plan_sweep(m, clean, each_head<D>(), sender, to...,
                                                                       {probability(answers)}, options);
                                                 }));
    }
    return plans;
}

} // namespace engraft
