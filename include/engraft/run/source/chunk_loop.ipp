#pragma once

#include <cstddef>
#include <vector>

#include <engraft/core/linkage.hpp>
#include <engraft/run/chunk_loop.hpp>

namespace engraft::detail {

ENGRAFT_BODY flop_count each_chunk(std::vector<std::vector<sweep_case>> const& chunks, chunk_work const& work,
                                   bool computes, sweep_options const& options, finished_cases kept,
                                   sweep_result& result) {
    sweep_plan ignored;
    for (auto const& cases : chunks)
        if (auto const again = kept.to_be_checked(cases); !again.empty()) {
            work.compute(again, ignored);
            kept.require_same(again, result);
            break;
        }
    kept.put_into(result);
    auto sum = kept.counted();
    double done = 0, total = 0;
    for (auto const& cases : chunks)
        total += static_cast<double>(cases.size());
    for (auto const& cases : chunks) {
        auto const rest = kept.missing(cases);
        bool const whole = rest.size() == cases.size();
        sweep_plan of_chunk;
        if (computes && !rest.empty()) {
            auto const before = work.counted();
            work.compute(rest, whole ? of_chunk : ignored);
            auto const now = work.counted() - before;
            sum += now;
            kept.add(rest, result, now);
        }
        if (!computes || !whole)
            work.plan(cases, of_chunk);
        work.planned(of_chunk);
        done += static_cast<double>(cases.size());
        if (computes && options.progress)
            options.progress(done / total);
    }
    return sum;
}

} // namespace engraft::detail
