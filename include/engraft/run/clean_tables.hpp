#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include <engraft/core/ragged.hpp>
#include <engraft/core/token.hpp>
#include <engraft/run/sites_for_sweeps.hpp>

namespace engraft::detail {

/// What rows of cases take from a clean run, whatever else the run has kept. A look at the run's own memory.
template <description const& D, class B>
class clean_tables {
public:
    using T = typename B::value_type;

    /// throws missing_activation when the run kept some layers or positions only
    template <class Clean>
    explicit clean_tables(Clean const& run)
        : rows_(&run.rows()), tokens_(&run.tokens()), final_normalized_(run.final_normalized()),
          weights_(run.weights_identity()) {
        keep(run, sites_for_sweeps<D>{});
    }

    ragged const& rows() const { return *rows_; }
    std::vector<token> const& tokens() const { return *tokens_; }
    void const* weights_identity() const { return weights_; }
    /// The final norm's output. shape [rows, d_model]
    matrix<T const> final_normalized() const { return final_normalized_; }

    /// A site of `sites_for_sweeps`. shape [rows, columns of the site]
    template <site S>
    matrix<T const> of(int layer) const {
        static_assert(sites_for_sweeps<D>::template contains<S>);
        return layers_[static_cast<std::size_t>(site_index<S>)][static_cast<std::size_t>(layer)];
    }

private:
    template <class Clean, site... S>
    void keep(Clean const& run, site_list<S...>) {
        for (int l = 0; l < D.layers; ++l)
            (layers_[static_cast<std::size_t>(site_index<S>)].push_back(as_matrix(run[S{}].whole(l))), ...);
    }

    ragged const* rows_;
    std::vector<token> const* tokens_;
    matrix<T const> final_normalized_;
    void const* weights_;
    std::array<std::vector<matrix<T const>>, static_cast<std::size_t>(known_sites::size)> layers_;
};

} // namespace engraft::detail
