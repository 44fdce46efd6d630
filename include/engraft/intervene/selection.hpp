#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <type_traits>
#include <vector>

#include <engraft/backend/slice.hpp>
#include <engraft/core/ragged.hpp>
#include <engraft/intervene/where.hpp>

namespace engraft {

/// Where the slices of an activation lie: a slice is one head of one row (one row, where the site has no heads).
/// The ragged rows are those of the run that the activation belongs to; the layout must not outlive them.
template <description D, site S>
class activation_layout {
public:
    static constexpr std::size_t heads = static_cast<std::size_t>(site_heads<D, S>);
    static constexpr std::size_t width = site_width<D, S>;
    using shape = typename hook_point<D, S>::shape;

    explicit activation_layout(ragged const& rows) : rows_(&rows) {
        if constexpr (width == dynamic)
            for (std::size_t e = 0; e < rows.examples(); ++e)
                begins_.push_back(begins_.back() + heads * rows.length(e) * rows.length(e));
    }

    std::size_t offset(std::size_t example, std::size_t position, std::size_t head) const {
        if constexpr (width == dynamic)
            return begins_[example] + (head * rows_->length(example) + position) * rows_->length(example);
        else
            return ((rows_->begin(example) + position) * heads + head) * width;
    }

    std::size_t slice_width(std::size_t example) const {
        if constexpr (width == dynamic)
            return rows_->length(example);
        return width;
    }

    shape extent() const {
        if constexpr (width == dynamic)
            return shape(begins_.back());
        else
            return shape(rows_->rows());
    }

private:
    ragged const* rows_;
    std::vector<std::size_t> begins_{0};
};

/// A `where`, resolved for a model and a batch: the heads of each layer, and the positions of each example.
struct selection {
    struct place {
        std::size_t example;
        std::size_t position;
        long source_position; ///< of the same example in a source run; counted from its end when negative
    };
    std::vector<std::vector<std::size_t>> heads; ///< of each layer; none: the layer is left alone
    std::vector<place> places;                   ///< by example, then position
    bool whole = false;                          ///< every head and every position, each from its own

    bool empty() const {
        return places.empty() || std::all_of(heads.begin(), heads.end(), [](auto const& h) { return h.empty(); });
    }
};

namespace detail {

template <class Axis, int Bound>
inline constexpr bool all_below = true;
template <int Bound, int... I>
inline constexpr bool all_below<axes::constants<I...>, Bound> = ((I >= 0 && I < Bound) && ...);

inline void require_layer(long layer, int layers) {
    if (layer < 0 || layer >= layers)
        throw bad_layer(
            {"engraft [where.layer]: layer ", layer, " is out of range; the model's layers are 0 to ", layers - 1});
}
inline void require_head(long head, int heads, char const* site) {
    if (head < 0 || head >= heads)
        throw bad_head(
            {"engraft [where.head]: head ", head, " is out of range; the heads of ", site, " are 0 to ", heads - 1});
}

inline std::vector<int> items_of(axes::list const& l, int) { return l.items; }
template <int... I>
std::vector<int> items_of(axes::constants<I...>, int) {
    return {I...};
}
inline std::vector<int> items_of(axes::every, int count) {
    std::vector<int> all(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i)
        all[static_cast<std::size_t>(i)] = i;
    return all;
}
inline std::vector<int> items_of(axes::range const& r, int) {
    if (r.first > r.last)
        throw bad_layer(
            {"engraft [where.layer]: the range of layers from ", r.first, " to ", r.last, " ends before it begins"});
    std::vector<int> items;
    for (long i = r.first; i < r.last; ++i)
        items.push_back(static_cast<int>(i));
    return items;
}

template <class T>
void sort_unique(std::vector<T>& items) {
    std::sort(items.begin(), items.end());
    items.erase(std::unique(items.begin(), items.end()), items.end());
}

inline std::vector<selection::place> places_of(axes::every, ragged const& rows) {
    std::vector<selection::place> places;
    places.reserve(rows.rows());
    for (std::size_t e = 0; e < rows.examples(); ++e)
        for (std::size_t p = 0; p < rows.length(e); ++p)
            places.push_back({e, p, static_cast<long>(p)});
    return places;
}
inline std::vector<selection::place> places_of(axes::positions const& given, ragged const& rows) {
    std::vector<selection::place> places;
    for (std::size_t e = 0; e < rows.examples(); ++e) {
        std::vector<std::size_t> at;
        for (long p : given.items)
            at.push_back(rows.position(e, p));
        sort_unique(at);
        for (auto p : at)
            places.push_back({e, p, static_cast<long>(p)});
    }
    return places;
}
inline std::vector<selection::place> places_of(axes::range const& given, ragged const& rows) {
    std::vector<selection::place> places;
    for (std::size_t e = 0; e < rows.examples(); ++e) {
        auto const length = static_cast<long>(rows.length(e));
        long const first = given.first < 0 ? given.first + length : given.first;
        long const last = given.last < 0                          ? given.last + length
                          : given.last == axes::range::to_the_end ? length
                                                                  : given.last;
        if (first < 0 || last > length)
            throw bad_position({"engraft [where.position]: positions ", first, " to before ", last,
                                " were asked of example ", e, ", which has ", length});
        for (long p = first; p < last; ++p)
            places.push_back({e, static_cast<std::size_t>(p), p});
    }
    return places;
}
inline std::vector<selection::place> places_of(role const& given, ragged const& rows) {
    auto const count = rows.examples();
    if (given.positions.size() != count || (!given.source_positions.empty() && given.source_positions.size() != count))
        throw bad_input({"engraft [where.role]: the role `", given.name, "` has ", given.positions.size(),
                         " positions (", given.source_positions.size(), " in the source), the batch has ", count,
                         " examples; a role needs one position for each"});
    std::vector<selection::place> places;
    for (std::size_t e = 0; e < count; ++e) {
        auto const p = rows.position(e, given.positions[e]);
        places.push_back({e, p, given.source_positions.empty() ? static_cast<long>(p) : given.source_positions[e]});
    }
    return places;
}

} // namespace detail

/// The compiler's half of checking a `where` against a site.
template <description D, site S, class Where>
constexpr void check_where() {
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

/// throws bad_layer, bad_head, bad_position, and bad_input for a role that does not fit the batch or a `where` that
/// names no place at all, which would pass for an intervention without effect
template <description D, site S, class Where>
selection resolve(Where const& w, ragged const& rows) {
    constexpr int layers = hook_point<D, S>::layers;
    constexpr int heads = site_heads<D, S>;
    selection s;
    s.heads.resize(static_cast<std::size_t>(layers));
    if constexpr (std::is_same_v<typename Where::layers_type, axes::nodes>) {
        for (auto const& n : w.layers.items) {
            detail::require_layer(n.layer, layers);
            detail::require_head(n.head, heads, S::name);
            s.heads[static_cast<std::size_t>(n.layer)].push_back(static_cast<std::size_t>(n.head));
        }
        for (auto& h : s.heads)
            detail::sort_unique(h);
    } else {
        std::vector<std::size_t> chosen;
        for (int h : detail::items_of(w.heads, heads)) {
            detail::require_head(h, heads, S::name);
            chosen.push_back(static_cast<std::size_t>(h));
        }
        detail::sort_unique(chosen);
        for (int l : detail::items_of(w.layers, layers)) {
            detail::require_layer(l, layers);
            s.heads[static_cast<std::size_t>(l)] = chosen;
        }
    }
    s.places = detail::places_of(w.positions, rows);
    if (s.empty())
        throw bad_input({"engraft [where.nothing]: no layer, head or position of ", S::name,
                         " is chosen; leave the policy out if that is meant"});
    s.whole = std::is_same_v<typename Where::heads_type, axes::every> &&
              std::is_same_v<typename Where::positions_type, axes::every>;
    return s;
}

} // namespace engraft
