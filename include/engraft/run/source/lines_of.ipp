#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include <engraft/core/linkage.hpp>
#include <engraft/run/lines_of.hpp>

namespace engraft::detail {

ENGRAFT_BODY void line_collector::add(selection const& chosen) {
    for (std::size_t layer = 0; layer < chosen.heads.size(); ++layer)
        if (!chosen.heads[layer].empty())
            found_.layers[layer] = true;
    for (auto const& at : chosen.places)
        found_.number_of[rows_.begin(at.example) + at.position] = 0;
}

ENGRAFT_BODY std::optional<asked_lines> line_collector::take() && {
    for (auto& number : found_.number_of)
        if (number != asked_lines::absent)
            number = found_.rows++;
    std::size_t whole = 0;
    for (std::size_t e = 0; e < rows_.examples(); ++e)
        whole += rows_.length(e) * rows_.length(e);
    if (2 * found_.rows * rows_.longest() > whole)
        return {};
    return std::move(found_);
}

} // namespace engraft::detail
