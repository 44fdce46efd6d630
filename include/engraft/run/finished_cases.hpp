#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

#include <engraft/core/journal.hpp>
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

    std::vector<sweep_case> missing(std::vector<sweep_case> const& cases) const {
        if (!journal_)
            return cases;
        std::vector<sweep_case> rest;
        std::ranges::copy_if(cases, std::back_inserter(rest), [&](sweep_case const& c) { return !has(c); });
        return rest;
    }

    /// Some cases of a chunk, of different examples, to be computed again: a few of those that are there.
    std::vector<sweep_case> to_be_checked(std::vector<sweep_case> const& chunk) const {
        std::vector<sweep_case> known;
        std::vector<bool> seen(examples_);
        std::size_t there = 0;
        for (auto const& c : chunk)
            if (has(c)) {
                ++there;
                if (!seen[c.example])
                    known.push_back(c);
                seen[c.example] = true;
            }
        auto const most = std::max<std::size_t>(there / 16, 1), step = known.size() / most + 1;
        std::vector<sweep_case> few;
        for (std::size_t i = 0; i < known.size(); i += step)
            few.push_back(known[i]);
        return few;
    }

    /// throws bad_input unless these cases have the journal's numbers, to the bit
    void require_same(std::vector<sweep_case> const& cases, sweep_result const& result) const {
        for (auto const& c : cases)
            for (std::size_t m = 0; m < metrics_; ++m) {
                double const now = result.at(m, c.entry, c.example), before = values_[m][number(c)];
                if (std::memcmp(&now, &before, sizeof(now)) != 0)
                    throw bad_input({"engraft [sweep.journal]: the journal's number of example ", c.example,
                                     " in entry ", c.entry,
                                     " is not what is computed now, so it is of other source "
                                     "runs, or of another build of the program; start the journal anew"});
            }
    }

    void put_into(sweep_result& result) const {
        for (std::size_t i = 0; i < there_.size(); ++i)
            if (there_[i])
                for (std::size_t m = 0; m < metrics_; ++m)
                    result.set(m, i / examples_, i % examples_, values_[m][i]);
    }

    /// Keeps what was computed for these cases.
    void add(std::vector<sweep_case> const& cases, sweep_result const& result, flop_count const& counted) {
        if (!journal_)
            return;
        std::vector<std::byte> record;
        auto const append = [&](auto x) {
            auto const bytes = std::as_bytes(std::span(&x, 1));
            record.insert(record.end(), bytes.begin(), bytes.end());
        };
        append(std::uint64_t(cases.size()));
        append(counted.linear), append(counted.attention), append(counted.readings);
        for (auto const& c : cases)
            append(std::uint64_t(number(c)));
        for (std::size_t m = 0; m < metrics_; ++m)
            for (auto const& c : cases)
                append(result.at(m, c.entry, c.example));
        journal_->add(work_, record);
    }

private:
    std::size_t number(sweep_case const& c) const { return c.entry * examples_ + c.example; }

    void read(std::span<std::byte const> record) {
        auto const refuse = [] {
            throw bad_input(
                "engraft [sweep.journal]: a record of this sweep in the journal has another form; start the "
                "journal anew");
        };
        auto const next = [&](auto& x) {
            if (record.size() < sizeof(x))
                refuse();
            std::memcpy(&x, record.data(), sizeof(x));
            record = record.subspan(sizeof(x));
        };
        std::uint64_t count = 0;
        flop_count counted;
        next(count), next(counted.linear), next(counted.attention), next(counted.readings);
        if (count > there_.size() || record.size() != count * 8 * (1 + metrics_))
            refuse();
        std::vector<std::uint64_t> cases(count);
        for (auto& c : cases) {
            next(c);
            if (c >= there_.size() || there_[c])
                refuse();
            there_[c] = true;
        }
        for (auto& v : values_)
            for (auto const c : cases)
                next(v[c]);
        counted_ += counted;
    }

    journal* journal_;
    std::uint64_t work_;
    std::size_t metrics_, examples_;
    std::vector<std::vector<double>> values_; ///< [metric][case]
    std::vector<bool> there_;
    flop_count counted_;
};

} // namespace engraft::detail
