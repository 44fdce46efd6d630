#pragma once

#include <cstddef>
#include <memory>
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

/// Where lines of attention lie in a run that makes some of them.
class line_layout : public slice_layout {
public:
    line_layout(ragged const& rows, std::size_t h, asked_lines const& asked)
        : slice_layout(rows, h, dynamic), asked_(&asked) {}

    std::size_t place(std::size_t, std::size_t example, std::size_t position, std::size_t head) const override {
        return (asked_->number_of[rows().begin(example) + position] * heads + head) * rows().longest();
    }

private:
    asked_lines const* asked_;
};

/// The layout of a run that computes all rows. lines: of attention that it makes; null: all of them
class whole_layout : public run_layout {
public:
    explicit whole_layout(ragged const& rows, asked_lines const* lines = nullptr) : rows_(&rows), lines_(lines) {}

    std::unique_ptr<slice_layout const> of(int, std::size_t heads, std::size_t width) const override {
        if (width == dynamic && lines_)
            return std::make_unique<line_layout>(*rows_, heads, *lines_);
        return std::make_unique<slice_layout>(*rows_, heads, width);
    }

private:
    ragged const* rows_;
    asked_lines const* lines_;
};

/// Of a run that policies are bound to only for what that refuses. Lists of slices are made for patterns alone: they
/// tell whether a knockout leaves each query a key.
class checked_layout : public run_layout {
public:
    explicit checked_layout(ragged const& rows) : rows_(&rows) {}

    std::unique_ptr<slice_layout const> of(int, std::size_t heads, std::size_t width) const override {
        struct unlisted : slice_layout {
            using slice_layout::slice_layout;
            bool only_checked() const override { return width != dynamic; }
        };
        return std::make_unique<unlisted>(*rows_, heads, width);
    }

private:
    ragged const* rows_;
};

} // namespace engraft
