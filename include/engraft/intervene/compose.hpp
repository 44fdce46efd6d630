#pragma once

#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

#include <engraft/core/pack.hpp>
#include <engraft/intervene/bound_checks.hpp>
#include <engraft/intervene/policy.hpp>
#include <engraft/intervene/selection.hpp>

namespace engraft {

namespace detail {

template <class Sites, class P>
inline constexpr bool alters_any = false;
template <site... S, class P>
inline constexpr bool
    alters_any<site_list<S...>, P> = ((P::writes::template contains<S> || P::blocks::template contains<S>) || ...);

/// The types alone say that one policy holds what another one changes.
template <class Holder, class... P>
inline constexpr bool holds_what_others_change = Holder::acts_everywhere &&
                                                 ((P::acts_everywhere && alters_any<typename Holder::holds, P>) || ...);

} // namespace detail

/// Policies one after the other: left to right at one site, in forward order between sites however they were written.
/// Always flat, so that (a | b) | c and a | (b | c) are the same value of the same type; without any it does nothing.
template <policy... P>
struct composed : touches_nothing {
    using reads = join<typename P::reads...>;
    using writes = join<typename P::writes...>;
    using captures = join<typename P::captures...>;
    using holds = join<typename P::holds...>;
    using blocks = join<typename P::blocks...>;
    detail::pack<P...> policies;

    constexpr composed() requires(sizeof...(P) == 0) {}
    constexpr explicit composed(detail::pack<P...> p) : policies(std::move(p)) {}

    template <description const& D, class Backend>
    static constexpr void check() {
        (P::template check<D, Backend>(), ...);
        static_assert(
            !(detail::holds_what_others_change<P, P...> || ...),
            "engraft [freeze.overlap]: freeze holds all of a site that another policy writes to; leave one of "
            "the two out, or give each places of its own");
    }

    template <description const& D>
    void leave_footprint(auto& all, ragged const& rows, bool) const {
        policies.apply([&](auto const&... one) { (one.template leave_footprint<D>(all, rows, P::may_not_fire), ...); });
    }
};

/// The policy that changes nothing.
inline constexpr composed<> identity{};

namespace detail {
template <class... P>
auto compose(P... policies) {
    return composed<P...>(pack<P...>{{std::move(policies)}...});
}
} // namespace detail

template <policy... A, policy... B>
auto operator|(composed<A...> a, composed<B...> b) {
    return std::move(a.policies).apply([&](A&&... first) {
        return std::move(b.policies).apply([&](B&&... then) {
            return detail::compose(std::move(first)..., std::move(then)...);
        });
    });
}
template <policy... A, policy B>
auto operator|(composed<A...> a, B b) {
    return std::move(a) | detail::compose(std::move(b));
}
template <policy A, policy... B>
auto operator|(A a, composed<B...> b) {
    return detail::compose(std::move(a)) | std::move(b);
}
template <policy A, policy B>
auto operator|(A a, B b) {
    return detail::compose(std::move(a), std::move(b));
}

/// A policy that may turn out to do nothing: see `may_not_fire`.
template <policy P>
struct optional_policy : P {
    static constexpr bool may_not_fire = true;

    explicit optional_policy(P p) : P(std::move(p)) {}

    template <class Binding>
    auto bind(Binding run) const {
        run.may_not_fire = true;
        return P::bind(run);
    }
};

/// A policy that acts on nothing, for want of places or because its condition never holds, is an error
/// [where.nothing, policy.never_fired], since it would pass for an intervention without effect. This allows it.
template <policy P>
auto may_not_fire(P p) {
    return optional_policy<P>(std::move(p));
}
template <policy... P>
auto may_not_fire(composed<P...> c) {
    return std::move(c.policies).apply([](P&&... one) {
        return detail::compose(optional_policy<P>(std::move(one))...);
    });
}

namespace detail {
template <class Bound>
class bound_list {
public:
    explicit bound_list(std::vector<Bound> list) : list_(std::move(list)) {}

    template <description const& D, site S>
    void apply(hook_point<D, S> const& point, auto view) {
        for (auto& one : list_)
            one.apply(point, view);
    }

    std::size_t fired() const {
        std::size_t sum = 0;
        for (auto const& one : list_)
            sum += one.fired();
        return sum;
    }

    std::vector<selection const*> chosen() const {
        std::vector<selection const*> all;
        for (auto const& one : list_)
            for (auto const* chosen : one.chosen())
                all.push_back(chosen);
        return all;
    }

    std::vector<Bound> take() && { return std::move(list_); }

    std::vector<row_slice> slices_of(std::size_t layer) const {
        std::vector<row_slice> all;
        for (auto const& one : list_) {
            auto const more = one.slices_of(layer);
            all.insert(all.end(), more.begin(), more.end());
        }
        return all;
    }

private:
    std::vector<Bound> list_;
};
} // namespace detail

/// As many policies of one type as a program has when it runs: see `all_of`.
template <policy P>
struct policy_list : P {
    std::vector<P> list;

    explicit policy_list(std::vector<P> l) : P(l.front()), list(std::move(l)) {}

    template <description const& D>
    void leave_footprint(auto& all, ragged const& rows, bool may_do_nothing) const {
        for (auto const& one : list)
            one.template leave_footprint<D>(all, rows, may_do_nothing);
    }

    template <class Binding>
    auto bind(Binding const& run) const {
        std::vector<decltype(list.front().bind(run))> bound;
        for (auto const& one : list)
            bound.push_back(one.bind(run));
        return detail::bound_list(std::move(bound));
    }
};

/// Policies of one type, one after the other as with |, when only the running program knows how many: all groups of a
/// circuit, all rows of a table. throws bad_input for none
template <policy P>
    requires(P::captures::size == 0)
auto all_of(std::vector<P> list) {
    if (list.empty())
        throw bad_input("engraft [all_of.none]: a list of no policies; leave it out if that is meant");
    return policy_list<P>(std::move(list));
}

namespace detail {

template <class P, class S>
inline constexpr bool changes =
    P::writes::template contains<S> || P::holds::template contains<S> || P::blocks::template contains<S>;
template <class P, class S>
inline constexpr bool touches = P::reads::template contains<S> || changes<P, S>;

/// A composition bound to a run. Sites that no policy touches leave no trace: which those are the compiler knows.
template <class Policy, class... Bound>
class bound_hooks;

template <class... P, class... Bound>
class bound_hooks<composed<P...>, Bound...> {
public:
    template <site S>
    static constexpr bool touched = (touches<P, S> || ...);
    template <site S>
    static constexpr bool written = (changes<P, S> || ...);
    /// Whether a run under these policies can differ from a clean one.
    static constexpr bool edits = ((P::writes::size + P::holds::size + P::blocks::size > 0) || ...);

    /// throws bad_input when a policy writes to a place that another one holds
    explicit bound_hooks(pack<Bound...> bound) : bound_(std::move(bound)) {
        bound_.apply([&](auto const&... one) { (require_unwritten<P>(one), ...); });
    }

    /// Each query keeps a key to attend to. throws bad_input when all policies together leave it none
    template <description const& D>
    void require_visible() const {
        if constexpr (((P::blocks::size > 0) || ...))
            for (int layer = 0; layer < D.layers; ++layer) {
                std::vector<row_slice> blocked;
                bound_.apply([&](auto const&... one) { (append_blocked<P>(blocked, one, layer), ...); });
                require_key(std::move(blocked), shape_of_attention<D>(layer), layer);
            }
    }

    /// Attention is blocked somewhere in these layers by each policy that is to block it.
    /// throws bad_input when one blocks none and must not
    void require_blocking(int layers) const {
        if constexpr (((P::blocks::size > 0) || ...)) {
            std::vector<std::size_t> counts;
            bound_.apply([&](auto const&... one) { (counts.push_back(count_blocked<P>(one, layers)), ...); });
            std::size_t i = 0;
            ((P::may_not_fire || P::blocks::size == 0 ? void() : require_fired(i, counts), ++i), ...);
        }
    }

    template <description const& D, site S>
    void apply(hook_point<D, S> const& point, auto view) {
        bound_.apply([&](auto&... one) { (apply_one<P>(one, point, view), ...); });
    }

    /// Slices that each policy acted on. throws bad_input when one acted on none and must not
    std::vector<std::size_t> fired() const {
        std::vector<std::size_t> counts;
        bound_.apply([&](auto const&... one) { (counts.push_back(one.fired()), ...); });
        [[maybe_unused]] std::size_t i = 0;
        ((P::may_not_fire ? void() : require_fired(i, counts), ++i), ...);
        return counts;
    }

    /// The first block that a policy acts on a site of; as many as there are for none.
    int first_layer(int layers) const {
        int first = layers;
        bound_.apply([&](auto const&... one) { ((first = first_chosen(one.chosen(), first, layers)), ...); });
        return first;
    }

    /// throws bad_input when a policy acts only behind the first `layers` blocks
    void require_reached(int layers) const {
        [[maybe_unused]] std::size_t i = 0;
        bound_.apply([&](auto const&... one) {
            ((P::may_not_fire ? void() : require_chosen(one.chosen(), layers, i), ++i), ...);
        });
    }

private:
    template <class Policy, description const& D, site S>
    static void apply_one(auto& one, hook_point<D, S> const& point, auto view) {
        if constexpr (touches<Policy, S>)
            one.apply(point, view);
    }

    template <class Policy>
    static void append_blocked(std::vector<row_slice>& blocked, auto const& one, int layer) {
        if constexpr (Policy::blocks::size > 0) {
            auto const more = one.slices_of(static_cast<std::size_t>(layer));
            blocked.insert(blocked.end(), more.begin(), more.end());
        }
    }

    template <class Policy>
    static std::size_t count_blocked(auto const& one, int layers) {
        std::size_t count = 0;
        if constexpr (Policy::blocks::size > 0)
            for (int layer = 0; layer < layers; ++layer)
                count += one.slices_of(static_cast<std::size_t>(layer)).size();
        return count;
    }

    template <class Holder>
    void require_unwritten(auto const& holder) const {
        if constexpr (Holder::holds::size > 0)
            bound_.apply([&](auto const&... writer) { (require_apart<Holder, P>(holder, writer), ...); });
    }

    template <class Holder, class Writer>
    static void require_apart(auto const& holder, auto const& writer) {
        if constexpr (alters_any<typename Holder::holds, Writer>)
            detail::require_apart(holder.chosen(), writer.chosen());
    }

    pack<Bound...> bound_;
};

template <class... P, class Binding>
auto bind_all(composed<P...> const& policy, Binding const& run) {
    auto hooks = policy.policies.apply([&](auto const&... one) {
        return bound_hooks<composed<P...>, decltype(one.bind(run))...>(
            pack<decltype(one.bind(run))...>{{one.bind(run)}...});
    });
    hooks.template require_visible<Binding::model>();
    return hooks;
}

template <class P, class Binding>
auto bind_all(P const& policy, Binding const& run) {
    return bind_all(compose(policy), run);
}

} // namespace detail
} // namespace engraft
