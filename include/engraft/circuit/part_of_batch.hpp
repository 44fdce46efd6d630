#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include <engraft/intervene/where.hpp>
#include <engraft/run/batch.hpp>
#include <engraft/run/metric.hpp>

/// Some examples of what is said of a whole batch: prompts are taken in parts where all of them would not fit in
/// memory.
namespace engraft {

/// Examples [first, first + count).
struct part_of_batch {
    std::size_t first = 0;
    std::size_t count = 0;

    batch of(batch const& all) const {
        std::vector<std::vector<token>> sequences;
        for (std::size_t e = first; e < first + count; ++e) {
            auto const begin = all.tokens().begin() + static_cast<std::ptrdiff_t>(all.rows().begin(e));
            sequences.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(all.rows().length(e)));
        }
        return sequences;
    }

    template <class T>
    std::vector<T> of(std::vector<T> const& of_examples) const {
        if (of_examples.empty())
            return {};
        auto const begin = of_examples.begin() + static_cast<std::ptrdiff_t>(first);
        return {begin, begin + static_cast<std::ptrdiff_t>(count)};
    }

    role of(role const& all) const { return {all.name, of(all.positions), of(all.source_positions)}; }

    metric of(metric const& all) const {
        auto part = all;
        part.tokens = of(all.tokens);
        part.others = of(all.others);
        if (all.f)
            part.f = [f = all.f, begin = first](std::span<double const> row, std::size_t e) {
                return f(row, begin + e);
            };
        return part;
    }

    /// Each element's part: of roles, of metrics.
    template <class T>
    std::vector<T> of_each(std::vector<T> const& all) const {
        std::vector<T> parts;
        for (auto const& one : all)
            parts.push_back(of(one));
        return parts;
    }
};

/// Consecutive parts of at most `most` examples.
inline std::vector<part_of_batch> parts_of_batch(std::size_t examples, std::size_t most) {
    std::vector<part_of_batch> parts;
    for (std::size_t first = 0; first < examples; first += parts.back().count)
        parts.push_back({first, std::min(std::max(most, std::size_t{1}), examples - first)});
    return parts;
}

} // namespace engraft
