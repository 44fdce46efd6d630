#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include <engraft/backend/attention_shape.hpp>
#include <engraft/intervene/slices.hpp>

namespace engraft {

/// Elements become minus infinity, which is no parameter.
struct hidden : operation_in_place, replaced_value {
    template <class Backend, class T, class List>
    void operator()(Backend const& backend, T* elements, int, List const& slices) const {
        backend.fill_slices(elements, -std::numeric_limits<double>::infinity(), slices);
    }
};

/// Blocks attention: see `knockout`.
template <class Where, class Queries, class Keys>
struct knockout_policy : touches_nothing {
    using S = sites::scores;
    using blocks = site_list<S>;
    template <class Backend>
    static constexpr bool differentiable = true;
    Where where;     ///< layers, heads and examples
    Queries queries; ///< positions that attend
    Keys keys;       ///< positions that they no longer see

    knockout_policy(Where w, Queries from, Keys to)
        : where(std::move(w)), queries(std::move(from)), keys(std::move(to)) {}

    template <description const& D, class Backend>
    static constexpr void check() {
        check_where<D, S, Where>();
        static_assert(std::is_same_v<typename Where::positions_type, axes::every> && detail::is_place_set<Where>,
                      "engraft [knockout.where]: the first where of a knockout names layers, heads and examples; the "
                      "second and third say from which positions to which");
        static_assert(positions_only<Queries> && positions_only<Keys>,
                      "engraft [knockout.positions]: from and to name positions only; layers, heads and examples go "
                      "into the first where");
        static_assert(!std::is_same_v<typename Keys::positions_type, axes::every>,
                      "engraft [knockout.everything]: a position that no longer sees any position has no softmax; name "
                      "fewer positions in to, or ablate z");
    }

    template <description const& D>
    void leave_footprint(auto& all, ragged const& rows, bool may_do_nothing) const {
        hasher h;
        std::size_t most = 0; // a slice for each key
        for (auto const& of_example : keys_of(rows)) {
            h.add(of_example);
            most = std::max(most, of_example.size());
        }
        all.add(site_index<S>, touch::blocks, false, D.heads, resolve<D, S>(where & queries, rows, may_do_nothing),
                {.values = h.value(), .slices_per_head = most});
    }

    /// That something is left for each query to attend to is checked when all policies are known.
    template <class Binding>
    auto bind(Binding const& run) const {
        constexpr auto const& D = Binding::model;
        using backend = typename Binding::backend_type;
        auto chosen = resolve<D, S>(where & queries, run.rows, run.may_not_fire);
        auto const seen = keys_of(run.rows);
        auto const layout = run.template layout<S>();
        auto const window = [&](std::size_t layer) { // [&] for clang 14
            return shape_of_attention<D>(static_cast<int>(layer)).window;
        };
        auto lists = detail::slice_lists<backend>::make(
            chosen, *layout,
            [&](std::size_t a, std::size_t b) { return layout->layers_alike() && window(a) == window(b); },
            [&](std::vector<row_slice>& slices, std::size_t layer, selection::place const& at, std::size_t head) {
                auto const line = layout->place(layer, at.example, at.position, head);
                auto const shape = shape_of_attention<D>(static_cast<int>(layer));
                auto const first = shape.first_visible(at.position);
                auto const end = shape.end_visible(at.position, run.rows.length(at.example));
                for (auto key : seen[at.example])
                    if (key >= first && key < end)
                        slices.push_back({.to = line + key,
                                          .width = 1,
                                          .example = static_cast<std::uint32_t>(at.example),
                                          .position = static_cast<std::uint32_t>(at.position),
                                          .head = static_cast<std::uint32_t>(head)});
            });
        return detail::bound_slices<backend, hidden, detail::unconditional>(
            run.backend, {}, detail::chosen_slices<backend>{std::move(chosen), std::move(lists)});
    }

private:
    /// Positions that are no longer seen, of each example.
    std::vector<std::vector<std::size_t>> keys_of(ragged const& rows) const {
        std::vector<std::vector<std::size_t>> all(rows.examples());
        for (auto const& at : detail::places_of(keys.positions, rows))
            all[at.example].push_back(at.position);
        return all;
    }

    template <class W>
    static constexpr bool positions_only =
        detail::is_product<W>&& std::is_same_v<typename W::layers_type, axes::every>&& std::is_same_v<
            typename W::heads_type, axes::every>&& std::is_same_v<typename W::examples_type, axes::every>;
};

/// knockout(where, from, to): in the layers and heads of `where`, the positions `from` no longer attend to the
/// positions `to`: those scores are minus infinity before the softmax, which renormalises over what is left. Pairs that
/// the causal mask or the window hides anyway stay hidden and count for nothing.
///
///     knockout(layers(4, 12), at(last), at(correct_object))
///
/// source Geva et al. 2023, section 3.2 ("attention knockout"); Prakash et al. 2024, appendix
template <class Where, class Queries, class Keys>
    requires(detail::is_where<Where>&& detail::is_where<Queries>&& detail::is_where<Keys>)
auto knockout(Where where, Queries from, Keys to) {
    return knockout_policy<Where, Queries, Keys>(std::move(where), std::move(from), std::move(to));
}

} // namespace engraft
