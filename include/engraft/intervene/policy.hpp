#pragma once

#include <concepts>

#include <engraft/core/ragged.hpp>
#include <engraft/model/hook_point.hpp>

namespace engraft {

/// A policy is a small value that says what to do at sites. Its type declares the sites it reads and those it writes,
/// and the engine goes by that alone; its value says where.
///
///   typename P::reads, P::writes, P::captures  site_lists; what is captured is kept in the run's cache
///   P::template check<D, Backend>()            static_asserts, one per rule of docs/reference/diagnostics.md
///   p.bind(binding)                            the policy made ready for one batch: everything looked up and
///                                              checked, index lists in the backend's memory. What it returns has
///       bound.apply(hook_point, view)          for each of its sites, called when a forward pass is there
template <class P>
concept policy = std::move_constructible<P> && requires {
    typename P::reads;
    typename P::writes;
    typename P::captures;
    { P::reads::size } -> std::convertible_to<int>;
    { P::writes::size } -> std::convertible_to<int>;
    { P::captures::size } -> std::convertible_to<int>;
};

/// What a policy may learn of the run that it is bound to.
template <description D, class Backend, class Cache>
struct binding {
    static constexpr description model = D;
    using backend_type = Backend;

    Backend const& backend;
    ragged const& rows;
    Cache& cache;        ///< of the run that begins; `capture` writes to it
    void const* weights; ///< identity of the model
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
