#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <engraft/core/finite.hpp>
#include <engraft/intervene/donor.hpp>

namespace engraft {

/// w a + (1 - w) b, a the activation and b a donor's.
template <donor Donor>
struct blended {
    static constexpr bool replaces = false;
    template <class Backend>
    static constexpr bool differentiable = true;
    Donor donor;
    std::vector<double> weights;

    void add_to(hasher& h) const { h.add_known(donor).add(weights); }

    template <description const& D, class Backend, site S>
    static constexpr void check() {
        Donor::template check<D, Backend, S>();
    }

    template <class Backend, class Bound>
    struct bound {
        Bound donor;
        matrix_tensor<typename Backend::value_type, typename Backend::memory_type> table; ///< [layers * heads, columns]
        std::size_t heads;
        std::vector<node> nodes; ///< in the order of the weights
        bool one;                ///< weight for all of them

        std::size_t from(selection::place const& at, std::size_t head, std::size_t width) const {
            return donor.offset(at, head, width);
        }

        template <class T, class List>
        void operator()(Backend const& backend, T* elements, int layer, List const& slices) const {
            backend.blend_slices(elements, donor.elements(layer), slices, of_layer(layer));
        }

        static constexpr bool pulls_by_value = true;
        std::size_t sums() const { return table.size(); }
        void pull_back(Backend const&, auto const& adjoint, auto* dx, auto const* x, int layer, auto const& slices,
                       double* sums) const {
            auto const columns = table.shape()[1];
            matrix<double> const of_layer_sums{sums + static_cast<std::size_t>(layer) * heads * columns, heads, columns,
                                               columns};
            adjoint.sum_weights(of_layer_sums, dx, x, donor.elements(layer), slices);
            adjoint.weigh_slices(dx, slices, of_layer(layer));
        }
        std::vector<double> parameters(std::vector<double> const& sums) const {
            auto const columns = table.shape()[1];
            std::vector<double> given(one ? 1 : nodes.size() * columns);
            for (std::size_t i = 0; i < nodes.size(); ++i) {
                auto const row =
                    static_cast<std::size_t>(nodes[i].layer) * heads + static_cast<std::size_t>(nodes[i].head);
                for (std::size_t c = 0; c < columns; ++c)
                    given[one ? 0 : i * columns + c] += sums[row * columns + c];
            }
            return given;
        }

    private:
        auto of_layer(int layer) const {
            return as_matrix(table).row_range(static_cast<std::size_t>(layer) * heads, heads);
        }
    };

    /// throws bad_input when there are neither 1, nor as many weights as heads, nor as many as their elements
    template <site S, class Binding, class Where>
    auto bind(Binding const& run, Where const& where, selection const& chosen) const {
        constexpr auto const& D = Binding::model;
        using backend = typename Binding::backend_type;
        using T = typename backend::value_type;
        constexpr int layers = hook_point<D, S>::layers, heads = site_heads<D, S>;
        auto const nodes = detail::nodes_of(where, layers, heads);
        std::size_t columns = 1;
        constexpr auto unit = per_head_site<S> ? "head" : "layer";
        bool fits = weights.size() == 1 || weights.size() == nodes.size();
        if constexpr (site_width<D, S> != dynamic)
            if (!fits && weights.size() == nodes.size() * site_width<D, S>) {
                columns = site_width<D, S>;
                fits = true;
            }
        if (!fits)
            throw bad_input({"engraft [mask.weights]: ", weights.size(), " weights are given for ", nodes.size(), " ",
                             unit, "s of ", S::name, "; give 1, or one per ", unit,
                             " in the order of where, or one per ", "element of each"});
        std::vector<T> table(static_cast<std::size_t>(layers * heads) * columns, T(1));
        std::vector<bool> given(static_cast<std::size_t>(layers * heads));
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            auto const row = static_cast<std::size_t>(nodes[i].layer * heads + nodes[i].head);
            if (given[row] && per_head_site<S>)
                throw bad_input({"engraft [mask.weights]: head ", nodes[i].head, " of layer ", nodes[i].layer,
                                 " is named twice, with a weight each; name it once"});
            if (given[row])
                throw bad_input({"engraft [mask.weights]: layer ", nodes[i].layer,
                                 " is named twice, with a weight each; name it once"});
            given[row] = true;
            for (std::size_t c = 0; c < columns; ++c)
                table[row * columns + c] = static_cast<T>(weights.size() == 1 ? weights[0] : weights[i * columns + c]);
        }
        auto from = donor.template bind<D, S>(run.rows, chosen);
        return bound<backend, decltype(from)>{
            std::move(from),
            matrix_tensor<T, typename backend::memory_type>::from_host(
                table, extents<dynamic, dynamic>(static_cast<std::size_t>(layers * heads), columns)),
            static_cast<std::size_t>(heads), nodes, weights.size() == 1};
    }
};

/// mask(site, where, weights, source): the activation a becomes w a + (1 - w) b, b the source run's: 1 keeps it, 0
/// replaces it, both exactly. Weights: one for all; one per head, in the order in which `where` names them (node by
/// node, or layer by layer and head by head); or one per element of each of these heads; all finite. source De Cao et
/// al. 2022; Davies et al. 2023 (DCM); Prakash et al. 2024, section 5.2
template <site S, class Where, source_run Source>
    requires detail::is_where<Where>
auto mask(S, Where where, std::vector<double> weights, Source const& source) {
    detail::require_holds<Source, S>();
    using operation = blended<from_run<S, Source>>;
    return slice_policy<touch::writes, S, Where, operation>(
        std::move(where), operation{{source}, detail::finite(std::move(weights), "mask's weights")});
}

/// mask(site, where, weights, means): the same, with means in place of a run's values.
template <site S, class Where, donor Donor>
    requires detail::is_where<Where>
auto mask(S, Where where, std::vector<double> weights, Donor const& means) {
    using operation = blended<Donor>;
    return slice_policy<touch::writes, S, Where, operation>(
        std::move(where), operation{means, detail::finite(std::move(weights), "mask's weights")});
}

} // namespace engraft
