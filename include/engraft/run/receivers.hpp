#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <engraft/intervene/donor.hpp>
#include <engraft/intervene/hooks.hpp>
#include <engraft/run/chunk.hpp>
#include <engraft/run/workspace.hpp>

namespace engraft {

/// The receivers' inputs of path patching: the site's values of these heads at a role.
template <site S, class Where>
struct receivers_of {
    Where where;
    std::vector<node> nodes;
    role at;
};

/// receivers(site, nodes, role): q, k, v, rot_q, rot_k or z of these heads; at k, v and rot_k their numbers are those
/// of key/value heads.
template <site S>
auto receivers(S, std::vector<node> list, role at) {
    static_assert(S::kind == site_kind::query_head || S::kind == site_kind::kv_head,
                  "engraft [sweep.receivers]: receivers read q, k, v, rot_q, rot_k or z of single heads; this site is "
                  "none of them");
    constexpr auto kind = S::kind == site_kind::kv_head ? head_kind::kv : head_kind::query;
    using place = where<axes::nodes, axes::in_nodes, role, axes::every, kind>;
    place there{{list}, {}, at, {}};
    return receivers_of<S, place>{std::move(there), std::move(list), std::move(at)};
}

namespace detail {

/// What receivers got in a first pass, as the donor of the second: rows [layer][case] of whole rows of the site.
template <description const& D, class B, site S>
struct received {
    using is_donor = void;
    std::vector<matrix<typename B::value_type>> const* tables;
    std::vector<std::size_t> const* row_of; ///< of each example, for one entry

    template <description const&, class, site>
    static constexpr void check() {}
    template <description const&, site>
    received const& bind(ragged const&, selection const&) const {
        return *this;
    }
    auto const* elements(int layer) const { return (*tables)[static_cast<std::size_t>(layer)].data; }
    std::size_t offset(selection::place const& at, std::size_t head, std::size_t width) const {
        auto const row = (*row_of)[at.example];
        // An example that is no case of this chunk has no row, and none of its slices is used.
        return row == static_cast<std::size_t>(-1) ? 0
                                                   : (row * static_cast<std::size_t>(site_heads<D, S>) + head) * width;
    }
};

/// Layers whose receivers read what they read in the clean run. todo: a case's work in the first pass
template <site S>
idle_layers not_reached(description const& d, case_work const& todo, wanted_rows const& wanted) {
    idle_layers idle{site_index<S>, std::vector<bool>(static_cast<std::size_t>(d.layers))};
    for (auto const& r : wanted.sites) {
        auto const layer = static_cast<std::size_t>(r.layer);
        idle.layers[layer] = !takes_part(todo.at(layer, r.position), S::rows);
    }
    return idle;
}

/// Tables for what receivers get, filled with the clean run's values, and the rows that the first pass replaces.
/// clean: the site's activations in the clean run, of each layer
template <description const& D, site S, class B, class T, class Memory>
std::vector<row_pairs> received_places(B const& backend, ragged const& rows, std::vector<matrix<T const>> const& clean,
                                       chunk_rows const& chunk, std::vector<int> const& layers,
                                       std::vector<wanted_rows> const& wanted,
                                       std::vector<workspace<T, Memory>>& spaces, std::vector<matrix<T>>& tables) {
    std::vector<row_pairs> places(static_cast<std::size_t>(D.layers));
    for (int layer : layers) {
        auto const l = static_cast<std::size_t>(layer);
        tables[l] = spaces[l].shaped(chunk.cases.size(), site_columns<D, S>);
        row_pairs all;
        auto const& list = chunk.of(S::rows, l);
        for (std::size_t i = 0; i < chunk.cases.size(); ++i) {
            auto const e = chunk.cases[i].example;
            auto const p = wanted[e].sites.front().position;
            all.add(i, rows.begin(e) + p);
            if (auto const row = list.find(i, p); row != row_list::missing)
                places[l].add(i, row);
        }
        backend.copy_rows(tables[l], upload<Memory>(all.to), clean[l], upload<Memory>(all.from));
    }
    return places;
}

/// Keeps what receivers read: whole rows of one site at the layers of the receivers.
template <class B>
class bound_receivers final : public bound_policy<B> {
public:
    using typename bound_policy<B>::T;
    using memory = typename B::memory_type;

    bound_receivers(B const& backend, std::vector<matrix<T>> tables, std::vector<row_pairs> places)
        : b_(backend), tables_(std::move(tables)), places_(std::move(places)) {}

    void apply(int, int layer, T* elements, std::size_t size) override {
        auto const l = static_cast<std::size_t>(layer);
        if (places_[l].to.empty())
            return;
        auto const columns = tables_[l].columns;
        b_.copy_rows(tables_[l], upload<memory>(places_[l].to), {elements, size / columns, columns, columns},
                     upload<memory>(places_[l].from));
    }
    std::size_t fired() const override { return 0; }
    std::vector<selection const*> chosen() const override { return {}; }

private:
    B const& b_;
    std::vector<matrix<T>> tables_;
    std::vector<row_pairs> places_;
};

} // namespace detail

} // namespace engraft
