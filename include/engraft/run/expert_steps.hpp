#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include <engraft/backend/expert_rows.hpp>
#include <engraft/model/weights.hpp>
#include <engraft/run/workspace.hpp>

namespace engraft::detail {

/// The chosen experts of a layer's rows, and what they work in: tables by place, first the rows of expert 0, then those
/// of expert 1 and so on, so that all rows of one expert are one product.
template <description const& D, class B>
class expert_steps {
public:
    using T = typename B::value_type;
    using memory = typename B::memory_type;
    using indices = vector_tensor<std::int32_t, memory>;
    static constexpr std::size_t chosen_of_row = static_cast<std::size_t>(D.experts_per_token);

    /// weights: [rows, experts_per_token]; logits: [rows, experts]
    void choose(B const& b, matrix<T> weights, matrix<T const> logits) {
        chosen_ = indices(extents<dynamic>(logits.rows * chosen_of_row));
        b.largest_columns(chosen_, logits);
        b.expert_weights(weights, logits, chosen_, D.normalized_experts);
        by_ = expert_rows(chosen_.to_host(), D.experts, chosen_of_row);
        places_ = upload<memory>(by_.places);
        std::vector<std::int32_t> each(by_.places.size());
        std::iota(each.begin(), each.end(), 0);
        each_ = upload<memory>(each);
    }

    /// out: [rows * experts_per_token, d_model], of each row one after the other; in: [rows, d_model]
    /// linear(out, in, map): a product. keeps: a gradient will need what the experts have in between
    void run(B const& b, matrix<T> out, matrix<T const> in, auto const& experts, bool keeps, auto const& linear) {
        auto const n = by_.rows.size();
        auto const x = x_.shaped(n, D.d_model), y = y_.shaped(n, D.d_model);
        auto const gate = gate_.shaped(n, D.d_expert), up = up_.shaped(n, D.d_expert);
        b.gather_rows(x, in, upload<memory>(by_.rows));
        each([&](std::size_t e, std::size_t first, std::size_t count) {
            linear(gate.row_range(first, count), x.row_range(first, count), experts[e].gate);
            linear(up.row_range(first, count), x.row_range(first, count), experts[e].up);
        });
        if (keeps) {
            auto const before = before_.shaped(n, D.d_expert);
            b.copy(before.data, up.data, n * static_cast<std::size_t>(D.d_expert));
        }
        b.gated(up, gate, D.mlp);
        each([&](std::size_t e, std::size_t first, std::size_t count) {
            linear(y.row_range(first, count), up.row_range(first, count), experts[e].down);
        });
        b.gather_rows(out, y, places_);
    }

    /// From the gradient of `run`'s out to that of its in; added: to what is there. `run` has kept
    template <class Adjoints>
    void run_back(B const& b, Adjoints const& a, matrix<T> din, matrix<T const> dout, auto const& experts, bool added) {
        auto const n = by_.rows.size();
        auto const dy = y_.shaped(n, D.d_model), dx = x_.shaped(n, D.d_model);
        auto const dup = up_.shaped(n, D.d_expert), dgate = dgate_.shaped(n, D.d_expert);
        b.copy_rows(dy, places_, dout, each_);
        each([&](std::size_t e, std::size_t first, std::size_t count) {
            a.linear(dup.row_range(first, count), dy.row_range(first, count), experts[e].down, false);
        });
        a.gated(dup, dgate, before_.shaped(n, D.d_expert), gate_.shaped(n, D.d_expert), D.mlp);
        each([&](std::size_t e, std::size_t first, std::size_t count) {
            a.linear(dx.row_range(first, count), dup.row_range(first, count), experts[e].up, false);
            a.linear(dx.row_range(first, count), dgate.row_range(first, count), experts[e].gate, true);
        });
        if (!added)
            return a.gather_rows(din, dx, places_);
        auto const sum = dout_.shaped(din.rows, D.d_model);
        a.gather_rows(sum, dx, places_);
        b.add(din, sum);
    }

    indices const& chosen() const { return chosen_; }
    /// 0, 1, 2 and so on: where each choice of each row stands in `run`'s out.
    indices const& in_order() const { return each_; }

private:
    /// use(expert, its first place, how many) for those that any row has chosen
    void each(auto const& use) const {
        for (std::size_t e = 0; e + 1 < by_.begins.size(); ++e)
            if (auto const count = by_.begins[e + 1] - by_.begins[e]; count > 0)
                use(e, by_.begins[e], count);
    }

    indices chosen_, places_, each_;
    expert_rows by_{{}, static_cast<std::size_t>(D.experts), chosen_of_row};
    workspace<T, memory> x_, y_, gate_, up_, before_, dgate_, dout_;
};

} // namespace engraft::detail
