#pragma once

#include <cstddef>
#include <vector>

#include <engraft/backend/slice.hpp>
#include <engraft/core/view.hpp>
#include <engraft/intervene/policy.hpp>

namespace engraft {

template <class Backend>
class adjoints;

/// A policy made ready for one run, whatever its type: what a pass calls when it reaches a site that the policy
/// touches. Passes know policies by this alone, and are compiled once for all of them.
template <class Backend>
class bound_policy {
public:
    using T = typename Backend::value_type;

    virtual ~bound_policy() = default;

    /// elements: the whole activation of a site at a layer, `size` of them, in the backend's memory
    virtual void apply(int site, int layer, T* elements, std::size_t size) = 0;
    /// How many slices it has acted on so far.
    virtual std::size_t fired() const = 0;
    /// The selections that it acts on.
    virtual std::vector<selection const*> chosen() const = 0;
    /// Where it blocks attention: one slice per key that a query loses.
    virtual std::vector<row_slice> slices_of(std::size_t) const { return {}; }

protected:
    bound_policy() = default;
    bound_policy(bound_policy const&) = default;
    bound_policy(bound_policy&&) = default;
    bound_policy& operator=(bound_policy const&) = default;
    bound_policy& operator=(bound_policy&&) = default;
};

/// A bound policy that can be gone through backwards. While a block is computed again, `apply` does what it did the
/// first time and remembers what the derivative needs; the same block's gradient then goes through it the other way.
template <class Backend>
class reversed_policy : public bound_policy<Backend> {
public:
    using typename bound_policy<Backend>::T;

    /// gradient: with respect to what the policy has made of the site's activation; becomes that with respect to what
    /// it found
    virtual void pull_back(adjoints<Backend> const& adjoint, int site, int layer, T* gradient) = 0;
    /// The first block that it acts in and has parameters; `layers` for none.
    virtual int first_layer(int layers) const = 0;

    std::size_t fired() const override { return 0; }
    std::vector<selection const*> chosen() const override { return {}; }
};

namespace detail {

/// A bound policy of a user's type, which knows hook points and views. Sites: those that the policy touches
template <description const& D, class Backend, class Bound, class Sites>
class typed_policy;

template <description const& D, class Backend, class Bound, site... S>
class typed_policy<D, Backend, Bound, site_list<S...>> final : public bound_policy<Backend> {
public:
    using typename bound_policy<Backend>::T;

    explicit typed_policy(Bound bound) : bound_(std::move(bound)) {}

    void apply(int site, int layer, T* elements, std::size_t size) override {
        ((site == site_index<S> ? apply_at<S>(layer, elements, size) : void()), ...);
    }
    std::size_t fired() const override { return bound_.fired(); }
    std::vector<selection const*> chosen() const override { return bound_.chosen(); }
    std::vector<row_slice> slices_of(std::size_t layer) const override {
        if constexpr (requires { bound_.slices_of(layer); })
            return bound_.slices_of(layer);
        else
            return {};
    }

private:
    template <site At>
    void apply_at(int layer, T* elements, std::size_t size) {
        using shape = typename hook_point<D, At>::shape;
        constexpr std::size_t of_row =
            At::kind == site_kind::pattern ? 1 : static_cast<std::size_t>(site_heads<D, At>) * site_width<D, At>;
        bound_.apply(hook_point<D, At>(layer),
                     view<T, typename Backend::memory_type, shape>(elements, shape(size / of_row)));
    }

    Bound bound_;
};

/// Sites that a policy touches, each once.
template <class Done, class... S>
struct each_once {
    using type = Done;
};
template <site... Done, site First, site... S>
struct each_once<site_list<Done...>, First, S...>
    : each_once<std::conditional_t<site_list<Done...>::template contains<First>, site_list<Done...>,
                                   site_list<Done..., First>>,
                S...> {};
template <class List>
struct once_each;
template <site... S>
struct once_each<site_list<S...>> : each_once<site_list<>, S...> {};

} // namespace detail
} // namespace engraft
