#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include <boost/hana/for_each.hpp>

#include <engraft/core/tensor.hpp>
#include <engraft/model/block.hpp>

namespace engraft::detail {

/// Elements of a row of a site.
template <description const& D, site S>
inline constexpr std::size_t site_columns = static_cast<std::size_t>(site_heads<D, S>) * site_width<D, S>;

/// The tables that a pass over rows works in, used again by each block. A site that takes another one's place shares
/// its table.
template <description const& D, class B>
class activations {
public:
    using T = typename B::value_type;
    using table = matrix_tensor<T, typename B::memory_type>;

    /// Tables of all sites of a block but the two that are made where they are touched: patterns and single heads'
    /// contributions.
    void make_all(std::size_t rows) {
        auto const make_home = [&](auto s) {
            using home = typename decltype(s)::home;
            if constexpr (home::kind != site_kind::pattern && home::kind != site_kind::head_contribution)
                if (of<home>().empty())
                    of<home>() = make<home>(rows);
        };
        boost::hana::for_each(block_sites<D>, make_home);
        make_home(sites::final_normalized()); // whose home no block has that has no norm
    }
    template <site S>
    static table make(std::size_t rows) {
        return table(extents<dynamic, dynamic>(rows, site_columns<D, S>));
    }

    template <site S>
    table& of() {
        return tables_[number<S>];
    }
    template <site S>
    table const& of() const {
        return tables_[number<S>];
    }
    template <site S>
    matrix<T> matrix_of() {
        return as_matrix(of<S>());
    }
    template <site S>
    matrix<T const> matrix_of() const {
        return as_matrix(of<S>());
    }

private:
    template <site S>
    static constexpr auto number = static_cast<std::size_t>(site_index<typename S::home>);

    std::array<table, static_cast<std::size_t>(known_sites::size)> tables_;
};

} // namespace engraft::detail
