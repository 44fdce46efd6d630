#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <engraft/core/tensor.hpp>
#include <engraft/intervene/policy.hpp>
#include <engraft/intervene/selection.hpp>

namespace engraft::detail {

/// Slices to overwrite at each layer. Layers with the same heads share one list in the backend's memory.
template <class Backend>
class slice_lists {
public:
    using list = vector_tensor<slice_copy, typename Backend::memory_type>;

    /// from(example, position in the source, head, width): where the new value begins in the source's elements.
    template <description D, site S, class From>
    static slice_lists make(selection const& chosen, activation_layout<D, S> const& layout, From const& from) {
        slice_lists made;
        std::vector<std::size_t> const* heads_of_list[hook_point<D, S>::layers] = {};
        for (auto const& heads : chosen.heads) {
            int same = -1;
            for (std::size_t i = 0; i < made.lists_.size() && same < 0; ++i)
                if (*heads_of_list[i] == heads)
                    same = static_cast<int>(i);
            if (same < 0 && !heads.empty()) {
                std::vector<slice_copy> slices;
                slices.reserve(chosen.places.size() * heads.size());
                for (auto const& place : chosen.places)
                    for (auto h : heads) {
                        auto const width = layout.slice_width(place.example);
                        slices.push_back({layout.offset(place.example, place.position, h),
                                          from(place.example, place.source_position, h, width),
                                          static_cast<std::uint32_t>(width)});
                    }
                same = static_cast<int>(made.lists_.size());
                heads_of_list[same] = &heads;
                auto const count = slices.size();
                made.lists_.push_back(list::from_host(slices, extents<dynamic>(count)));
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
    std::vector<list> lists_;
    std::vector<int> of_layer_;
};

/// What `patch`, `swap` and `ablate` by means are when bound: slices copied from elements that `Source` keeps alive.
template <description D, class Backend, site S, class Source>
class bound_overwrite {
public:
    bound_overwrite(Backend const& backend, Source source, slice_lists<Backend> slices)
        : backend_(&backend), source_(std::move(source)), slices_(std::move(slices)) {}

    void apply(hook_point<D, S> const& point, auto view) {
        if (auto const slices = slices_.at(point.layer()))
            backend_->copy_slices(view.data(), source_.elements(S{}, point.layer()), *slices);
    }

private:
    Backend const* backend_;
    Source source_;
    slice_lists<Backend> slices_;
};

/// Binds a policy that takes a site's activation from a finished run, after checking what only values can tell.
/// throws missing_activation when the run did not keep a layer or position, bad_input when batches do not fit
template <site S, class Where, class Source, class Binding>
auto bind_overwrite(Binding const& run, Where const& where, Source const& source) {
    constexpr auto D = Binding::model;
    using backend = typename Binding::backend_type;
    if (source.rows().examples() != run.rows.examples())
        throw bad_input({"engraft [source.examples]: the source run has ", source.rows().examples(),
                         " examples, this run has ", run.rows.examples(), "; example i is taken from example i"});
    auto const chosen = resolve<D, S>(where, run.rows);
    for (std::size_t layer = 0; layer < chosen.heads.size(); ++layer)
        if (!chosen.heads[layer].empty())
            source[S{}].require_layer(static_cast<int>(layer));
    auto const from = [&](std::size_t example, long position, std::size_t head, std::size_t width) {
        auto const& kept = source[S{}];
        if (kept.slice_width(example) != width)
            throw bad_input({"engraft [source.length]: ", S::name, " of example ", example, " is ", width,
                             " wide here and ", kept.slice_width(example),
                             " in the source run; attention patterns can "
                             "only be taken from an example of the same length"});
        return kept.offset(example, source.rows().position(example, position), head);
    };
    auto lists = slice_lists<backend>::make(chosen, activation_layout<D, S>(run.rows), from);
    return bound_overwrite<D, backend, S, Source>(run.backend, source, std::move(lists));
}

} // namespace engraft::detail
