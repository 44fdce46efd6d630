#pragma once

#include <tuple>
#include <utility>

#include <engraft/intervene/policy.hpp>

namespace engraft {

/// Policies one after the other: left to right at one site, in forward order between sites however they were written.
/// Always flat, so that (a | b) | c and a | (b | c) are the same value of the same type; without any it does nothing.
template <policy... P>
struct composed {
    using reads = join<typename P::reads...>;
    using writes = join<typename P::writes...>;
    using captures = join<typename P::captures...>;
    std::tuple<P...> policies;

    template <description D, class Backend>
    static constexpr void check() {
        (P::template check<D, Backend>(), ...);
    }
};

/// The policy that changes nothing.
inline constexpr composed<> identity{};

namespace detail {
template <class P>
auto flat(P p) {
    return std::tuple<P>(std::move(p));
}
template <class... P>
auto flat(composed<P...> c) {
    return std::move(c.policies);
}
template <class... P>
auto compose(std::tuple<P...> policies) {
    return composed<P...>{std::move(policies)};
}
} // namespace detail

template <policy A, policy B>
auto operator|(A a, B b) {
    return detail::compose(std::tuple_cat(detail::flat(std::move(a)), detail::flat(std::move(b))));
}

namespace detail {

template <class P, class S>
inline constexpr bool touches = P::reads::template contains<S> || P::writes::template contains<S>;

/// A composition bound to a run. Sites that no policy touches leave no trace: which those are the compiler knows.
template <class Policy, class... Bound>
class bound_hooks;

template <class... P, class... Bound>
class bound_hooks<composed<P...>, Bound...> {
public:
    template <site S>
    static constexpr bool touched = (touches<P, S> || ...);
    template <site S>
    static constexpr bool written = (P::writes::template contains<S> || ...);

    explicit bound_hooks(std::tuple<Bound...> bound) : bound_(std::move(bound)) {}

    template <description D, site S>
    void apply(hook_point<D, S> const& point, auto view) {
        std::apply([&](auto&... one) { (apply_one<P>(one, point, view), ...); }, bound_);
    }

private:
    template <class Policy, description D, site S>
    static void apply_one(auto& one, hook_point<D, S> const& point, auto view) {
        if constexpr (touches<Policy, S>)
            one.apply(point, view);
    }

    std::tuple<Bound...> bound_;
};

template <class... P, class Binding>
auto bind_all(composed<P...> const& policy, Binding const& run) {
    return std::apply(
        [&](auto const&... one) {
            return bound_hooks<composed<P...>, decltype(one.bind(run))...>(
                std::tuple<decltype(one.bind(run))...>(one.bind(run)...));
        },
        policy.policies);
}

template <class P, class Binding>
auto bind_all(P const& policy, Binding const& run) {
    return bind_all(composed<P>{std::tuple<P>(policy)}, run);
}

} // namespace detail
} // namespace engraft
