#pragma once

#include <cstddef>
#include <ostream>
#include <vector>

#include <engraft/run/plan.hpp>

namespace engraft {

/// The last positions of an example of a clean run, from `first` on: what one case computes where nothing before that
/// differs from the clean run.
struct last_rows {
    std::size_t example;
    std::size_t first;
};

/// What a gradient will cost, known before anything is computed. Elementwise work and policies are not counted.
struct gradient_plan {
    flop_count forward; ///< the run, and the logits that are read
    flop_count again;   ///< blocks computed a second time, but for the MLPs' last products
    flop_count back;    ///< the way back
    double memory = 0;  ///< streams between blocks and the tables of one block, in bytes; weights and what is captured
                        ///< not included

    double total() const { return forward.total() + again.total() + back.total(); }
};

inline std::ostream& operator<<(std::ostream& out, gradient_plan const& p) {
    return out << p.forward.total() / 1e9 << " GFLOP forwards, " << p.again.total() / 1e9
               << " to compute blocks again, " << p.back.total() / 1e9 << " back; " << p.memory / 1e6 << " MB";
}

namespace detail {

/// Adds a row's share of a layer that is gone back through, or below which nothing is asked for.
template <class Model>
void add_row(gradient_plan& p, int layer, std::size_t position, std::size_t length, bool back) {
    constexpr auto const& D = Model::described;
    static block_facts const block = facts_of_block<D>();
    auto const shape = block.shape(layer);
    auto f = flops_of(block, layer, work::keys | work::query | work::attention | work::neurons,
                      shape.count_visible(position, length));
    p.forward += f;
    if (!back)
        return;
    p.back += {f.linear, 2.5 * f.attention, 0}; // scores again; and of patterns, q, k and v
    if (!D.post_norms && has_plain_mlp(D, layer))
        f.linear -= 2 * block.last_products;
    p.again += f;
}

/// Bytes of streams between blocks and of the tables of one block.
template <class Model>
double bytes_of_gradient(double rows, double read, int lowest) {
    constexpr auto const& D = Model::described;
    constexpr int gates = is_gated(D.mlp) ? 2 : 1, streams = D.residual == residual::parallel ? 1 : 2;
    constexpr int heads = 2 * (D.heads + D.kv_heads) * D.d_head;
    constexpr int chosen = D.experts_per_token, router = D.experts + chosen + chosen * D.d_model;
    constexpr int experts = 2 * router + chosen * (2 * D.d_model + 4 * D.d_expert);
    constexpr int again = 4 * D.d_model + heads + gates * D.d_mlp;            // the forward pass's own
    constexpr int kept = (streams + 2 * D.post_norms) * D.d_model + D.d_mlp + // what it overwrites
                         (D.qk_norm ? (D.heads + D.kv_heads) * D.d_head : 0);
    constexpr int back = 4 * D.d_model + heads + gates * D.d_mlp;
    double const columns =
        double(D.d_model) * (D.layers - lowest + 2) + again + kept + back + experts; // 1 the final norm's
    return sizeof(typename Model::backend_type::value_type) * (columns * rows + 2.0 * output_vocab(D) * read);
}

} // namespace detail

/// The cost of `gradient` over these examples, one position read of each. lowest: the first block that is gone back
/// through, which is the lowest one of what is asked for.
///
///     std::cout << plan_gradient<decltype(model)>(tokens.rows()) << '\n';
template <class Model>
gradient_plan plan_gradient(ragged const& rows, int lowest = 0) {
    constexpr auto const& D = Model::described;
    gradient_plan p;
    for (int layer = 0; layer < D.layers; ++layer)
        for (std::size_t e = 0; e < rows.examples(); ++e)
            for (std::size_t s = 0; s < rows.length(e); ++s)
                detail::add_row<Model>(p, layer, s, rows.length(e), layer >= lowest);
    auto const read = static_cast<double>(rows.examples());
    p.forward.readings = p.back.readings = 2.0 * D.d_model * output_vocab(D) * read;
    p.memory = detail::bytes_of_gradient<Model>(static_cast<double>(rows.rows()), read, lowest);
    return p;
}

/// The cost of `gradient_beside` a clean run of these rows: only the cases' rows go forwards and backwards, from the
/// lowest block on; the clean run is not included.
template <class Model>
gradient_plan plan_gradient_beside(ragged const& rows, std::vector<last_rows> const& cases, int lowest = 0) {
    constexpr auto const& D = Model::described;
    gradient_plan p;
    double count = 0;
    for (auto const& c : cases)
        for (auto s = c.first; s < rows.length(c.example); ++s, ++count)
            for (int layer = lowest; layer < D.layers; ++layer)
                detail::add_row<Model>(p, layer, s, rows.length(c.example), true);
    auto const read = static_cast<double>(cases.size());
    p.forward.readings = p.back.readings = 2.0 * D.d_model * output_vocab(D) * read;
    p.memory = detail::bytes_of_gradient<Model>(count, read, lowest);
    return p;
}

} // namespace engraft
