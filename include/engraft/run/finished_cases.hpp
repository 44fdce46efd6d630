#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <engraft/core/journal.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/run/chunk.hpp>
#include <engraft/run/sweep_result.hpp>

namespace engraft::detail {

/// The cases of a sweep that a journal has numbers of; without a journal, none. A record of the journal is
/// [number of cases n, FLOPs of linear maps, attention and readings, n cases, metrics x n values], 8 bytes each.
class finished_cases {
public:
    /// throws bad_input when the journal has something else under this number
    finished_cases(journal* kept, std::uint64_t work, std::size_t metrics, std::size_t entries, std::size_t examples)
        : journal_(kept), work_(work), metrics_(metrics), examples_(examples) {
        if (!kept)
            return;
        values_.resize(metrics);
        for (auto& v : values_)
            v.resize(entries * examples);
        there_.resize(entries * examples);
        for (auto const& record : kept->finished(work))
            read(record);
    }

    bool has(sweep_case const& c) const { return journal_ && there_[number(c)]; }
    /// What the engine did for them.
    flop_count const& counted() const { return counted_; }

    std::vector<sweep_case> missing(std::vector<sweep_case> const& cases) const;

    /// One of 16 of a chunk's cases that are there, of different examples and entries, to be computed again.
    std::vector<sweep_case> to_be_checked(std::vector<sweep_case> const& chunk) const;

    /// throws bad_input unless these cases have the journal's numbers, to the bit
    void require_same(std::vector<sweep_case> const& cases, sweep_result const& result) const;

    void put_into(sweep_result& result) const;

    /// Keeps what was computed for these cases.
    void add(std::vector<sweep_case> const& cases, sweep_result const& result, flop_count const& counted);

private:
    std::size_t number(sweep_case const& c) const { return c.entry * examples_ + c.example; }

    void read(std::span<std::byte const> record);

    journal* journal_;
    std::uint64_t work_;
    std::size_t metrics_, examples_;
    std::vector<std::vector<double>> values_; ///< [metric][case]
    std::vector<bool> there_;
    flop_count counted_;
};

} // namespace engraft::detail

#ifndef ENGRAFT_COMPILED
#include <engraft/run/source/finished_cases.ipp>
#endif
