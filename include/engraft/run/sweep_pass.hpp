#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include <engraft/run/chunk_layout.hpp>
#include <engraft/run/chunk_tables.hpp>
#include <engraft/run/clean_tables.hpp>
#include <engraft/run/entry_policies.hpp>

namespace engraft::detail {

/// The cases of one pass: what each takes, and their policies made ready for a chunk of them.
template <description const& D, class B>
class sweep_pass {
public:
    sweep_pass(B const& backend, clean_tables<D, B> const& clean, entry_policies<D, B> const& policies,
               wanted_rows const* wanted)
        : backend_(backend), clean_(clean), policies_(policies), wanted_(wanted), block_(facts_of_block<D>()),
          planner_(block_) {
        for (std::size_t i = 0; i < policies.size(); ++i)
            footprints_.push_back(policies.footprint_of(i, clean.rows()));
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
    planned_case const& planned(sweep_case const& c);

    /// Plans a case from now on as one whose policy changes nothing in these layers.
    void set_idle(sweep_case const& c, idle_layers idle) {
        idle_.insert_or_assign({c.entry, c.example}, std::move(idle));
    }

    /// Where the policies of all entries act.
    void add_to(hasher& h) const {
        for (auto const& f : footprints_)
            f.add_to(h);
    }

    bool edits_logits() const { return policies_.touch(site_index<sites::logits>); }
    extra_tables extra() const {
        return {policies_.touch(site_index<sites::scores>) || policies_.touch(site_index<sites::pattern>),
                policies_.touch(site_index<sites::result>), clean_.rows().longest()};
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
    chunk_rows rows_of(std::vector<sweep_case> cases, bool reads_logits);

    /// Policies of the chunk's entries, ready for its rows.
    hooks<B> bind(chunk_rows const& chunk) const;

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
            auto const shape = block_.shape(static_cast<int>(layer));
            made.flops +=
                flops_of(block_, static_cast<int>(layer), w, shape.count_visible(p, clean_.rows().length(c.example)));
            made.rows += 1;
        });
        auto const there = [&](int site, std::size_t layer, std::size_t position) {
            return takes_part(made.todo.at(layer, position), rows_of_site(site));
        };
        made.slice_bytes = sizeof(row_slice) * static_cast<double>(touched.slices(c.example, there));
        return made;
    }

    B const& backend_;
    clean_tables<D, B> const& clean_;
    entry_policies<D, B> const& policies_;
    wanted_rows const* wanted_;
    block_facts block_;
    case_planner planner_;
    std::vector<footprint> footprints_;
    std::map<std::pair<std::size_t, std::size_t>, idle_layers> idle_;       ///< by entry and example
    std::vector<std::uint32_t> kinds_;                                      ///< of examples
    std::vector<std::map<std::vector<std::uint32_t>, planned_case>> plans_; ///< of each entry
    std::vector<std::uint32_t> key_;
    std::size_t kept_bytes_ = 0;
};

// Not inline, so that a library can have them.

template <description const& D, class B>
hooks<B> sweep_pass<D, B>::bind(chunk_rows const& chunk) const {
    std::vector<std::size_t> entries;
    for (auto const& c : chunk.cases)
        entries.push_back(c.entry);
    sort_unique(entries);
    std::vector<std::vector<std::size_t>> owners(
        entries.size(), std::vector<std::size_t>(clean_.rows().examples(), compact_layout::absent));
    for (std::size_t i = 0; i < chunk.cases.size(); ++i) {
        auto const& c = chunk.cases[i];
        auto const e = std::lower_bound(entries.begin(), entries.end(), c.entry) - entries.begin();
        owners[static_cast<std::size_t>(e)][c.example] = i;
    }
    hooks<B> all;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        chunk_layout const places(clean_.rows(), chunk, owners[i]);
        all.add(policies_.bind(
            entries[i], {backend_, clean_.rows(), clean_.tokens(), clean_.weights_identity(), places, nullptr, true}));
    }
    return all;
}

template <description const& D, class B>
auto sweep_pass<D, B>::planned(sweep_case const& c) -> planned_case const& {
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

template <description const& D, class B>
chunk_rows sweep_pass<D, B>::rows_of(std::vector<sweep_case> cases, bool reads_logits) {
    std::sort(cases.begin(), cases.end(), [](sweep_case const& a, sweep_case const& b) {
        return a.example != b.example ? a.example < b.example : a.entry < b.entry;
    });
    chunk_rows chunk;
    chunk.layers.resize(static_cast<std::size_t>(D.layers));
    for (auto const& c : cases)
        chunk.add(c, planned(c).todo, reads_logits ? wanted_[c.example].logits : std::vector<std::size_t>{});
    return chunk;
}

} // namespace engraft::detail
