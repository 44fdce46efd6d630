#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/integer.hpp>
#include <engraft/core/journal.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/run/metric.hpp>
#include <engraft/run/plan.hpp>
#include <engraft/run/table.hpp>

namespace engraft {

struct sweep_options {
    /// The most memory that the rows of a chunk of cases may take, in bytes; a backend may use less (preferred_chunk).
    /// Chunks change no result.
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

    sweep_plan& operator+=(sweep_plan const& b);
};

std::ostream& operator<<(std::ostream& out, sweep_plan const& p);

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
    /// throws bad_input if the clean value of an example is 0
    /// source Prakash et al. 2024, section 4.1
    std::vector<double> relative_change() const;

    sweep_plan planned;
    flop_count counted; ///< what the engine did, in this program or in an earlier one that a journal has it from

    void set(std::size_t metric, std::size_t entry, std::size_t example, double value) {
        values_[metric][entry * examples_ + example] = value;
    }
    void set_clean(std::size_t metric, std::size_t example, double value) { clean_[metric][example] = value; }
    /// throws bad_input when there is no such metric, entry or example
    double at(integer metric, integer entry, integer example) const {
        auto const& values = values_[metric.below(values_.size(), "metric")];
        return values[entry.below(values.size() / examples_, "entry") * examples_ +
                      example.below(examples_, "example")];
    }

    /// The numbers and costs of the same sweep over some of the examples, from number `first` on.
    void add_examples(sweep_result const& part, std::size_t first);

    /// The numbers and costs of a sweep over some of the entries, `entries[i]` its entry i.
    void add_entries(sweep_result const& part, std::vector<std::size_t> const& entries);

private:
    /// Of other cases.
    void add_cost(sweep_result const& part);

    std::size_t number(std::string const& metric) const;

    std::vector<axis> axes_;
    std::size_t examples_;
    std::vector<std::string> names_;
    std::vector<std::vector<double>> values_, clean_;
};

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/run/source/sweep_result.ipp>
#endif
