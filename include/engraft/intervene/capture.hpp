#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/hana/concept/foldable.hpp>
#include <boost/hana/unpack.hpp>

#include <engraft/intervene/bound_policy.hpp>
#include <engraft/intervene/footprint.hpp>
#include <engraft/intervene/selection.hpp>

namespace engraft {

namespace detail {

template <class Backend>
class kept_rows;

/// A capture, bound: the sites that are kept.
template <class Backend>
class bound_capture final : public bound_policy<Backend> {
public:
    using typename bound_policy<Backend>::T;

    explicit bound_capture(Backend const& backend) : backend_(&backend) {}

    void add(int site, kept_rows<Backend>& to, selection chosen, slice_layout const& layout) {
        to.prepare(chosen, layout);
        kept_.push_back({site, &to, std::move(chosen)});
    }

    void apply(int site, int layer, T* elements, std::size_t size) override {
        for (auto& one : kept_)
            if (one.site == site) {
                one.to->keep(*backend_, layer, elements, size);
                fired_ += one.chosen.count(static_cast<std::size_t>(layer));
            }
    }
    std::size_t fired() const override { return fired_; }
    std::vector<selection const*> chosen() const override {
        std::vector<selection const*> all;
        for (auto const& one : kept_)
            all.push_back(&one.chosen);
        return all;
    }

private:
    struct kept_site {
        int site;
        kept_rows<Backend>* to;
        selection chosen;
    };
    Backend const* backend_;
    std::vector<kept_site> kept_;
    std::size_t fired_ = 0;
};

} // namespace detail

/// Keeps activations of a run as they are when the forward pass is there, after the policies to its left at that site.
/// They are read from what `model.run` returns: `out[z].whole(layer)`. What no capture names is not kept.
template <class Where, site... S>
struct capture_policy : touches_nothing {
    using reads = site_list<S...>;
    using captures = site_list<S...>;
    Where where;

    explicit capture_policy(Where w) : where(std::move(w)) {}

    template <description const& D, class Backend>
    static constexpr void check() {
        (check_where<D, S, Where>(), ...);
        static_assert(std::is_same_v<typename Where::heads_type, axes::every>,
                      "engraft [capture.heads]: capture keeps all heads of a row; leave the heads out of its where");
        static_assert(detail::is_product<Where>, "engraft [capture.rows]: what capture keeps can't depend on values or "
                                                 "leave single heads out; name layers, positions and examples");
    }

    template <description const& D>
    void leave_footprint(auto& all, ragged const& rows, bool may_do_nothing) const {
        (all.add(site_index<S>, touch::reads, false, site_heads<D, S>, resolve<D, S>(where, rows, may_do_nothing)),
         ...);
    }

    template <class Binding>
    auto bind(Binding const& run) const {
        detail::bound_capture<typename Binding::backend_type> bound(run.backend);
        (bound.add(site_index<S>, run.kept->of(site_index<S>),
                   resolve<Binding::model, S>(where, run.rows, run.may_not_fire), *run.template layout<S>()),
         ...);
        return bound;
    }
};

/// Keeps the sites' activations of all layers and positions.
template <site... S>
    requires(sizeof...(S) > 0)
auto capture(S...) { return capture_policy<where<>, S...>(everywhere); }

/// Keeps the site's activations of some layers and positions.
template <site S, class Where>
    requires detail::is_where<Where>
auto capture(S, Where where) { return capture_policy<Where, S>(std::move(where)); }

/// Keeps every site of a list, such as `block_sites<llama_7b>`.
template <class Sites>
    requires(boost::hana::Foldable<Sites>::value && !std::is_array_v<Sites>)
auto capture(Sites const& list) {
    return boost::hana::unpack(list, [](auto... s) { return capture(s...); });
}

} // namespace engraft
