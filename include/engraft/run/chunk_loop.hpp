#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include <engraft/core/linkage.hpp>
#include <engraft/run/finished_cases.hpp>
#include <engraft/run/sweep_result.hpp>

namespace engraft::detail {

/// What is done with the chunks of a sweep.
struct chunk_work {
    using cases_type = std::vector<sweep_case>;
    /// Computes some cases; the plan gets what a second pass takes.
    std::function<void(cases_type const&, sweep_plan&)> compute;
    /// Plans them alone.
    std::function<void(cases_type const&, sweep_plan&)> plan;
    /// FLOPs that were counted so far.
    std::function<flop_count()> counted;
    /// Called with each chunk's plan.
    std::function<void(sweep_plan const&)> planned;
};

/// Goes through the chunks: computes those that the journal does not have, and plans the others. computes: false where
/// only the plan is wanted. kept: what the journal has. Returns what was counted for all.
/// One chunk's beginning is computed again where the journal has it, since nothing else tells whether the values that
/// policies take from other runs are the same.
flop_count each_chunk(std::vector<std::vector<sweep_case>> const& chunks, chunk_work const& work, bool computes,
                      sweep_options const& options, finished_cases kept, sweep_result& result);

} // namespace engraft::detail

#ifndef ENGRAFT_COMPILED
#include <engraft/run/source/chunk_loop.ipp>
#endif
