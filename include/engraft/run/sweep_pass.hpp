#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <utility>
#include <vector>

#include <engraft/intervene/compose.hpp>
#include <engraft/run/chunk_layout.hpp>
#include <engraft/run/chunk_size.hpp>
#include <engraft/run/model.hpp>
#include <engraft/run/plan.hpp>

namespace engraft::detail {

struct no_hooks {
    template <site S>
    static constexpr bool touched = false;
    template <site S>
    static constexpr bool written = false;
    void apply(auto const&, auto) {}
};

/// The policies of all entries of a chunk, each bound to its own cases.
template <class Bound>
class entry_hooks {
public:
    template <site S>
    static constexpr bool touched = Bound::template touched<S>;
    template <site S>
    static constexpr bool written = Bound::template written<S>;

    std::vector<Bound> bound;

    void apply(auto const& point, auto all) {
        for (auto& one : bound)
            one.apply(point, all);
    }
};

/// One pass over cases: plans them, cuts them into chunks and runs these.
template <description D, class B, class Clean, class Policy>
class sweep_pass {
public:
    using T = typename B::value_type;

    sweep_pass(model<D, B> const& m, Clean const& clean, std::vector<Policy> const& policies, wanted_rows const* wanted)
        : model_(m), clean_(clean), policies_(policies), wanted_(wanted), planner_(described_, shape_of_attention<D>) {
        for (auto const& p : policies)
            footprints_.push_back(footprint_of<D>(p, clean.rows()));
    }

    /// Of a case; valid until the next call. Empty when it is as the clean run in all that is read.
    case_work const& todo(sweep_case const& c) {
        static idle_layers const none;
        auto const found = idle_.find({c.entry, c.example});
        return planner_.plan(footprints_[c.entry], c.example, clean_.rows().length(c.example), wanted_[c.example],
                             found == idle_.end() ? none : found->second);
    }

    /// Plans a case from now on as one whose policy changes nothing in these layers.
    void set_idle(sweep_case const& c, idle_layers idle) {
        idle_.insert_or_assign({c.entry, c.example}, std::move(idle));
    }

    /// Where the policies of all entries act.
    void add_to(hasher& h) const {
        for (auto const& f : footprints_)
            f.add_to(h);
    }

    static constexpr bool edits_logits = touches<Policy, sites::logits>;
    static constexpr bool makes_lines = touches<Policy, sites::scores> || touches<Policy, sites::pattern>;

    chunk_size empty_size() const {
        return chunk_size(D, clean_.rows().longest(), makes_lines, touches<Policy, sites::result>);
    }

    flop_count flops_of_case(case_work const& todo, double& rows) const {
        flop_count f;
        todo.each([&](std::size_t layer, std::size_t p, work w) {
            auto const shape = shape_of_attention<D>(static_cast<int>(layer));
            f += flops_of(D, w, p + 1 - shape.first_visible(p));
            rows += 1;
        });
        return f;
    }

    /// Memory of the places of an entry's policy, which is kept for the plan and again for each chunk with such cases.
    double place_bytes(std::size_t entry) const { return static_cast<double>(footprints_[entry].bytes()); }
    double place_bytes() const {
        double sum = 0;
        for (auto const& f : footprints_)
            sum += static_cast<double>(f.bytes());
        return sum;
    }

    /// Memory of the slices that a case's policy acts on.
    double slice_bytes(sweep_case const& c, case_work const& todo) const {
        return sizeof(row_slice) *
               static_cast<double>(
                   footprints_[c.entry].slices(c.example, [&](int site, std::size_t layer, std::size_t position) {
                       return steps_of_sites_[static_cast<std::size_t>(site)](steps_with(todo.at(layer, position)));
                   }));
    }

    /// The rows of some cases, by example, then entry.
    chunk_rows rows_of(std::vector<sweep_case> cases, bool reads_logits) {
        std::sort(cases.begin(), cases.end(), [](sweep_case const& a, sweep_case const& b) {
            return a.example != b.example ? a.example < b.example : a.entry < b.entry;
        });
        chunk_rows chunk;
        chunk.layers.resize(static_cast<std::size_t>(D.layers));
        for (auto const& c : cases)
            chunk.add(c, todo(c), reads_logits ? wanted_[c.example].logits : std::vector<std::size_t>{});
        return chunk;
    }

    /// Policies of the chunk's entries, bound to its rows.
    auto bind(chunk_rows const& chunk) {
        owners_.clear();
        std::vector<std::size_t> entries;
        for (auto const& c : chunk.cases)
            entries.push_back(c.entry);
        sort_unique(entries);
        owners_.resize(entries.size());
        constexpr auto absent = static_cast<std::size_t>(-1);
        for (auto& o : owners_)
            o.assign(clean_.rows().examples(), absent);
        for (std::size_t i = 0; i < chunk.cases.size(); ++i) {
            auto const& c = chunk.cases[i];
            auto const e = std::lower_bound(entries.begin(), entries.end(), c.entry) - entries.begin();
            owners_[static_cast<std::size_t>(e)][c.example] = i;
        }
        using bound = decltype(bind_one(chunk, 0, 0));
        entry_hooks<bound> hooks;
        for (std::size_t i = 0; i < entries.size(); ++i)
            hooks.bound.push_back(bind_one(chunk, entries[i], i));
        return hooks;
    }

private:
    auto bind_one(chunk_rows const& chunk, std::size_t entry, std::size_t number) const {
        sweep_binding<D, B> const run{
            model_.backend(), clean_.rows(), clean_.tokens(), clean_.weights_identity(), chunk, owners_[number], true};
        return bind_all(policies_[entry], run);
    }

    template <site... S>
    static constexpr auto steps_of(site_list<S...>) {
        return std::array{+[](each_step<bool> const& steps) { return rows_at<S>(steps); }...};
    }

    static constexpr auto steps_of_sites_ = steps_of(known_sites{});
    static constexpr description described_ = D;
    model<D, B> const& model_;
    Clean const& clean_;
    std::vector<Policy> const& policies_;
    wanted_rows const* wanted_;
    case_planner planner_;
    std::vector<footprint> footprints_;
    std::map<std::pair<std::size_t, std::size_t>, idle_layers> idle_; ///< by entry and example
    std::vector<std::vector<std::size_t>> owners_;
};

} // namespace engraft::detail
