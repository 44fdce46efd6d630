#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
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
template <description const& D, class B, class Clean, class Policy>
class sweep_pass {
public:
    using T = typename B::value_type;

    sweep_pass(model<D, B> const& m, Clean const& clean, std::vector<Policy> const& policies, wanted_rows const* wanted)
        : model_(m), clean_(clean), policies_(policies), wanted_(wanted), planner_(described_, shape_of_attention<D>) {
        for (auto const& p : policies)
            footprints_.push_back(footprint_of<D>(p, clean.rows()));
        plans_.resize(policies.size());
        kinds_ = kinds_of_examples();
    }

    /// What a case takes.
    struct planned_case {
        case_work todo; ///< empty when the case is as the clean run in all that is read
        flop_count flops{};
        double rows = 0;
        double slice_bytes = 0; ///< memory of the slices that its policy acts on
    };

    /// Of a case; valid until the next call. Cases of an entry whose examples are touched and read at the same
    /// positions are planned once.
    planned_case const& planned(sweep_case const& c) {
        static idle_layers const none;
        auto const found = idle_.find({c.entry, c.example});
        auto const& idle = found == idle_.end() ? none : found->second;
        key_.assign({kinds_[c.example]});
        key_.insert(key_.end(), idle.layers.begin(), idle.layers.end());
        footprints_[c.entry].add_positions(c.example, key_);
        auto const at = plans_[c.entry].find(key_);
        if (at != plans_[c.entry].end())
            return at->second;
        if (kept_bytes_ > most_kept) {
            for (auto& of_entry : plans_)
                of_entry.clear();
            kept_bytes_ = 0;
        }
        auto const made = plans_[c.entry].emplace(key_, plan(c, idle)).first;
        kept_bytes_ += made->second.todo.bytes() + made->first.size() * sizeof(std::uint32_t);
        return made->second;
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

    /// Memory of the places of an entry's policy, which is kept for the plan and again for each chunk with such cases.
    double place_bytes(std::size_t entry) const { return static_cast<double>(footprints_[entry].bytes()); }
    double place_bytes() const {
        double sum = 0;
        for (auto const& f : footprints_)
            sum += static_cast<double>(f.bytes());
        return sum;
    }

    /// The rows of some cases, by example, then entry.
    chunk_rows rows_of(std::vector<sweep_case> cases, bool reads_logits) {
        std::sort(cases.begin(), cases.end(), [](sweep_case const& a, sweep_case const& b) {
            return a.example != b.example ? a.example < b.example : a.entry < b.entry;
        });
        chunk_rows chunk;
        chunk.layers.resize(static_cast<std::size_t>(D.layers));
        for (auto const& c : cases)
            chunk.add(c, planned(c).todo, reads_logits ? wanted_[c.example].logits : std::vector<std::size_t>{});
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
    static constexpr std::size_t most_kept = std::size_t(16) << 20; ///< bytes of plans

    /// Numbers of the kinds of examples: those of one kind are as long, and read at the same positions.
    std::vector<std::uint32_t> kinds_of_examples() const {
        std::map<std::vector<std::size_t>, std::uint32_t> met;
        std::vector<std::uint32_t> kinds;
        for (std::size_t e = 0; e < clean_.rows().examples(); ++e) {
            std::vector<std::size_t> kind{clean_.rows().length(e), wanted_[e].logits.size()};
            kind.insert(kind.end(), wanted_[e].logits.begin(), wanted_[e].logits.end());
            for (auto const& on : wanted_[e].sites)
                for (auto n : {static_cast<std::size_t>(on.site), static_cast<std::size_t>(on.layer), on.position})
                    kind.push_back(n);
            kinds.push_back(met.emplace(std::move(kind), static_cast<std::uint32_t>(met.size())).first->second);
        }
        return kinds;
    }

    planned_case plan(sweep_case const& c, idle_layers const& idle) {
        auto const& touched = footprints_[c.entry];
        planned_case made{planner_.plan(touched, c.example, clean_.rows().length(c.example), wanted_[c.example], idle)};
        made.todo.each([&](std::size_t layer, std::size_t p, work w) {
            auto const shape = shape_of_attention<D>(static_cast<int>(layer));
            made.flops += flops_of(D, w, p + 1 - shape.first_visible(p));
            made.rows += 1;
        });
        auto const there = [&](int site, std::size_t layer, std::size_t position) {
            return steps_of_sites_[static_cast<std::size_t>(site)](steps_with(made.todo.at(layer, position)));
        };
        made.slice_bytes = sizeof(row_slice) * static_cast<double>(touched.slices(c.example, there));
        return made;
    }

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
    static constexpr description const& described_ = D;
    model<D, B> const& model_;
    Clean const& clean_;
    std::vector<Policy> const& policies_;
    wanted_rows const* wanted_;
    case_planner planner_;
    std::vector<footprint> footprints_;
    std::map<std::pair<std::size_t, std::size_t>, idle_layers> idle_;       ///< by entry and example
    std::vector<std::uint32_t> kinds_;                                      ///< of examples
    std::vector<std::map<std::vector<std::uint32_t>, planned_case>> plans_; ///< of each entry
    std::vector<std::uint32_t> key_;
    std::size_t kept_bytes_ = 0;
    std::vector<std::vector<std::size_t>> owners_;
};

} // namespace engraft::detail
