#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include <engraft/intervene/bound_checks.hpp>
#include <engraft/intervene/bound_policy.hpp>
#include <engraft/intervene/compose.hpp>

namespace engraft::detail {

/// What is known of a policy when its type is forgotten.
struct policy_facts {
    site_set touched, written, altered, held; ///< written: altered or held
    bool blocks = false;                      ///< attention
    bool may_not_fire = false;
};

template <class P>
constexpr policy_facts facts_of() {
    policy_facts f;
    f.altered = site_set(typename P::writes()) | site_set(typename P::blocks());
    f.held = typename P::holds();
    f.written = f.altered | f.held;
    f.touched = f.written | site_set(typename P::reads());
    f.blocks = P::blocks::size > 0;
    f.may_not_fire = P::may_not_fire;
    return f;
}

/// A pass without policies: every question about them is answered when it is compiled.
struct no_hooks {};

/// The policies of a run, made ready for it: what acts at each site, in the order in which they were composed.
template <class B>
class hooks {
public:
    using T = typename B::value_type;

    void add(policy_facts const& facts, std::unique_ptr<bound_policy<B>> policy) {
        touched_ = touched_ | facts.touched, written_ = written_ | facts.written;
        policies_.push_back({facts, std::move(policy)});
    }
    /// Appends all of others.
    void add(hooks more) {
        for (auto& one : more.policies_)
            add(one.facts, std::move(one.policy));
    }

    bool touched(int site) const { return touched_.has(site); }
    bool written(int site) const { return written_.has(site); }
    /// Whether a run under these policies can differ from a clean one.
    bool edits() const { return written_.any(); }

    void apply(int site, int layer, T* elements, std::size_t size) {
        for (auto& one : policies_)
            if (one.facts.touched.has(site))
                one.policy->apply(site, layer, elements, size);
    }

    /// Slices that each policy acted on. throws bad_input when one acted on none and must not
    std::vector<std::size_t> fired() const {
        return counted([](bound_policy<B> const& p) { return p.fired(); }, [](policy_facts const&) { return true; });
    }

    /// No policy writes to a place that another one holds. throws bad_input when one does
    void require_apart() const {
        for (auto const& holder : policies_)
            for (auto const& writer : policies_)
                if ((holder.facts.held & writer.facts.altered).any())
                    detail::require_apart(holder.policy->chosen(), writer.policy->chosen());
    }

    /// Each query keeps a key to attend to. throws bad_input when all policies together leave it none
    void require_visible(int layers, attention_shape (*shape)(int layer), ragged const& rows) const {
        for (int layer = 0; layer < layers; ++layer) {
            std::vector<row_slice> blocked;
            for (auto const& one : policies_)
                if (one.facts.blocks) {
                    auto const more = one.policy->slices_of(static_cast<std::size_t>(layer));
                    blocked.insert(blocked.end(), more.begin(), more.end());
                }
            if (!blocked.empty())
                require_key(std::move(blocked), shape(layer), rows, layer);
        }
    }

    /// Attention is blocked somewhere in these layers by each policy that is to block it.
    /// throws bad_input when one blocks none and must not
    void require_blocking(int layers) const {
        counted(
            [&](bound_policy<B> const& p) {
                std::size_t count = 0;
                for (int layer = 0; layer < layers; ++layer)
                    count += p.slices_of(static_cast<std::size_t>(layer)).size();
                return count;
            },
            [](policy_facts const& f) { return f.blocks; });
    }

    /// The first block in which a policy acts; the number of blocks where none does.
    int first_layer(int layers) const {
        int first = layers;
        for (auto const& one : policies_)
            first = first_chosen(one.policy->chosen(), first, layers);
        return first;
    }

    /// throws bad_input when a policy acts only behind the first `layers` blocks
    void require_reached(int layers) const {
        for (std::size_t i = 0; i < policies_.size(); ++i)
            if (!policies_[i].facts.may_not_fire)
                require_chosen(policies_[i].policy->chosen(), layers, i);
    }

protected:
    struct one_policy {
        policy_facts facts;
        std::unique_ptr<bound_policy<B>> policy;
    };
    std::vector<one_policy> policies_;

private:
    /// throws bad_input where it is 0 for a policy that is asked for and must act
    std::vector<std::size_t> counted(auto const& count, auto const& asked) const {
        std::vector<std::size_t> counts;
        for (auto const& one : policies_)
            counts.push_back(asked(one.facts) ? count(*one.policy) : 0);
        for (std::size_t i = 0; i < policies_.size(); ++i)
            if (asked(policies_[i].facts) && !policies_[i].facts.may_not_fire)
                require_fired(i, counts);
        return counts;
    }

    site_set touched_, written_;
};

/// What a policy's `bind` has returned, of a type that passes know.
template <description const& D, class P, class B, class Bound>
std::unique_ptr<bound_policy<B>> owned(Bound bound) {
    if constexpr (std::derived_from<Bound, bound_policy<B>>) {
        return std::make_unique<Bound>(std::move(bound));
    } else {
        using touched = typename once_each<
            join<typename P::reads, typename P::writes, typename P::holds, typename P::blocks>>::type;
        return std::make_unique<typed_policy<D, B, Bound, touched>>(std::move(bound));
    }
}

/// A composition made ready for a run. throws as the policies' `bind`, and bad_input when they do not go together
template <class... P, description const& D, class B>
hooks<B> bind_all(composed<P...> const& policy, binding<D, B> const& run) {
    hooks<B> all;
    policy.policies.apply([&](auto const&... one) { (all.add(facts_of<P>(), owned<D, P, B>(one.bind(run))), ...); });
    all.require_apart();
    all.require_visible(D.layers, shape_of_attention<D>, run.rows);
    return all;
}

template <class P, description const& D, class B>
hooks<B> bind_all(P const& policy, binding<D, B> const& run) {
    return bind_all(compose(policy), run);
}

/// The bound policies of a list, one after the other.
template <class B>
class bound_list final : public bound_policy<B> {
public:
    using typename bound_policy<B>::T;

    void add(std::unique_ptr<bound_policy<B>> one) { list_.push_back(std::move(one)); }

    void apply(int site, int layer, T* elements, std::size_t size) override {
        for (auto& one : list_)
            one->apply(site, layer, elements, size);
    }
    std::size_t fired() const override {
        std::size_t sum = 0;
        for (auto const& one : list_)
            sum += one->fired();
        return sum;
    }
    std::vector<selection const*> chosen() const override {
        return joined([](auto const& one) { return one.chosen(); });
    }
    std::vector<row_slice> slices_of(std::size_t layer) const override {
        return joined([&](auto const& one) { return one.slices_of(layer); });
    }

private:
    auto joined(auto const& part) const {
        decltype(part(*list_.front())) all;
        for (auto const& one : list_) {
            auto const more = part(*one);
            all.insert(all.end(), more.begin(), more.end());
        }
        return all;
    }

    std::vector<std::unique_ptr<bound_policy<B>>> list_;
};

} // namespace engraft::detail
