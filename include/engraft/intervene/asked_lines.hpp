#pragma once

#include <cstddef>
#include <vector>

#include <engraft/intervene/selection.hpp>

namespace engraft {

/// The lines of attention that a run stores if it does not store all of them: those of the rows at which a policy
/// touches `scores` or `pattern`, for all heads. z of the other rows is computed without storing lines.
/// shape of the lines [rows that are asked for, heads, longest example]
struct asked_lines {
    static constexpr std::size_t absent = static_cast<std::size_t>(-1);

    std::vector<bool> layers;           ///< in which any are asked for
    std::vector<std::size_t> number_of; ///< of each row of the batch, among those that are asked for; or absent
    std::size_t rows = 0;               ///< that are asked for
};

/// Where lines of attention lie in a run that makes some of them, or all where `asked` is null.
template <description const& D, site S>
class line_layout : public activation_layout<D, S> {
public:
    line_layout(ragged const& rows, asked_lines const* asked)
        : activation_layout<D, S>(rows), rows_(&rows), asked_(asked) {}

    std::size_t place(std::size_t, std::size_t example, std::size_t position, std::size_t head) const {
        if (!asked_)
            return this->offset(example, position, head);
        return (asked_->number_of[rows_->begin(example) + position] * this->heads + head) * rows_->longest();
    }

private:
    ragged const* rows_;
    asked_lines const* asked_;
};

} // namespace engraft
