#pragma once

#include <algorithm>
#include <cstddef>
#include <tuple>
#include <utility>
#include <vector>

#include <engraft/backend/adjoint.hpp>
#include <engraft/intervene/compose.hpp>
#include <engraft/intervene/slices.hpp>

namespace engraft::detail {

/// Whether a policy changes what a run computes.
template <class P>
inline constexpr bool changes_anything = P::writes::size + P::holds::size + P::blocks::size > 0;

/// A bound policy that can be gone through backwards. While a block is computed again it does what it did the first
/// time and remembers what its derivative needs; the same block's gradient then goes through it the other way.
template <class Bound>
class reversed;

template <class Backend, class Act, class Condition, bool Early>
class reversed<bound_slices<Backend, Act, Condition, Early>> {
public:
    using bound = bound_slices<Backend, Act, Condition, Early>;
    using T = typename Backend::value_type;
    using memory = typename Backend::memory_type;

    reversed(Backend const& backend, bound policy)
        : backend_(&backend), policy_(std::move(policy)),
          sums_(vector_tensor<double, memory>::from_host(std::vector<double>(policy_.act().sums()),
                                                         extents<dynamic>(policy_.act().sums()))) {}

    void apply(auto const& point, auto const& view) { apply(point.layer(), view.data(), view.size()); }

    void pull_back(adjoints<Backend> const& adjoint, auto const& point, auto const& gradient) {
        pull_back(adjoint, point.layer(), gradient.data());
    }

    std::vector<double> parameters() const {
        return policy_.act().sums() == 0 ? std::vector<double>{} : policy_.act().parameters(sums_.to_host());
    }

    /// The first block that it acts in and has parameters; `layers` for none.
    int first_layer(int layers) const {
        if (policy_.act().sums() == 0 || !Early)
            return layers;
        auto const& chosen = *policy_.chosen().front();
        for (int layer = 0; layer < static_cast<int>(chosen.heads.size()); ++layer)
            if (chosen.chooses(static_cast<std::size_t>(layer)))
                return layer;
        return layers;
    }

private:
    void apply(int layer, T* elements, std::size_t size) {
        auto const* slices = policy_.lists().at(layer);
        if (!slices)
            return;
        if constexpr (!std::is_same_v<Condition, unconditional>) {
            selected_ = backend_->select_slices(elements, layer, *slices, policy_.condition());
            slices = &selected_;
        }
        if constexpr (Act::pulls_by_value) {
            if (before_.size() != size)
                before_ = vector_tensor<T, memory>(extents<dynamic>(size));
            backend_->copy(before_.data(), elements, size);
        }
        if (slices->size() > 0)
            policy_.act()(*backend_, elements, layer, *slices);
    }

    void pull_back(adjoints<Backend> const& adjoint, int layer, T* gradient) {
        auto const* slices = policy_.lists().at(layer);
        if (!slices)
            return;
        if constexpr (!std::is_same_v<Condition, unconditional>)
            slices = &selected_;
        if (slices->size() > 0)
            policy_.act().pull_back(*backend_, adjoint, gradient, std::as_const(before_).data(), layer, *slices,
                                    sums_.data());
    }

    Backend const* backend_;
    bound policy_;
    vector_tensor<T, memory> before_; ///< the site as it was found, in the block that is gone through
    typename slice_lists<Backend>::list selected_;
    vector_tensor<double, memory> sums_;
};

template <class Bound>
class reversed<bound_list<Bound>> {
public:
    reversed(auto const& backend, bound_list<Bound> policies) {
        auto each = std::move(policies).take();
        for (auto& one : each)
            list_.emplace_back(backend, std::move(one));
    }

    void apply(auto const& point, auto view) {
        for (auto& one : list_)
            one.apply(point, view);
    }
    void pull_back(auto const& adjoint, auto const& point, auto gradient) {
        for (auto one = list_.rbegin(); one != list_.rend(); ++one)
            one->pull_back(adjoint, point, gradient);
    }
    auto parameters() const {
        std::vector<decltype(list_.front().parameters())> all;
        for (auto const& one : list_)
            all.push_back(one.parameters());
        return all;
    }
    int first_layer(int layers) const {
        int first = layers;
        for (auto const& one : list_)
            first = std::min(first, one.first_layer(layers));
        return first;
    }

private:
    std::vector<reversed<Bound>> list_;
};

/// What stands for a policy that only looks.
struct only_looks {
    std::vector<double> parameters() const { return {}; }
    int first_layer(int layers) const { return layers; }
};

template <class P, class Binding>
auto reverse(P const& policy, Binding const& run) {
    if constexpr (changes_anything<P>)
        return reversed<decltype(policy.bind(run))>(run.backend, policy.bind(run));
    else
        return only_looks{};
}

/// A composition's policies, to be applied and then gone through backwards.
template <class Policy, class... Reversed>
class reversed_hooks;

template <class... P, class... Reversed>
class reversed_hooks<composed<P...>, Reversed...> {
public:
    template <site S>
    static constexpr bool touched = (changes<P, S> || ...);
    template <site S>
    static constexpr bool written = touched<S>;

    explicit reversed_hooks(pack<Reversed...> policies) : policies_(std::move(policies)) {}

    template <description const& D, site S>
    void apply(hook_point<D, S> const& point, auto view) {
        policies_.apply([&](auto&... one) { (apply_one<P>(one, point, view), ...); });
    }

    template <description const& D, site S>
    void pull_back(auto const& adjoint, hook_point<D, S> const& point, auto gradient) {
        pull_back(adjoint, point, gradient, std::index_sequence_for<P...>{});
    }

    /// Gradients with respect to the parameters of each policy.
    auto parameters() const {
        return policies_.apply([](auto const&... one) { return std::tuple(one.parameters()...); });
    }

    int first_layer(int layers) const {
        return policies_.apply([&](auto const&... one) { return std::min({layers, one.first_layer(layers)...}); });
    }

private:
    template <class Policy, description const& D, site S>
    static void apply_one(auto& one, hook_point<D, S> const& point, auto view) {
        if constexpr (changes<Policy, S>)
            one.apply(point, view);
    }

    template <description const& D, site S, std::size_t... I>
    void pull_back(auto const& adjoint, hook_point<D, S> const& point, auto gradient, std::index_sequence<I...>) {
        constexpr auto count = sizeof...(I);
        (pull_back_one<std::tuple_element_t<count - 1 - I, std::tuple<P...>>>(pack_at<count - 1 - I>(policies_),
                                                                              adjoint, point, gradient),
         ...);
    }

    template <class Policy, description const& D, site S>
    static void pull_back_one(auto& one, auto const& adjoint, hook_point<D, S> const& point, auto gradient) {
        if constexpr (changes<Policy, S>)
            one.pull_back(adjoint, point, gradient);
    }

    pack<Reversed...> policies_;
};

template <class... P, class Binding>
auto reverse_all(composed<P...> const& policy, Binding const& run) {
    return policy.policies.apply([&](auto const&... one) {
        return reversed_hooks<composed<P...>, decltype(reverse(one, run))...>(
            pack<decltype(reverse(one, run))...>{{reverse(one, run)}...});
    });
}

template <class P, class Binding>
auto reverse_all(P const& policy, Binding const& run) {
    return reverse_all(compose(policy), run);
}

/// Every policy of a composition only looks or has a derivative.
template <class Backend, class P>
inline constexpr bool has_derivative = !changes_anything<P> || requires {
    requires P::template differentiable<Backend>;
};
template <class Backend, class... P>
inline constexpr bool has_derivative<Backend, composed<P...>> = (has_derivative<Backend, P> && ...);

} // namespace engraft::detail
