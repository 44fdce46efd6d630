#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <engraft/backend/attention_row.hpp>
#include <engraft/backend/reference/adjoint_rows.hpp>
#include <engraft/model/block.hpp>
#include <engraft/run/batch.hpp>
#include <engraft/run/gradient_cost.hpp>
#if defined(__CUDACC__) // which does without the backend cpu
#include <engraft/backend/cuda/adjoint.cuh>
#else
#include <engraft/backend/cpu/adjoint_rows.hpp>
#endif

namespace engraft {

namespace detail {

/// What a pass over last rows sees of the clean run before them: keys and values of each layer.
template <description const& D, backend B>
class rows_beside {
public:
    using T = typename B::value_type;
    using memory = typename B::memory_type;
    static constexpr bool has_patterns = false;
    using keys_site = std::conditional_t<D.position == position::rope, sites::rot_k, sites::k>;

    template <class Clean>
    rows_beside(Clean const& clean, std::vector<last_rows> const& cases) : clean_rows_(clean.rows()) {
        for (int l = 0; l < D.layers; ++l) {
            keys_.push_back(as_matrix(clean[keys_site{}].whole(l)));
            values_.push_back(as_matrix(clean[sites::v{}].whole(l)));
        }
        std::vector<std::size_t> lengths;
        std::vector<attention_row> queried;
        std::vector<std::uint32_t> positions;
        for (auto const& c : cases) {
            auto const begin = static_cast<std::uint32_t>(positions.size());
            auto const length = clean_rows_.length(c.example) - c.first;
            first_.push_back(c.first);
            lengths.push_back(length);
            for (std::size_t i = 0; i < length; ++i) {
                auto const row = static_cast<std::uint32_t>(positions.size());
                positions.push_back(static_cast<std::uint32_t>(c.first + i));
                queried.push_back({row, row, static_cast<std::uint32_t>(c.example), positions.back(), begin,
                                   static_cast<std::uint32_t>(length)});
            }
        }
        rows_ = ragged(lengths);
        queried_ = upload<memory>(queried);
        positions_ = upload<memory>(positions);
    }

    ragged const& rows() const { return rows_; }
    std::size_t first(std::size_t one) const { return first_[one]; }
    std::size_t longest(ragged const&) const { return clean_rows_.longest(); }

    void attention(B const& b, int layer, matrix<T> z, matrix<T const> q, matrix<T const> k, matrix<T const> v,
                   attention_shape const& shape, ragged const&) const {
        auto const l = static_cast<std::size_t>(layer);
        b.attention_rows(z, q, queried_, keys_[l], values_[l], k, v, positions_, shape, clean_rows_);
    }

    void attention_adjoint(B const& b, auto const&, int layer, matrix<T> dq, matrix<T> dk, matrix<T> dv,
                           matrix<T const> dz, matrix<T const> q, matrix<T const> k, matrix<T const> v,
                           attention_shape const& shape, ragged const&) const {
        auto const l = static_cast<std::size_t>(layer);
        attention_rows_adjoint(b, dq, dk, dv, dz, q, queried_, keys_[l], values_[l], k, v, positions_, shape,
                               clean_rows_);
    }

private:
    ragged const& clean_rows_;
    std::vector<matrix<T const>> keys_, values_;
    std::vector<std::size_t> first_;
    ragged rows_;
    vector_tensor<attention_row, memory> queried_;
    vector_tensor<std::uint32_t, memory> positions_;
};

} // namespace detail
} // namespace engraft
