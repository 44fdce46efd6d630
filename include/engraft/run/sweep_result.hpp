#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/journal.hpp>
#include <engraft/run/metric.hpp>
#include <engraft/run/plan.hpp>
#include <engraft/run/table.hpp>

namespace engraft {

struct sweep_options {
    /// Memory for the rows of a chunk of cases, in bytes. Chunks change no result.
    double memory = 1e9;
    /// Where the metrics are read: one position per example, its last one where none is given.
    std::vector<long> read_at{};
    /// Called with the share of the work that is done, from 0 to 1.
    std::function<void(double)> progress{};
    /// Keeps the numbers of finished chunks. A sweep that was stopped, and is begun again with the same arguments and
    /// such a journal, goes on from there and gives the same numbers to the bit; see io/journal_file.hpp.
    engraft::journal* journal = nullptr;
};

/// What a sweep will cost, known before anything is computed.
struct sweep_plan {
    std::size_t cases = 0; ///< entries times examples
    std::size_t live = 0;  ///< cases that can differ from the clean run in what is read
    std::size_t chunks = 0;
    double rows = 0;        ///< rows of layers that are computed
    flop_count flops;       ///< the clean run not included
    double memory = 0;      ///< largest tables of a chunk, in bytes; weights and the clean run's cache not included
    double naive_flops = 0; ///< a whole forward pass for each case and pass, its last logits only

    sweep_plan& operator+=(sweep_plan const& b) {
        cases = std::max(cases, b.cases), live = std::max(live, b.live), chunks += b.chunks, rows += b.rows;
        flops += b.flops, memory = std::max(memory, b.memory), naive_flops += b.naive_flops;
        return *this;
    }
};

inline std::ostream& operator<<(std::ostream& out, sweep_plan const& p) {
    return out << p.cases << " cases, " << p.live << " of which can differ from the clean run; " << p.rows
               << " rows of layers in " << p.chunks << " chunks; " << p.flops.total() / 1e9 << " GFLOP ("
               << p.flops.linear / 1e9 << " linear maps, " << p.flops.attention / 1e9 << " attention, "
               << p.flops.readings / 1e9 << " readings) against " << p.naive_flops / 1e9
               << " for whole forward passes; " << p.memory / 1e6 << " MB";
}

/// Numbers of a sweep, of each metric, with named axes; the last axis is the example.
class sweep_result {
public:
    sweep_result(std::vector<axis> axes, std::size_t examples, std::vector<metric> const& metrics)
        : axes_(std::move(axes)), examples_(examples) {
        axes_.push_back({"example", examples});
        std::size_t size = 1;
        for (auto const& a : axes_)
            size *= a.size;
        for (auto const& m : metrics) {
            names_.push_back(m.name);
            values_.emplace_back(size, std::numeric_limits<double>::quiet_NaN());
            clean_.emplace_back(examples, std::numeric_limits<double>::quiet_NaN());
        }
    }

    std::vector<axis> const& axes() const { return axes_; }
    std::vector<std::string> const& metrics() const { return names_; }

    /// Of every case, row-major in the axes. An example that an entry's policy leaves alone has the clean number.
    /// throws bad_input for a metric that was not asked for
    std::vector<double> const& of(std::string const& metric) const { return values_[number(metric)]; }
    std::vector<double> const& of() const { return values_.front(); }
    /// Of the clean run, per example.
    std::vector<double> const& clean(std::string const& metric) const { return clean_[number(metric)]; }
    std::vector<double> const& clean() const { return clean_.front(); }
    std::vector<double> const& clean(std::size_t metric) const { return clean_[metric]; }

    /// Mean over examples of (value - clean) / clean, per entry: the score of path patching.
    /// source Prakash et al. 2024, section 4.1
    std::vector<double> relative_change() const {
        std::vector<double> change(values_.front().size() / examples_);
        for (std::size_t i = 0; i < values_.front().size(); ++i) {
            double const before = clean_.front()[i % examples_];
            change[i / examples_] += (values_.front()[i] - before) / before / static_cast<double>(examples_);
        }
        return change;
    }

    sweep_plan planned;
    flop_count counted; ///< what the engine did, in this program or in an earlier one that a journal has it from

    void set(std::size_t metric, std::size_t entry, std::size_t example, double value) {
        values_[metric][entry * examples_ + example] = value;
    }
    void set_clean(std::size_t metric, std::size_t example, double value) { clean_[metric][example] = value; }
    double at(std::size_t metric, std::size_t entry, std::size_t example) const {
        return values_[metric][entry * examples_ + example];
    }

    /// The numbers and costs of the same sweep over some of the examples, from number `first` on.
    void add_examples(sweep_result const& part, std::size_t first) {
        auto const count = part.examples_;
        for (std::size_t m = 0; m < values_.size(); ++m) {
            for (std::size_t i = 0; i < part.values_[m].size(); ++i)
                set(m, i / count, first + i % count, part.values_[m][i]);
            for (std::size_t e = 0; e < count; ++e)
                set_clean(m, first + e, part.clean_[m][e]);
        }
        add_cost(part);
    }

    /// The numbers and costs of a sweep over some of the entries, `entries[i]` its entry i.
    void add_entries(sweep_result const& part, std::vector<std::size_t> const& entries) {
        for (std::size_t m = 0; m < values_.size(); ++m)
            for (std::size_t e = 0; e < examples_; ++e) {
                set_clean(m, e, part.clean_[m][e]);
                for (std::size_t i = 0; i < entries.size(); ++i)
                    set(m, entries[i], e, part.at(m, i, e));
            }
        add_cost(part);
    }

private:
    /// Of other cases.
    void add_cost(sweep_result const& part) {
        auto const cases = planned.cases + part.planned.cases, live = planned.live + part.planned.live;
        planned += part.planned; // as if of the same cases
        planned.cases = cases, planned.live = live;
        counted += part.counted;
    }

    std::size_t number(std::string const& metric) const {
        auto const at = std::find(names_.begin(), names_.end(), metric);
        if (at == names_.end())
            throw bad_input({"this sweep has no metric called '", metric, "'"});
        return static_cast<std::size_t>(at - names_.begin());
    }

    std::vector<axis> axes_;
    std::size_t examples_;
    std::vector<std::string> names_;
    std::vector<std::vector<double>> values_, clean_;
};

} // namespace engraft
