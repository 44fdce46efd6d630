#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include <engraft/run/metric_reader.hpp>
#include <engraft/run/sweep_pass.hpp>
#include <engraft/run/sweep_result.hpp>

namespace engraft::detail {

/// Cases that are computed together.
using case_chunk = std::vector<sweep_case>;

/// Cuts the cases of a pass into chunks that fit into memory.
template <description const& D, class B>
class sweep_cutter {
public:
    /// passes: how many have their tables at the same time
    sweep_cutter(metric_reader<D, B> const& reader, double memory, double preferred, double passes)
        : reader_(reader), memory_(memory), room_(memory / passes), preferred_(std::min(room_, preferred / passes)),
          passes_(passes) {}

    /// Of cases that have work; without_work(case) is called for the others. reads_logits: behind this pass.
    /// more_elements: that a case takes besides its rows. `plan` gets what they take.
    /// throws bad_input when one case does not fit [sweep.memory]
    std::vector<case_chunk> cut(sweep_pass<D, B>& pass, case_chunk const& cases, bool reads_logits,
                                std::size_t more_elements, sweep_plan& plan,
                                std::function<void(sweep_case const&)> const& without_work) const;

private:
    metric_reader<D, B> const& reader_;
    double memory_, room_, preferred_, passes_;
};

// Not inline, so that a library can have them.

template <description const& D, class B>
std::vector<case_chunk> sweep_cutter<D, B>::cut(sweep_pass<D, B>& pass, case_chunk const& cases, bool reads_logits,
                                                std::size_t more_elements, sweep_plan& plan,
                                                std::function<void(sweep_case const&)> const& without_work) const {
    std::vector<case_chunk> chunks;
    chunk_size const empty(D, pass.extra());
    auto size = empty;
    double const places = pass.place_bytes();
    double policies = 0; // the places and slices of a chunk's
    auto const bytes = [&](chunk_size const& of, double count, double of_policies) {
        double const logits = reads_logits ? reader_.elements(of.read(), pass.edits_logits()) : 0;
        double const element = sizeof(typename B::value_type);
        return of.bytes(sizeof(typename B::value_type)) +
               (logits + count * static_cast<double>(more_elements)) * element + places + of_policies;
    };
    plan.live = 0;
    for (auto const& c : cases) {
        auto const& of_case = pass.planned(c);
        if (of_case.todo.empty()) {
            without_work(c);
            continue;
        }
        ++plan.live;
        plan.flops += of_case.flops;
        plan.rows += of_case.rows;
        if (reads_logits)
            plan.flops.readings += reader_.flops_per_row(pass.edits_logits());
        auto larger = size;
        larger.add(of_case.todo);
        double const in_chunk = chunks.empty() ? 0 : static_cast<double>(chunks.back().size());
        double const slices = of_case.slice_bytes, first = slices + pass.place_bytes(c.entry);
        double const more = !chunks.empty() && chunks.back().back().entry == c.entry ? slices : first;
        if (chunks.empty() || bytes(larger, in_chunk + 1, policies + more) > preferred_) {
            auto alone = empty;
            alone.add(of_case.todo);
            double const least = bytes(alone, 1, first);
            if (least > room_)
                throw bad_input({"engraft [sweep.memory]: one case needs ", std::int64_t(least * passes_),
                                 " bytes, more than the ", std::int64_t(memory_),
                                 " that are allowed; raise sweep_options::memory"});
            chunks.emplace_back();
            ++plan.chunks;
            size = alone;
            policies = first;
        } else {
            size = larger;
            policies += more;
        }
        chunks.back().push_back(c);
        plan.memory = std::max(plan.memory, bytes(size, static_cast<double>(chunks.back().size()), policies));
    }
    // The largest first: tables that grow with each chunk would be memory that is new to the system each time.
    std::ranges::stable_sort(chunks, std::ranges::greater{}, [](auto const& chunk) { return chunk.size(); });
    return chunks;
}

} // namespace engraft::detail
