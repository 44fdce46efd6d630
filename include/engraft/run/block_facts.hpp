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
    std::array<double, row_sets> products{}; ///< multiplications of linear maps, of each row of a set
    double last_products = 0;                ///< of those, what only the MLP's output is made by
    std::array<site_set, row_sets> sites{};  ///< of a block, whose activations have the rows of a set
};

namespace detail {

template <description const& D, site From, site To>
inline constexpr double products_of = double(site_columns<D, From>) * double(site_columns<D, To>);

/// Adds what a step's linear maps take.
template <description const& D>
struct products_of_step {
    block_facts& facts;

    void operator()(auto) const {}
    template <site From, class... Map>
    void operator()(steps::maps<From, Map...>) const {
        (add(Map(), From()), ...);
    }
    template <site From, site To, block_weight W>
    void operator()(steps::sum<From, To, W>) const {
        auto& of_rows = facts.products[static_cast<std::size_t>(From::rows)];
        of_rows += products_of<D, From, To>;
        if constexpr (per_head_site<From>)
            facts.products[static_cast<std::size_t>(site_rows::results)] += products_of<D, From, To>;
        else
            facts.last_products = products_of<D, From, To>;
    }

private:
    template <block_weight W, site To, site From>
    void add(steps::map<W, To>, From) const {
        facts.products[static_cast<std::size_t>(To::rows)] += products_of<D, From, To>;
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
