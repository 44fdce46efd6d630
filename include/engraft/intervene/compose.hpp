#pragma once

#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include <engraft/core/pack.hpp>
#include <engraft/intervene/bound_policy.hpp>
#include <engraft/intervene/policy.hpp>
#include <engraft/intervene/selection.hpp>

namespace engraft {

namespace detail {

template <class B>
class bound_list;
template <description const& D, class P, class B, class Bound>
std::unique_ptr<bound_policy<B>> owned(Bound bound);

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
        using backend = typename Binding::backend_type;
        detail::bound_list<backend> bound;
        for (auto const& one : list)
            bound.add(detail::owned<Binding::model, P, backend>(one.bind(run)));
        return bound;
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

} // namespace detail
} // namespace engraft
