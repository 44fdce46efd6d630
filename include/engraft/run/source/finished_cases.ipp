#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include <engraft/core/journal.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/run/chunk.hpp>
#include <engraft/run/finished_cases.hpp>
#include <engraft/run/sweep_result.hpp>

namespace engraft::detail {

ENGRAFT_BODY std::vector<sweep_case> finished_cases::missing(std::vector<sweep_case> const& cases) const {
    if (!journal_)
        return cases;
    std::vector<sweep_case> rest;
    std::ranges::copy_if(cases, std::back_inserter(rest), [&](sweep_case const& c) { return !has(c); });
    return rest;
}

ENGRAFT_BODY std::vector<sweep_case> finished_cases::to_be_checked(std::vector<sweep_case> const& chunk) const {
    std::vector<sweep_case> known, few;
    std::ranges::copy_if(chunk, std::back_inserter(known), [&](sweep_case const& c) { return has(c); });
    constexpr std::size_t of = 16;
    std::map<std::size_t, std::size_t> of_example, of_entry; // how often each was taken
    for (std::size_t i = 0; i < known.size(); i += of) {
        auto const window = std::span(known).subspan(i, std::min(of, known.size() - i));
        auto const rarest = *std::ranges::min_element(
            window, {}, [&](sweep_case const& c) { return std::pair(of_example[c.example], of_entry[c.entry]); });
        ++of_example[rarest.example], ++of_entry[rarest.entry];
        few.push_back(rarest);
    }
    return few;
}

ENGRAFT_BODY void finished_cases::require_same(std::vector<sweep_case> const& cases, sweep_result const& result) const {
    for (auto const& c : cases)
        for (std::size_t m = 0; m < metrics_; ++m) {
            double const now = result.at(m, c.entry, c.example), before = values_[m][number(c)];
            if (std::memcmp(&now, &before, sizeof(now)) != 0)
                throw bad_input({"engraft [sweep.journal]: the journal's number of example ", c.example, " in entry ",
                                 c.entry,
                                 " is not what is computed now, so it is of other source "
                                 "runs, or of another build of the program; start the journal anew"});
        }
}

ENGRAFT_BODY void finished_cases::put_into(sweep_result& result) const {
    for (std::size_t i = 0; i < there_.size(); ++i)
        if (there_[i])
            for (std::size_t m = 0; m < metrics_; ++m)
                result.set(m, i / examples_, i % examples_, values_[m][i]);
}

ENGRAFT_BODY void finished_cases::add(std::vector<sweep_case> const& cases, sweep_result const& result,
                                      flop_count const& counted) {
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

ENGRAFT_BODY void finished_cases::read(std::span<std::byte const> record) {
    auto const refuse = [] {
        throw bad_input("engraft [sweep.journal]: a record of this sweep in the journal has another form; start the "
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

} // namespace engraft::detail
