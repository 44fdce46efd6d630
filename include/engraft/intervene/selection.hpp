#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

#include <engraft/backend/slice.hpp>
#include <engraft/core/hash.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/core/ragged.hpp>
#include <engraft/intervene/where.hpp>

namespace engraft {

/// Where the slices of an activation lie: a slice is one head of one row (one row, where the site has no heads).
/// The ragged rows are those of the run that the activation belongs to; the layout must not outlive them.
class slice_layout {
public:
    std::size_t heads;
    std::size_t width; ///< of a slice; dynamic for attention patterns

    slice_layout(ragged const& rows, std::size_t h, std::size_t w) : heads(h), width(w), rows_(&rows) {
        if (width == dynamic)
            for (std::size_t e = 0; e < rows.examples(); ++e)
                begins_.push_back(begins_.back() + heads * rows.length(e) * rows.length(e));
    }

    std::size_t offset(std::size_t example, std::size_t position, std::size_t head) const {
        if (width == dynamic)
            return begins_[example] + (head * rows_->length(example) + position) * rows_->length(example);
        return ((rows_->begin(example) + position) * heads + head) * width;
    }

    virtual ~slice_layout() = default;
    /// Whether policies are bound only for what that refuses, so that no lists are made.
    virtual bool only_checked() const { return false; }
    /// Whether a layer's table has the same rows as the next one's.
    virtual bool layers_alike() const { return true; }
    /// Here every row has a place, in every layer.
    virtual bool has(std::size_t) const { return true; }
    virtual bool has(std::size_t, std::size_t, std::size_t) const { return true; }
    virtual std::size_t place(std::size_t, std::size_t example, std::size_t position, std::size_t head) const {
        return offset(example, position, head);
    }

    std::size_t slice_width(std::size_t example) const { return width == dynamic ? rows_->length(example) : width; }
    ragged const& rows() const { return *rows_; }

    /// What the shape of the activation leaves open: its rows, or the elements of a pattern.
    std::size_t first_extent() const { return width == dynamic ? begins_.back() : rows_->rows(); }

private:
    ragged const* rows_;
    std::vector<std::size_t> begins_{0};
};

/// Where a run has its activations: all rows of them, or those that it computes.
class run_layout {
public:
    virtual ~run_layout() = default;
    /// Of a site with so many heads, whose slices are so wide.
    virtual std::unique_ptr<slice_layout const> of(int site, std::size_t heads, std::size_t width) const = 0;
};

/// The layout of a site's activation.
template <description const& D, site S>
class activation_layout : public slice_layout {
public:
    using shape = typename hook_point<D, S>::shape;

    explicit activation_layout(ragged const& rows)
        : slice_layout(rows, static_cast<std::size_t>(site_heads<D, S>), site_width<D, S>) {}

    shape extent() const { return shape(first_extent()); }
};

/// A `where`, resolved for a model and a batch: the heads of each layer, and the positions of each example, without the
/// places that are excepted.
struct selection {
    struct place {
        std::size_t example;
        std::size_t position;
        long source_position; ///< in the example's source; counted from that prompt's end when negative
        bool paired = false;  ///< a role says where it stands in the source
    };
    std::vector<std::vector<std::size_t>> heads; ///< of each layer, ascending; none: the layer is left alone
    std::vector<place> places;                   ///< by example, then position
    std::vector<selection> except;               ///< none of whose places is chosen
    bool whole = false;                          ///< every head and every position, each from its own

    /// Calls f(place, head) for every chosen slice of a layer.
    template <class F>
    void each(std::size_t layer, F const& f) const {
        for (auto const& at : places)
            each_head(layer, at, [&](std::size_t h) { f(at, h); });
    }

    /// Calls f(head) for every chosen head of one of the chosen places.
    template <class F>
    void each_head(std::size_t layer, place const& at, F const& f) const {
        bool const all = !excepts(layer, at); // mostly: not every head is looked up
        for (auto h : heads[layer])
            if (all || !excepted(layer, at, h))
                f(h);
    }

    /// Chosen heads of one of the chosen places.
    std::size_t count_heads(std::size_t layer, place const& at) const {
        if (!excepts(layer, at))
            return heads[layer].size();
        std::size_t n = 0;
        each_head(layer, at, [&](std::size_t) { ++n; });
        return n;
    }

    bool contains(std::size_t layer, place const& at, std::size_t head) const {
        auto const& h = heads[layer];
        return !h.empty() && std::binary_search(h.begin(), h.end(), head) && has_place(at) &&
               !excepted(layer, at, head);
    }

    /// Whether the same slices are chosen in both layers.
    bool same(std::size_t a, std::size_t b) const {
        return heads[a] == heads[b] &&
               std::all_of(except.begin(), except.end(), [&](selection const& e) { return e.same(a, b); });
    }

    /// Slices chosen in a layer.
    std::size_t count(std::size_t layer) const {
        if (!excepts(layer))
            return places.size() * heads[layer].size();
        std::size_t n = 0;
        for (auto const& at : places)
            n += count_heads(layer, at);
        return n;
    }

    /// Whether any slice of a layer is chosen.
    bool chooses(std::size_t layer) const {
        if (!excepts(layer))
            return !places.empty() && !heads[layer].empty();
        return std::any_of(places.begin(), places.end(), [&](place const& at) { return count_heads(layer, at) > 0; });
    }

    bool empty() const {
        for (std::size_t layer = 0; layer < heads.size(); ++layer)
            if (chooses(layer))
                return false;
        return true;
    }

    /// Calls f(place) for the chosen places of one example.
    template <class F>
    void each_place(std::size_t example, F const& f) const {
        auto at = std::lower_bound(places.begin(), places.end(), example,
                                   [](place const& p, std::size_t e) { return p.example < e; });
        for (; at != places.end() && at->example == example; ++at)
            f(*at);
    }

    /// Appends all that is said of one example's positions, so that examples with the same are acted on alike.
    void add_positions(std::size_t example, std::vector<std::uint32_t>& to) const;

    void add_to(hasher& h) const;

    /// Of memory.
    std::size_t bytes() const {
        std::size_t sum = heads.size() * sizeof(heads[0]) + places.size() * sizeof(place);
        for (auto const& of_layer : heads)
            sum += of_layer.size() * sizeof(std::size_t);
        for (auto const& e : except)
            sum += sizeof(e) + e.bytes();
        return sum;
    }

private:
    bool has_place(place const& at) const;
    bool excepts(std::size_t layer) const {
        return std::any_of(except.begin(), except.end(), [&](selection const& e) { return !e.heads[layer].empty(); });
    }
    /// Whether some heads of a place may be excepted.
    bool excepts(std::size_t layer, place const& at) const {
        return std::any_of(except.begin(), except.end(),
                           [&](selection const& e) { return !e.heads[layer].empty() && e.has_place(at); });
    }
    bool excepted(std::size_t layer, place const& at, std::size_t head) const {
        return std::any_of(except.begin(), except.end(),
                           [&](selection const& e) { return e.contains(layer, at, head); });
    }
};

namespace detail {

template <class Axis, int Bound>
inline constexpr bool all_below = true;
template <int Bound, int... I>
inline constexpr bool all_below<axes::constants<I...>, Bound> = ((I >= 0 && I < Bound) && ...);

void require_layer(long layer, int layers);
void require_head(long head, int heads, char const* site);

inline std::vector<int> items_of(axes::list const& l, int) { return l.items; }
template <int... I>
std::vector<int> items_of(axes::constants<I...>, int) {
    return {I...};
}
std::vector<int> items_of(axes::every, int count);
std::vector<int> items_of(axes::range const& r, int);

template <class T>
void sort_unique(std::vector<T>& items) {
    std::sort(items.begin(), items.end());
    items.erase(std::unique(items.begin(), items.end()), items.end());
}

/// The heads that a `where` names, in its own order: node by node, or layer by layer.
template <class Where>
std::vector<node> nodes_of(Where const& w, int layers, int heads) {
    if constexpr (requires { w.but; }) {
        return nodes_of(w.all, layers, heads);
    } else if constexpr (requires { w.holds; }) {
        return nodes_of(w.where, layers, heads);
    } else if constexpr (std::is_same_v<typename Where::layers_type, axes::nodes>) {
        return w.layers.items;
    } else {
        std::vector<node> nodes;
        for (int l : items_of(w.layers, layers))
            for (int h : items_of(w.heads, heads))
                nodes.push_back({l, h});
        return nodes;
    }
}

std::vector<selection::place> places_of(axes::every, ragged const& rows);
std::vector<selection::place> places_of(axes::positions const& given, ragged const& rows);
std::vector<selection::place> places_of(axes::range const& given, ragged const& rows);
std::vector<selection::place> places_of(axes::each const& given, ragged const& rows);
std::vector<selection::place> places_of(role const& given, ragged const& rows);

/// The places can be looked up in the source's prompts, one for each example. A position counted from the beginning is
/// the same place in both prompts only where these are equally long, unless a role says where it stands in the source.
/// throws bad_input [source.length], bad_position [source.position]
void require_source_places(selection const& chosen, ragged const& rows, ragged const& source,
                           std::vector<std::size_t> const& source_examples);

inline void keep_examples(std::vector<selection::place>&, axes::every, ragged const&) {}
void keep_examples(std::vector<selection::place>& places, axes::examples const& given, ragged const& rows);

template <description const& D, site S, class Where>
constexpr void check_product() {
    using heads_type = typename Where::heads_type;
    using layers_type = typename Where::layers_type;
    constexpr bool names_heads = !std::is_same_v<heads_type, axes::every>;
    constexpr bool names_layers = !std::is_same_v<layers_type, axes::every>;
    static_assert(has_site<D, S>, "engraft [site.exists]: models of this description have no such site; see the "
                                  "description's residual, position and mlp fields");
    static_assert(!names_heads || per_head_site<S>,
                  "engraft [where.no_heads]: this site's activation is not divided into heads; leave the heads out, or "
                  "name a site such as z or result");
    static_assert(!names_heads || !per_head_site<S> || D.heads == D.kv_heads ||
                      (S::kind == site_kind::kv_head) == (Where::kind == head_kind::kv),
                  "engraft [where.head_kind]: in a grouped-query model query heads and key/value heads are different "
                  "numbers; use heads() at query sites and kv_heads() at k, v and rot_k");
    static_assert(!names_layers || S::in_block,
                  "engraft [where.no_layers]: this site exists once and not in every block; leave the layers out");
    static_assert(detail::all_below<layers_type, D.layers>,
                  "engraft [where.layer]: a layer is out of the model's range; layers count from 0");
    static_assert(!names_heads || !per_head_site<S> || detail::all_below<heads_type, site_heads<D, S>>,
                  "engraft [where.head]: a head is out of the site's range; heads count from 0");
}
} // namespace detail

/// The compiler's half of checking a `where` against a site.
template <description const& D, site S, class Where>
constexpr void check_where() {
    if constexpr (requires(Where const& w) { w.but; }) {
        check_where<D, S, decltype(Where::all)>();
        check_where<D, S, decltype(Where::but)>();
    } else if constexpr (requires(Where const& w) { w.holds; }) {
        check_where<D, S, decltype(Where::where)>();
    } else {
        detail::check_product<D, S, Where>();
    }
}

namespace detail {
/// heads, site: of the activation
template <class Where>
selection select(Where const& w, int layers, int heads, char const* site, ragged const& rows) {
    if constexpr (requires { w.but; }) {
        auto s = select(w.all, layers, heads, site, rows);
        s.except.push_back(select(w.but, layers, heads, site, rows));
        s.whole = false;
        return s;
    } else if constexpr (requires { w.holds; }) {
        return select(w.where, layers, heads, site, rows);
    } else {
        selection s;
        s.heads.resize(static_cast<std::size_t>(layers));
        for (auto const& n : nodes_of(w, layers, heads)) {
            require_layer(n.layer, layers);
            require_head(n.head, heads, site);
            s.heads[static_cast<std::size_t>(n.layer)].push_back(static_cast<std::size_t>(n.head));
        }
        for (auto& h : s.heads)
            sort_unique(h);
        s.places = places_of(w.positions, rows);
        keep_examples(s.places, w.examples, rows);
        s.whole = std::is_same_v<typename Where::heads_type, axes::every> &&
                  std::is_same_v<typename Where::positions_type, axes::every> &&
                  std::is_same_v<typename Where::examples_type, axes::every>;
        return s;
    }
}

void require_some(selection const& s, char const* site);
} // namespace detail

/// Resolves places without objecting to none. Conditions are on values, which are not known yet.
/// throws bad_layer, bad_head, bad_position, and bad_input for a role that does not fit the batch
template <description const& D, site S, class Where>
selection select(Where const& w, ragged const& rows) {
    return detail::select(w, hook_point<D, S>::layers, site_heads<D, S>, S::name, rows);
}

/// As `select`; a `where` that names no place at all would pass for an intervention without effect.
/// throws as `select`, and bad_input [where.nothing] unless the run's policy may do nothing
template <description const& D, site S, class Where>
selection resolve(Where const& w, ragged const& rows, bool may_not_fire) {
    auto s = select<D, S>(w, rows);
    if (!may_not_fire)
        detail::require_some(s, S::name);
    return s;
}

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/intervene/source/selection.ipp>
#endif
