#pragma once

#include <algorithm>
#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/journal.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/run/metric.hpp>
#include <engraft/run/plan.hpp>
#include <engraft/run/sweep_result.hpp>
#include <engraft/run/table.hpp>

namespace engraft {

ENGRAFT_BODY sweep_plan& sweep_plan::operator+=(sweep_plan const& b) {
    cases = std::max(cases, b.cases), live = std::max(live, b.live), chunks += b.chunks, rows += b.rows;
    flops += b.flops, memory = std::max(memory, b.memory), naive_flops += b.naive_flops;
    return *this;
}

ENGRAFT_BODY std::ostream& operator<<(std::ostream& out, sweep_plan const& p) {
    return out << p.cases << " cases, " << p.live << " of which can differ from the clean run; " << p.rows
               << " rows of layers in " << p.chunks << " chunks; " << p.flops.total() / 1e9 << " GFLOP ("
               << p.flops.linear / 1e9 << " linear maps, " << p.flops.attention / 1e9 << " attention, "
               << p.flops.readings / 1e9 << " readings) against " << p.naive_flops / 1e9
               << " for whole forward passes; " << p.memory / 1e6 << " MB";
}

ENGRAFT_BODY std::vector<double> sweep_result::relative_change() const {
    std::vector<double> change(values_.front().size() / examples_);
    for (std::size_t i = 0; i < values_.front().size(); ++i) {
        double const before = clean_.front()[i % examples_];
        if (before == 0)
            throw bad_input({"engraft [sweep.change]: the clean ", names_.front(), " of example ", i % examples_,
                             " is 0, so no change relative to it is defined; leave the example out, or use another "
                             "metric: log_probability if a probability is too small for a float"});
        change[i / examples_] += (values_.front()[i] - before) / before / static_cast<double>(examples_);
    }
    return change;
}

ENGRAFT_BODY void sweep_result::add_examples(sweep_result const& part, std::size_t first) {
    auto const count = part.examples_;
    for (std::size_t m = 0; m < values_.size(); ++m) {
        for (std::size_t i = 0; i < part.values_[m].size(); ++i)
            set(m, i / count, first + i % count, part.values_[m][i]);
        for (std::size_t e = 0; e < count; ++e)
            set_clean(m, first + e, part.clean_[m][e]);
    }
    add_cost(part);
}

ENGRAFT_BODY void sweep_result::add_entries(sweep_result const& part, std::vector<std::size_t> const& entries) {
    for (std::size_t m = 0; m < values_.size(); ++m)
        for (std::size_t e = 0; e < examples_; ++e) {
            set_clean(m, e, part.clean_[m][e]);
            for (std::size_t i = 0; i < entries.size(); ++i)
                set(m, entries[i], e, part.at(m, i, e));
        }
    add_cost(part);
}

ENGRAFT_BODY void sweep_result::add_cost(sweep_result const& part) {
    auto const cases = planned.cases + part.planned.cases, live = planned.live + part.planned.live;
    planned += part.planned; // as if of the same cases
    planned.cases = cases, planned.live = live;
    counted += part.counted;
}

ENGRAFT_BODY std::size_t sweep_result::number(std::string const& metric) const {
    auto const at = std::find(names_.begin(), names_.end(), metric);
    if (at == names_.end())
        throw bad_input({"this sweep has no metric called '", metric, "'"});
    return static_cast<std::size_t>(at - names_.begin());
}

} // namespace engraft
