#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <engraft/core/error.hpp>

namespace engraft {

/// Rows by the expert that they go to, so that all rows of one expert are one product: of r rows with k experts each,
/// r k places, first those of expert 0 in the order of their rows, then those of expert 1, and so on.
///
///     largest_columns(chosen, logits)                            // [r * k], on the backend
///     expert_rows const by(chosen.to_host(), experts, k);
///     gather_rows(x, rows, by.rows)                              // [r * k, d_model]
///     linear(y.row_range(by.begins[e], ...), x.row_range(...))   // for each expert
///     sum_rows(out, y, weights, by.places)                       // [r, d_model]
struct expert_rows {
    std::vector<std::int32_t> rows;   ///< whose row stands at a place
    std::vector<std::int32_t> places; ///< [r * k]: where the i-th expert of a row has it
    std::vector<std::size_t> begins;  ///< of each expert's places, and the end; [experts + 1]

    /// chosen: [r * k], the experts of each row. throws bad_input for one that is not there
    expert_rows(std::span<std::int32_t const> chosen, std::size_t experts, std::size_t per_row)
        : rows(chosen.size()), places(chosen.size()), begins(experts + 1) {
        for (auto const e : chosen) {
            if (e < 0 || static_cast<std::size_t>(e) >= experts)
                throw bad_input({"engraft [experts.choice]: expert ", e, " was chosen of ", experts,
                                 ", numbered from 0; choose one of them"});
            ++begins[static_cast<std::size_t>(e) + 1];
        }
        for (std::size_t e = 0; e < experts; ++e)
            begins[e + 1] += begins[e];
        auto next = begins;
        for (std::size_t i = 0; i < chosen.size(); ++i) {
            auto const place = next[static_cast<std::size_t>(chosen[i])]++;
            rows[place] = static_cast<std::int32_t>(i / per_row);
            places[i] = static_cast<std::int32_t>(place);
        }
    }
};

} // namespace engraft
