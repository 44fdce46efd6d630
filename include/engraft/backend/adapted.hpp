#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include <engraft/backend/backend.hpp>
#include <engraft/model/weights.hpp>

namespace engraft {

/// y = x W^T + bias + (x A^T) (s B)^T: a map of another model, and what a low-rank adapter adds to it.
/// source Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models", section 4.1
template <class Base>
struct adapted_map {
    std::shared_ptr<typename Base::linear_map const> base;
    std::size_t rank = 0;             ///< 0: the adapter has nothing for this map
    typename Base::linear_map down{}; ///< A, [rank, in]
    typename Base::linear_map up{};   ///< s B, [out, rank]
};

/// A backend whose linear maps are those of `Base` with an adapter kept apart: a model that computes with it shares
/// the weights of the model that was adapted. What is no linear map is done as `Base` does it.
template <backend Base>
class adapted : public Base {
public:
    using typename Base::memory_type;
    using typename Base::value_type;
    using linear_map = adapted_map<Base>;

    explicit adapted(Base base = Base{}) : Base(std::move(base)) {}

    linear_map make_linear(matrix_tensor<value_type, memory_type> weight,
                           vector_tensor<value_type, memory_type> bias) const {
        return {
            std::make_shared<typename Base::linear_map const>(Base::make_linear(std::move(weight), std::move(bias)))};
    }

    void linear(matrix<value_type> out, matrix<value_type const> in, linear_map const& map) const {
        Base::linear(out, in, *map.base);
        if (map.rank == 0)
            return;
        table low(extents<dynamic, dynamic>(in.rows, map.rank));
        Base::linear(as_matrix(low), in, map.down);
        table added(extents<dynamic, dynamic>(out.rows, out.columns));
        Base::linear(as_matrix(added), as_matrix(std::as_const(low)), map.up);
        Base::add(out, as_matrix(std::as_const(added)));
    }

    void head_results(matrix<value_type> out, matrix<value_type const> in, linear_map const& map,
                      std::size_t heads) const {
        Base::head_results(out, in, *map.base, heads);
        if (map.rank == 0)
            return;
        table low(extents<dynamic, dynamic>(in.rows * heads, map.rank)); // [rows, heads, rank] to head_results
        Base::head_results(matrix<value_type>{low.data(), in.rows, heads * map.rank, heads * map.rank}, in, map.down,
                           heads);
        table added(extents<dynamic, dynamic>(out.rows * heads, out.columns / heads));
        Base::linear(as_matrix(added), as_matrix(std::as_const(low)), map.up);
        Base::add(out, matrix<value_type const>{added.data(), out.rows, out.columns, out.columns});
    }

    std::vector<double> map_entries(matrix<value_type const> in, linear_map const& map,
                                    std::span<token const> outputs) const requires computes_entries<Base> {
        if (map.rank == 0)
            return Base::map_entries(in, *map.base, outputs);
        table all(extents<dynamic, dynamic>(in.rows, map.base->out()));
        linear(as_matrix(all), in, map);
        return Base::elements(as_matrix(std::as_const(all)), outputs);
    }

private:
    using table = matrix_tensor<value_type, memory_type>;
};

/// A block of an adapted model: its norms are the base model's own.
template <description const& D, class Base>
struct block_weights<D, adapted<Base>> {
    using norm = typename block_weights<D, Base>::norm;
    using linear_map = adapted_map<Base>;

    struct expert {
        linear_map gate, up, down;
    };

    block_weights(block_weights<D, Base> const& base)
        : norm1(base.norm1), q_norm(base.q_norm), k_norm(base.k_norm), attn_out_norm(base.attn_out_norm),
          norm2(base.norm2), mlp_out_norm(base.mlp_out_norm), experts(base.experts.size()) {}

    norm const &norm1, &q_norm, &k_norm, &attn_out_norm, &norm2, &mlp_out_norm;
    linear_map q, k, v, o, gate, up, down, router;
    std::vector<expert> experts;
};

/// Weights of an adapted model: the adapter's matrices, and the base model's weights, which they keep alive.
template <description const& D, class Base>
struct weights<D, adapted<Base>> {
    using table = typename weights<D, Base>::table;

    explicit weights(std::shared_ptr<weights<D, Base> const> of)
        : base(std::move(of)), position_embedding(base->position_embedding),
          blocks(base->blocks.begin(), base->blocks.end()), final_norm(base->final_norm) {}

    std::shared_ptr<weights<D, Base> const> base;
    void embed(Base const& b, matrix<typename Base::value_type> out,
               vector_tensor<std::int32_t, typename Base::memory_type> const& tokens) const {
        base->embed(b, out, tokens);
    }

    table const& position_embedding;
    std::vector<block_weights<D, adapted<Base>>> blocks;
    typename block_weights<D, Base>::norm const& final_norm;
    adapted_map<Base> unembedding;
};

} // namespace engraft
