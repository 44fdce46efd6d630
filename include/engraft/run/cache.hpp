#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include <engraft/core/integer.hpp>
#include <engraft/core/tensor.hpp>
#include <engraft/intervene/selection.hpp>
#include <engraft/run/kept_array.hpp>

namespace engraft {

namespace detail {
/// What a run kept of one site, whichever it is.
template <class Backend>
class kept_rows {
public:
    using value_type = typename Backend::value_type;
    using memory_type = typename Backend::memory_type;

    kept_rows(std::shared_ptr<ragged const> rows, int number, char const* site, int layers, int heads,
              std::size_t width)
        : number_(number), rows_(std::move(rows)), layout_(*rows_, static_cast<std::size_t>(heads), width), site_(site),
          all_layers_(layers) {}

    /// Elements of one head of one row, on the host; the whole row where the site has no heads.
    std::vector<value_type> slice(int layer, integer of, integer position, integer head) const {
        require_layer(layer);
        require_head(static_cast<long>(head.value()), static_cast<int>(layout_.heads), site_);
        auto const place = rows_->position(of, position);
        auto const example = static_cast<std::size_t>(of.value());
        auto const begin = offset(example, place, static_cast<std::size_t>(head.value()));
        std::vector<value_type> elements(slice_width(example));
        memory_type::to_host(elements.data(), this->elements(layer) + begin, elements.size() * sizeof(value_type));
        return elements;
    }

    void require_layer(int layer) const {
        require_layer_of(site_, layer, all_layers_);
        if (layers_.empty() || layers_[static_cast<std::size_t>(layer)].empty())
            throw missing_activation({"engraft [cache.layer]: ", site_, " of layer ", layer,
                                      " was not captured; add the layer to capture's where, or run more layers"});
    }

    value_type const* elements(int layer) const { return layers_[static_cast<std::size_t>(layer)].data(); }
    std::size_t slice_width(std::size_t example) const { return layout_.slice_width(example); }

    /// Where a slice begins in `elements`.
    /// throws missing_activation when the position was not captured
    std::size_t offset(std::size_t example, std::size_t position, std::size_t head) const {
        if (places_.empty())
            return layout_.offset(example, position, head);
        auto const place = places_[rows_->begin(example) + position];
        if (place == not_kept)
            throw missing_activation({"engraft [cache.position]: ", site_, " at position ", position, " of example ",
                                      example, " was not captured; add the position to capture's where"});
        return place + head * slice_width(example);
    }

    int site() const { return number_; } ///< in known_sites

    /// Called when a run begins: which layers and rows will be kept. layout: where the run has them
    void prepare(selection const& chosen, slice_layout const& layout) {
        layers_.resize(chosen.heads.size());
        for (auto const& heads : chosen.heads)
            wanted_.push_back(!heads.empty());
        if (chosen.whole)
            return;
        places_.assign(rows_->rows(), not_kept);
        std::vector<row_slice> copies;
        for (auto const& place : chosen.places) {
            places_[rows_->begin(place.example) + place.position] = kept_size_;
            for (std::size_t h = 0; h < layout_.heads; ++h, kept_size_ += slice_width(place.example))
                copies.push_back({.to = kept_size_,
                                  .from = layout.place(0, place.example, place.position, h),
                                  .width = static_cast<std::uint32_t>(slice_width(place.example))});
        }
        copies_ = upload<memory_type>(copies);
    }

    /// Called by the forward pass when it has the layer's activation, of so many elements.
    void keep(Backend const& backend, int layer, value_type const* all, std::size_t size) {
        auto const l = static_cast<std::size_t>(layer);
        if (!wanted_[l])
            return;
        layers_[l] = vector_tensor<value_type, memory_type>(extents<dynamic>(places_.empty() ? size : kept_size_));
        if (places_.empty())
            backend.copy(layers_[l].data(), all, size);
        else
            backend.copy_slices(layers_[l].data(), all, copies_);
    }

    /// The elements of all rows.
    value_type const* whole(int layer) const {
        require_layer(layer);
        if (!places_.empty())
            throw missing_activation({"engraft [cache.position]: only some positions of ", site_,
                                      " were captured; capture all of them, or ask for `slice`"});
        return elements(layer);
    }
    std::size_t first_extent() const { return layout_.first_extent(); }

    /// All that was kept, as one array. per_head: the site has heads
    kept_array<value_type> array(bool per_head) const {
        kept_array<value_type> all;
        label(all);
        auto const width = common_width(all.examples);
        all.axes = {"layer", "row", "head", layout_.width == dynamic ? "key" : "element"};
        all.shape = {all.layers.size(), all.examples.size(), layout_.heads, width};
        if (!per_head) {
            all.axes.erase(all.axes.begin() + 2);
            all.shape.erase(all.shape.begin() + 2);
        }
        for (auto layer : all.layers) {
            auto const elements = layers_[static_cast<std::size_t>(layer)].to_host();
            for (std::size_t r = 0; r < all.examples.size(); ++r)
                for (std::size_t h = 0; h < layout_.heads; ++h) {
                    auto const first = elements.data() + offset(static_cast<std::size_t>(all.examples[r]),
                                                                static_cast<std::size_t>(all.positions[r]), h);
                    all.values.insert(all.values.end(), first, first + width);
                }
        }
        return all;
    }

private:
    static constexpr std::size_t not_kept = static_cast<std::size_t>(-1);

    void label(kept_array<value_type>& all) const {
        for (std::size_t l = 0; l < layers_.size(); ++l)
            if (!layers_[l].empty())
                all.layers.push_back(static_cast<std::int64_t>(l));
        for (std::size_t e = 0; e < rows_->examples(); ++e)
            for (std::size_t p = 0; p < rows_->length(e); ++p)
                if (places_.empty() || places_[rows_->begin(e) + p] != not_kept) {
                    all.examples.push_back(static_cast<std::int64_t>(e));
                    all.positions.push_back(static_cast<std::int64_t>(p));
                }
        if (all.layers.empty() || all.examples.empty())
            throw missing_activation({"engraft [cache.layer]: nothing of ", site_, " was captured"});
    }
    std::size_t common_width(std::vector<std::int64_t> const& examples) const {
        auto const width = slice_width(static_cast<std::size_t>(examples.front()));
        for (auto e : examples)
            if (auto const other = slice_width(static_cast<std::size_t>(e)); other != width)
                throw bad_input({"engraft [cache.widths]: ", site_, " of example ", examples.front(), " is ", width,
                                 " wide and that of example ", e, " ", other,
                                 ", so one array cannot hold both; capture examples of one length, or read "
                                 "`slice`"});
        return width;
    }

    int number_;
    std::shared_ptr<ragged const> rows_;
    slice_layout layout_;
    char const* site_;
    int all_layers_;
    std::vector<vector_tensor<value_type, memory_type>> layers_;
    std::vector<bool> wanted_;
    std::vector<std::size_t> places_; ///< where each row's elements begin; empty when all rows are kept
    std::size_t kept_size_ = 0;
    vector_tensor<row_slice, memory_type> copies_;
};
} // namespace detail

/// What a run kept of one site: for each captured layer, the activation of all rows or of chosen ones. A look at the
/// run's own memory, to be used no longer than the run.
template <description const& D, class Backend, site S>
class captured {
public:
    using shape = typename hook_point<D, S>::shape;
    using value_type = typename Backend::value_type;

    explicit captured(detail::kept_rows<Backend> const& kept) : kept_(&kept) {}

    /// The layer's activation at all rows.
    /// shape [rows, ...] as the hook point's type says; flat for attention patterns
    /// throws missing_activation when the layer, or some of its positions, were not captured
    view<value_type const, typename Backend::memory_type, shape> whole(int layer) const {
        return {kept_->whole(layer), shape(kept_->first_extent())};
    }

    /// Elements of one head of one row, on the host; position -1 is the last.
    /// throws missing_activation when the layer or the position was not captured; bad_input and its family when there
    ///        is no such layer, example, position or head
    std::vector<value_type> slice(int layer, integer example, integer position, integer head) const {
        return kept_->slice(layer, example, position, head);
    }
    /// Elements of one row of a site without heads. For a site with several heads this does not compile [slice.head].
    std::vector<value_type> slice(int layer, integer example, integer position) const {
        constexpr bool one_head = site_heads<D, S> == 1;
        static_assert(one_head, "engraft [slice.head]: this site has several heads; name one, as in "
                                "run[z].slice(layer, example, position, head)");
        return kept_->slice(layer, example, position, 0);
    }

    /// All that was captured of the site, with labels: to be written with write_npy, or read in another program.
    /// throws missing_activation when nothing was captured, bad_input for patterns of examples of unequal length
    kept_array<value_type> array() const { return kept_->array(per_head_site<S>); }

    /// Of `elements`, as the backend has them, a slice begins at `offset` and has `slice_width`: for policies.
    value_type const* elements(int layer) const { return kept_->elements(layer); }
    std::size_t offset(std::size_t example, std::size_t position, std::size_t head) const {
        return kept_->offset(example, position, head);
    }
    std::size_t slice_width(std::size_t example) const { return kept_->slice_width(example); }
    void require_layer(int layer) const { kept_->require_layer(layer); }

private:
    detail::kept_rows<Backend> const* kept_;
};

namespace detail {
/// The compiler names the site beside the sentence.
template <site S, int Times>
struct captured_times {
    static_assert(Times == 1,
                  "engraft [capture.twice]: this site is captured twice in one run, but a run keeps each "
                  "site once; join the places in one capture (capture_for_sweeps has resid_pre, rot_k or k, v, "
                  "z, attn_out and mlp_out already)");
    static constexpr bool once = true;
};
} // namespace detail

/// What a run kept, whatever its sites.
template <class Backend>
class kept_sites {
public:
    /// Of a site that is there.
    detail::kept_rows<Backend>& of(int site) {
        return *std::ranges::find_if(stores_, [&](auto const& one) { return one.site() == site; });
    }

protected:
    std::vector<detail::kept_rows<Backend>> stores_; ///< in the order of the sites
};

/// What a run kept: its sites are part of the type, so that asking for another one does not compile.
template <description const& D, class Backend, class Sites>
class cache;

template <description const& D, class Backend, site... S>
class cache<D, Backend, site_list<S...>> : public kept_sites<Backend> {
    template <site One>
    static constexpr int times = (0 + ... + std::is_same_v<One, S>);
    static_assert((detail::captured_times<S, times<S>>::once && ...));

public:
    template <site One>
    static constexpr bool holds = (std::is_same_v<One, S> || ...);

    explicit cache([[maybe_unused]] std::shared_ptr<ragged const> const& rows) {
        (this->stores_.emplace_back(rows, site_index<S>, S::name, hook_point<D, S>::layers, site_heads<D, S>,
                                    site_width<D, S>),
         ...);
    }

    template <site One>
    captured<D, Backend, One> operator[](One) const {
        return captured<D, Backend, One>(this->stores_[place_of<One>()]);
    }

private:
    template <site One>
    static constexpr std::size_t place_of() {
        static_assert(holds<One>,
                      "engraft [cache.site]: the run did not keep this site; add capture(site) to that run");
        std::size_t place = 0;
        [[maybe_unused]] bool found = false;
        ((found = found || std::is_same_v<One, S>, place += !found), ...);
        return place;
    }
};

} // namespace engraft
