#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <vector>

#include <engraft/core/ragged.hpp>
#include <engraft/core/token.hpp>
#include <engraft/intervene/asked_lines.hpp>
#include <engraft/intervene/selection.hpp>
#include <engraft/model/hook_point.hpp>

namespace engraft {

/// A policy is a small value that says what to do at sites. Its type declares what it does to which sites, and the
/// engine goes by that alone; its value says where.
///
///   P::reads, writes, captures, holds, blocks  site_lists: sites whose values it looks at, replaces, keeps in the
///                                              cache, holds at the unedited run's values, blocks attention at
///   P::may_not_fire                            whether it may turn out to do nothing
///   P::acts_everywhere                         whether its type says that it acts on every place of its sites
///   P::template differentiable<Backend>        whether gradients can be taken through what it does
///   P::template check<D, Backend>()            static_asserts, one per rule of docs/reference/diagnostics.md
///   p.template leave_footprint<D>(footprint, rows, may_do_nothing)
///                                              adds where it acts and how: sweeps plan by it, and refuse policies
///                                              without it; a run makes the lines of attention that it names, and all
///                                              of them for policies without it
///   p.bind(binding)                            the policy made ready for one batch: everything looked up and
///                                              checked, index lists in the backend's memory. What it returns is a
///                                              bound_policy<Backend>, or has
///       bound.apply(hook_point, view)          for each of its sites, called when a forward pass is there
///       bound.fired()                          how many slices it has acted on so far
///       bound.chosen()                         pointers to the selections that it acts on
///       bound.slices_of(layer)                 where it blocks attention: one slice per key that a query loses
/// Derive from `touches_nothing` and say what differs. Most policies are a `slice_policy` with an operation.
template <class P>
concept policy = std::move_constructible<P> && requires {
    { P::reads::size } -> std::convertible_to<int>;
    { P::writes::size } -> std::convertible_to<int>;
    { P::captures::size } -> std::convertible_to<int>;
    { P::holds::size } -> std::convertible_to<int>;
    { P::blocks::size } -> std::convertible_to<int>;
    { P::may_not_fire } -> std::convertible_to<bool>;
    { P::acts_everywhere } -> std::convertible_to<bool>;
};

/// How a policy treats a site that it acts on. What it holds is what the unedited run has: sweeps go by that.
enum class touch { reads, writes, holds, blocks };

/// What a policy declares unless it says otherwise.
struct touches_nothing {
    using reads = site_list<>;
    using writes = site_list<>;
    using captures = site_list<>;
    using holds = site_list<>;
    using blocks = site_list<>;
    static constexpr bool may_not_fire = false;
    static constexpr bool acts_everywhere = false;
    template <class Backend>
    static constexpr bool differentiable = false;
};

/// What a run keeps, by site: see run/cache.hpp.
template <class Backend>
class kept_sites;

/// What a policy may learn of the run that it is made ready for.
template <description const& D, class Backend>
struct binding {
    static constexpr description const& model = D;
    using backend_type = Backend;

    Backend const& backend;
    ragged const& rows;
    std::vector<token> const& tokens;    ///< of all rows
    void const* weights;                 ///< identity of the model
    run_layout const& places;            ///< where its activations lie
    kept_sites<Backend>* kept = nullptr; ///< what `capture` writes to
    bool may_not_fire = false;           ///< of the policy that is being bound

    template <site S>
    std::unique_ptr<slice_layout const> layout() const {
        return places.of(site_index<S>, static_cast<std::size_t>(site_heads<D, S>), site_width<D, S>);
    }
};

/// A finished run that activations can be taken from.
/// satisfied by run_output
template <class R>
concept source_run = requires(R const& r) {
    { R::model } -> std::convertible_to<description>;
    typename R::backend_type;
    { r.rows() } -> std::same_as<ragged const&>;
    { r.weights_identity() } -> std::same_as<void const*>;
};

} // namespace engraft
