#pragma once

#include <algorithm>
#include <cstddef>
#include <tuple>
#include <utility>
#include <vector>

#include <engraft/backend/adjoint.hpp>
#include <engraft/intervene/hooks.hpp>
#include <engraft/intervene/slices.hpp>

namespace engraft::detail {

/// Whether a policy changes what a run computes.
template <class P>
inline constexpr bool changes_anything = P::writes::size + P::holds::size + P::blocks::size > 0;

/// A policy of one site that is gone through backwards.
template <class Backend, class Act, class Condition>
class reversed_slices final : public reversed_policy<Backend> {
public:
    using bound = bound_slices<Backend, Act, Condition>;
    using typename bound_policy<Backend>::T;
    using memory = typename Backend::memory_type;

    reversed_slices(Backend const& backend, bound policy)
        : backend_(&backend), policy_(std::move(policy)),
          sums_(vector_tensor<double, memory>::from_host(std::vector<double>(policy_.act().sums()),
                                                         extents<dynamic>(policy_.act().sums()))) {}

    void apply(int, int layer, T* elements, std::size_t size) override {
        auto const* slices = policy_.slices().lists.at(layer);
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

    void pull_back(adjoints<Backend> const& adjoint, int, int layer, T* gradient) override {
        auto const* slices = policy_.slices().lists.at(layer);
        if (!slices)
            return;
        if constexpr (!std::is_same_v<Condition, unconditional>)
            slices = &selected_;
        if (slices->size() > 0)
            policy_.act().pull_back(*backend_, adjoint, gradient, std::as_const(before_).data(), layer, *slices,
                                    sums_.data());
    }

    std::vector<double> parameters() const {
        return policy_.act().sums() == 0 ? std::vector<double>{} : policy_.act().parameters(sums_.to_host());
    }

    int first_layer(int layers) const override {
        if (policy_.act().sums() == 0 || !policy_.slices().early)
            return layers;
        auto const& chosen = policy_.slices().chosen;
        for (int layer = 0; layer < static_cast<int>(chosen.heads.size()); ++layer)
            if (chosen.chooses(static_cast<std::size_t>(layer)))
                return layer;
        return layers;
    }

private:
    Backend const* backend_;
    bound policy_;
    vector_tensor<T, memory> before_; ///< the site as it was found, in the block that is gone through
    typename slice_lists<Backend>::list selected_;
    vector_tensor<double, memory> sums_;
};

/// The policies of a list.
template <class Backend, class Reversed>
class reversed_list final : public reversed_policy<Backend> {
public:
    using typename bound_policy<Backend>::T;

    explicit reversed_list(std::vector<Reversed> list) : list_(std::move(list)) {}

    void apply(int site, int layer, T* elements, std::size_t size) override {
        for (auto& one : list_)
            one.apply(site, layer, elements, size);
    }
    void pull_back(adjoints<Backend> const& adjoint, int site, int layer, T* gradient) override {
        for (auto one = list_.rbegin(); one != list_.rend(); ++one)
            one->pull_back(adjoint, site, layer, gradient);
    }
    auto parameters() const {
        std::vector<decltype(list_.front().parameters())> all;
        for (auto const& one : list_)
            all.push_back(one.parameters());
        return all;
    }
    int first_layer(int layers) const override {
        int first = layers;
        for (auto const& one : list_)
            first = std::min(first, one.first_layer(layers));
        return first;
    }

private:
    std::vector<Reversed> list_;
};

/// A policy that is not gone through: it only looks.
struct only_looks {
    std::vector<double> parameters() const { return {}; }
};

template <class Backend, class Act, class Condition>
auto reversed(Backend const& backend, bound_slices<Backend, Act, Condition> policy) {
    return reversed_slices<Backend, Act, Condition>(backend, std::move(policy));
}

template <class P, class Binding>
auto reverse(P const& policy, Binding const& run) {
    if constexpr (!changes_anything<P>)
        return only_looks{};
    else
        return reversed(run.backend, policy.bind(run));
}
template <class P, class Binding>
auto reverse(policy_list<P> const& policy, Binding const& run) {
    using one = decltype(reversed(run.backend, policy.list.front().bind(run)));
    std::vector<one> all;
    for (auto const& each : policy.list)
        all.push_back(reversed(run.backend, each.bind(run)));
    return reversed_list<typename Binding::backend_type, one>(std::move(all));
}
template <class P, class Binding>
auto reverse(optional_policy<P> const& policy, Binding run) {
    run.may_not_fire = true;
    return reverse(static_cast<P const&>(policy), run);
}

/// Policies that are applied while a block is computed again, and then gone through backwards.
template <class B>
class reversed_hooks : public hooks<B> {
public:
    using typename hooks<B>::T;

    void pull_back(adjoints<B> const& adjoint, int site, int layer, T* gradient) {
        for (auto one = this->policies_.rbegin(); one != this->policies_.rend(); ++one)
            if (one->facts.touched.has(site))
                static_cast<reversed_policy<B>&>(*one->policy).pull_back(adjoint, site, layer, gradient);
    }

    /// The first block with parameters.
    int first_layer(int layers) const {
        int first = layers;
        for (auto const& one : this->policies_)
            first = std::min(first, static_cast<reversed_policy<B> const&>(*one.policy).first_layer(layers));
        return first;
    }

    /// Adds a policy that changes something. Returns it as it is kept.
    template <class P, class Reversed>
    Reversed const* reverse_on(Reversed policy) {
        auto kept = std::make_unique<Reversed>(std::move(policy));
        auto const* one = kept.get();
        policy_facts facts = facts_of<P>();
        facts.touched = facts.written;
        hooks<B>::add(facts, std::move(kept));
        return one;
    }
    template <class P>
    only_looks const* reverse_on(only_looks) {
        static constexpr only_looks one;
        return &one;
    }
};

/// A composition's policies reversed, and each of them as its own type, for its parameters.
template <class B, class... Reversed>
struct reversed_policies {
    reversed_hooks<B> all;
    std::tuple<Reversed const*...> each;

    /// Gradients with respect to the parameters of each policy.
    auto parameters() const {
        return std::apply([](auto const*... one) { return std::tuple(one->parameters()...); }, each);
    }
};

template <class... P, class Binding>
auto reverse_all(composed<P...> const& policy, Binding const& run) {
    return policy.policies.apply([&](auto const&... one) {
        reversed_policies<typename Binding::backend_type, decltype(reverse(one, run))...> made;
        made.each = {made.all.template reverse_on<P>(reverse(one, run))...};
        return made;
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
