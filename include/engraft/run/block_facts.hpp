#pragma once

#include <array>
#include <cstddef>

#include <engraft/backend/attention_shape.hpp>
#include <engraft/model/block.hpp>
#include <engraft/run/activations.hpp>

namespace engraft {

/// How many sets of a layer's rows there are: all of `site_rows` but those behind the blocks.
inline constexpr std::size_t row_sets = static_cast<std::size_t>(site_rows::last);

/// What plans must know of a described model's blocks, gathered from their steps.
struct block_facts {
    description const* of = nullptr;
    attention_shape (*shape)(int layer) = nullptr;
    /// Multiplications of linear maps, of each row of a set; [1] in layers with experts.
    std::array<std::array<double, row_sets>, 2> products{};
    double last_products = 0;               ///< of those, what only the output of an MLP without experts is made by
    std::array<site_set, row_sets> sites{}; ///< of a block, whose activations have the rows of a set
};

namespace detail {

template <description const& D, site From, site To>
inline constexpr double products_of = double(site_columns<D, From>) * double(site_columns<D, To>);

/// Adds what a step's linear maps take.
template <description const& D>
struct products_of_step {
    block_facts& facts;

    bool plain = true, experts = true; ///< layers that have the step

    void operator()(auto) const {}
    template <bool Experts, class Step>
    void operator()(steps::in_layers<Experts, Step>) const {
        products_of_step{facts, !Experts, Experts}(Step());
    }
    template <site From>
    void operator()(steps::experts<From>) const {
        add(site_rows::neurons, 3.0 * D.experts_per_token * D.d_model * D.d_expert);
    }
    template <site From, class... Map>
    void operator()(steps::maps<From, Map...>) const {
        (add_map(Map(), From()), ...);
    }
    template <site From, site To, block_weight W>
    void operator()(steps::sum<From, To, W>) const {
        add(From::rows, products_of<D, From, To>);
        if constexpr (per_head_site<From>)
            add(site_rows::results, products_of<D, From, To>);
        else
            facts.last_products = products_of<D, From, To>;
    }

private:
    template <block_weight W, site To, site From>
    void add_map(steps::map<W, To>, From) const {
        add(To::rows, products_of<D, From, To>);
    }
    void add(site_rows set, double products) const {
        for (std::size_t kind = 0; kind < 2; ++kind)
            if (kind == 1 ? experts : plain)
                facts.products[kind][static_cast<std::size_t>(set)] += products;
    }
};

} // namespace detail

template <description const& D>
block_facts facts_of_block() {
    block_facts facts;
    facts.of = &D;
    facts.shape = shape_of_attention<D>;
    detail::products_of_step<D> const add{facts};
    detail::each_step<D>([&](auto step) { add(step); });
    boost::hana::for_each(block_sites<D>, [&](auto s) {
        facts.sites[static_cast<std::size_t>(decltype(s)::rows)].add(site_index<decltype(s)>);
    });
    return facts;
}

} // namespace engraft
