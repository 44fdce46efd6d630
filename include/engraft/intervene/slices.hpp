#pragma once

#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include <engraft/core/tensor.hpp>
#include <engraft/intervene/bound_policy.hpp>
#include <engraft/intervene/footprint.hpp>
#include <engraft/intervene/selection.hpp>

namespace engraft {

namespace detail {

/// Where a slice's counterpart begins in another activation; 0 for none.
using slice_origin = std::function<std::size_t(selection::place const&, std::size_t head, std::size_t width)>;

/// Slices to act on at each layer. Layers with the same ones share one list in the backend's memory.
template <class Backend>
class slice_lists {
public:
    using list = vector_tensor<row_slice, typename Backend::memory_type>;
    /// Whether two layers with the same choice have the same slices.
    using same_slices = std::function<bool(std::size_t, std::size_t)>;
    /// Appends the slices of one head of a row that the layout has.
    using append =
        std::function<void(std::vector<row_slice>&, std::size_t layer, selection::place const&, std::size_t)>;

    /// A slice for each head of each place. What `origin` refuses, it refuses of all heads of a place.
    static slice_lists make(selection const& chosen, slice_layout const& layout, slice_origin const& origin) {
        auto const add = [&](std::vector<row_slice>& slices, std::size_t layer, selection::place const& at,
                             std::size_t head) {
            auto const width = layout.slice_width(at.example);
            slices.push_back({.to = layout.place(layer, at.example, at.position, head),
                              .from = origin(at, head, width),
                              .width = static_cast<std::uint32_t>(width),
                              .example = static_cast<std::uint32_t>(at.example),
                              .position = static_cast<std::uint32_t>(at.position),
                              .head = static_cast<std::uint32_t>(head)});
        };
        return make(
            chosen, layout, [&](std::size_t, std::size_t) { return layout.layers_alike(); }, add);
    }

    /// Of a run that is only checked no list is made: each place is added once, for what that refuses.
    static slice_lists make(selection const& chosen, slice_layout const& layout, same_slices const& same_as,
                            append const& add) {
        slice_lists made;
        if (layout.only_checked()) {
            made.of_layer_.assign(chosen.heads.size(), -1);
            add_each_place(chosen, add);
            return made;
        }
        std::vector<std::size_t> layer_of_list;
        for (std::size_t layer = 0; layer < chosen.heads.size(); ++layer) {
            int same = -1;
            for (std::size_t i = 0; i < layer_of_list.size() && same < 0; ++i)
                if (same_as(layer_of_list[i], layer) && chosen.same(layer_of_list[i], layer))
                    same = static_cast<int>(i);
            if (same < 0 && layout.has(layer)) {
                std::vector<row_slice> slices;
                for (auto const& at : chosen.places)
                    if (layout.has(layer, at.example, at.position))
                        chosen.each_head(layer, at, [&](std::size_t head) { add(slices, layer, at, head); });
                if (!slices.empty()) {
                    same = static_cast<int>(made.lists_.size());
                    layer_of_list.push_back(layer);
                    made.lists_.push_back(upload<typename Backend::memory_type>(slices));
                }
            }
            made.of_layer_.push_back(same);
        }
        return made;
    }

    /// The layer's slices; null when there are none.
    list const* at(int layer) const {
        int const i = of_layer_[static_cast<std::size_t>(layer)];
        return i < 0 ? nullptr : &lists_[static_cast<std::size_t>(i)];
    }

private:
    static void add_each_place(selection const& chosen, append const& add) {
        std::vector<row_slice> ignored;
        for (auto const& at : chosen.places) {
            ignored.clear();
            for (std::size_t layer = 0; layer < chosen.heads.size() && ignored.empty(); ++layer)
                chosen.each_head(layer, at, [&](std::size_t head) {
                    if (ignored.empty())
                        add(ignored, layer, at, head);
                });
        }
    }

    std::vector<list> lists_;
    std::vector<int> of_layer_;
};

/// The condition of a `where`; nothing where it has none.
struct unconditional {};
template <class Where>
auto condition_of(Where const& w) {
    if constexpr (requires { w.holds; })
        return w.holds;
    else
        return unconditional{};
}

/// The condition can be called with the backend's rows.
template <class T, class Where>
constexpr void check_condition() {
    if constexpr (requires(Where const& w) { w.holds; })
        static_assert(row_functor<decltype(Where::holds), T const>,
                      "engraft [where.condition]: the functor in when(...) can't be called with (activation_row<T "
                      "const>), nor with (activation_row<T const>, row_place), T being the backend's numbers");
}

/// Whether what a site has stands in a block, or before all of them.
template <site S>
inline constexpr bool in_or_before_blocks =
    S::in_block || std::is_same_v<S, sites::embed> || std::is_same_v<S, sites::pos_embed>;

/// What a selection and its lists are to policies of one site.
template <class Backend>
struct chosen_slices {
    selection chosen;
    slice_lists<Backend> lists;
    bool early = true; ///< the site stands in a block, or before all of them
};

/// A policy of one site, bound: act(backend, elements, layer, slices) at each layer that has slices.
template <class Backend, class Act, class Condition>
class bound_slices final : public bound_policy<Backend> {
public:
    using typename bound_policy<Backend>::T;

    bound_slices(Backend const& backend, Act act, chosen_slices<Backend> slices, Condition condition = {})
        : backend_(&backend), act_(std::move(act)), slices_(std::move(slices)), condition_(std::move(condition)) {}

    void apply(int, int layer, T* elements, std::size_t) override {
        if (auto const* slices = slices_.lists.at(layer)) {
            if constexpr (std::is_same_v<Condition, unconditional>)
                act(elements, layer, *slices);
            else
                act(elements, layer, backend_->select_slices(elements, layer, *slices, condition_));
        }
    }

    std::size_t fired() const override { return fired_; }
    std::vector<selection const*> chosen() const override { return {&slices_.chosen}; }

    /// On the host: the slices of a layer, before any condition.
    std::vector<row_slice> slices_of(std::size_t layer) const override {
        auto const* slices = slices_.lists.at(static_cast<int>(layer));
        return slices ? slices->to_host() : std::vector<row_slice>{};
    }

    Act const& act() const { return act_; }
    chosen_slices<Backend> const& slices() const { return slices_; }
    Condition const& condition() const { return condition_; }

private:
    void act(T* elements, int layer, typename slice_lists<Backend>::list const& slices) {
        if (slices.size() == 0)
            return;
        act_(*backend_, elements, layer, slices);
        fired_ += slices.size();
    }

    Backend const* backend_;
    Act act_;
    chosen_slices<Backend> slices_;
    Condition condition_;
    std::size_t fired_ = 0;
};

} // namespace detail

/// A policy that does one thing to chosen slices of one site. An operation is
///
///   Operation::template check<D, Backend, S>()   static_asserts about the site
///   Operation::replaces                          whether the new value never depends on the old one
///   operation.template bind<S>(binding, where, selection)
///                                                made ready for a batch: what it returns has
///       bound.from(place, head, width)           where a slice's counterpart begins in another activation; 0 for none;
///                                                what it refuses, it refuses of all heads of a place
///       bound(backend, elements, layer, slices)  does it, in the backend's memory
/// and, where a sweep's journal is to know its numbers, such as a factor,
///
///   operation.add_to(hasher)
///
/// and, where gradients can be taken through it,
///
///   Operation::template differentiable<Backend>  true
///       bound.pull_back(backend, adjoint, dx, x, layer, slices, sums)
///                                                of each slice of dx, the gradient with respect to what it makes, the
///                                                gradient with respect to x, what it found; adds to the sums, in the
///                                                backend's memory, the gradient with respect to its parameters
///       bound.pulls_by_value                     whether that needs x
///       bound.sums()                             how many sums there are
///       bound.parameters(sums)                   what they are to the parameters in the order in which they were given
template <touch How, site S, class Where, class Operation>
struct slice_policy : touches_nothing {
    template <touch Other>
    using if_touches = std::conditional_t<How == Other, site_list<S>, site_list<>>;
    using reads = if_touches<touch::reads>;
    using writes = if_touches<touch::writes>;
    using holds = if_touches<touch::holds>;
    static constexpr bool acts_everywhere = std::is_same_v<Where, engraft::where<>>;
    template <class Backend>
    static constexpr bool differentiable = requires {
        requires Operation::template differentiable<Backend>;
    };
    Where where;
    Operation operation;

    slice_policy(Where w, Operation o) : where(std::move(w)), operation(std::move(o)) {}

    template <description const& D, class Backend>
    static constexpr void check() {
        check_where<D, S, Where>();
        detail::check_condition<typename Backend::value_type, Where>();
        Operation::template check<D, Backend, S>();
    }

    template <description const& D>
    void leave_footprint(auto& all, ragged const& rows, bool may_do_nothing) const {
        constexpr bool always = detail::is_place_set<Where>;
        all.add(site_index<S>, How, always && Operation::replaces, site_heads<D, S>,
                resolve<D, S>(where, rows, may_do_nothing), {.values = hasher().add_known(operation).value()});
    }

    template <class Binding>
    auto bind(Binding const& run) const {
        using backend = typename Binding::backend_type;
        auto chosen = resolve<Binding::model, S>(where, run.rows, run.may_not_fire);
        auto bound = operation.template bind<S>(run, where, chosen);
        auto lists = detail::slice_lists<backend>::make(chosen, *run.template layout<S>(),
                                                        [&](selection::place const& at, std::size_t head,
                                                            std::size_t width) { return bound.from(at, head, width); });
        auto condition = detail::condition_of(where);
        return detail::bound_slices<backend, decltype(bound), decltype(condition)>(
            run.backend, std::move(bound),
            detail::chosen_slices<backend>{std::move(chosen), std::move(lists), detail::in_or_before_blocks<S>},
            std::move(condition));
    }
};

/// How an operation without parameters is differentiated by default.
struct without_parameters {
    template <class Backend>
    static constexpr bool differentiable = true;
    static constexpr bool pulls_by_value = false;
    static std::size_t sums() { return 0; }
    static std::vector<double> parameters(std::vector<double> sums) { return sums; }
};

/// Of an operation whose result does not depend on what it finds.
struct replaced_value : without_parameters {
    template <class Backend>
    static void pull_back(Backend const& backend, auto const&, auto* dx, auto const*, int, auto const& slices,
                          double*) {
        backend.fill_slices(dx, 0, slices);
    }
};

/// An operation that needs nothing from another activation.
struct operation_in_place {
    static constexpr bool replaces = false;

    template <description const& D, class Backend, site S>
    static constexpr void check() {}

    static std::size_t from(selection::place const&, std::size_t, std::size_t) { return 0; }
};

} // namespace engraft
