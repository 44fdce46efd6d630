#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <engraft/circuit/circuit.hpp>
#include <engraft/circuit/desideratum.hpp>
#include <engraft/circuit/mask_kinds.hpp>
#include <engraft/run/sweep.hpp>

namespace engraft {

/// What work on desiderata took.
struct desiderata_cost {
    flop_count planned, counted; ///< of sweeps
    double gradients = 0;        ///< FLOPs of gradients beside clean runs, as planned
};

struct desiderata_options {
    /// Memory for the activations that are kept between questions, in bytes; what does not fit is run again each time.
    double memory = 2e9;
    /// Examples that are run at one time.
    std::size_t at_once = 250;
    /// Called with the share of a question's work that is done, from 0 to 1.
    std::function<void(double)> progress{};
    /// Where what the work takes is added; clean runs and those of alternates are not counted.
    desiderata_cost* cost = nullptr;
};

/// A model's runs of some desiderata, and how often it follows their targets when heads take z from alternates.
/// Desiderata with the same originals share the clean run, those with the same alternates theirs.
template <description const& D, backend B>
class desiderata_runs {
public:
    /// throws bad_input when there is no desideratum or one is not complete
    desiderata_runs(model<D, B> m, std::vector<desideratum> list, desiderata_options options = {})
        : model_(std::move(m)), list_(std::move(list)), options_(std::move(options)) {
        if (list_.empty())
            throw bad_input("there is no desideratum to run");
        options_.at_once = std::max<std::size_t>(options_.at_once, 1);
        for (auto const& d : list_) {
            d.require_complete();
            d.original.require_tokens_below(D.vocab);
            d.alternate.require_tokens_below(D.vocab);
        }
        std::vector<bool> placed(list_.size());
        for (std::size_t i = 0; i < list_.size(); ++i) {
            if (placed[i])
                continue;
            std::vector<std::size_t> alike;
            for (std::size_t j = i; j < list_.size(); ++j)
                if (!placed[j] && list_[j].original == list_[i].original) {
                    placed[j] = true;
                    alike.push_back(j);
                }
            for (std::size_t first = 0; first < list_[i].examples(); first += options_.at_once)
                parts_.push_back(cut(alike, first));
        }
    }

    std::vector<desideratum> const& desiderata() const { return list_; }

    /// Share of examples whose most probable token at the last position is the target, under each exchange by itself.
    /// An exchange of no heads is the clean run. throws bad_input and its family as `sweep`
    std::vector<double> follow(std::vector<exchange> const& exchanges) { return follow(exchanges, masked_heads{}); }

    /// The same with another policy than a mask of heads: policy_of(exchange, role, source run).
    template <class PolicyOf>
    std::vector<double> follow(std::vector<exchange> const& exchanges, PolicyOf const& policy_of) {
        std::vector<double> hits(exchanges.size());
        for (auto const& e : exchanges)
            if (e.desideratum >= list_.size())
                throw bad_input({"desideratum number ", e.desideratum, " was asked for; there are ", list_.size()});
        double done = 0;
        for (auto& one : parts_) {
            follow_part(one, exchanges, policy_of, hits);
            if (options_.progress)
                options_.progress(++done / static_cast<double>(parts_.size()));
        }
        for (std::size_t i = 0; i < hits.size(); ++i)
            hits[i] /= static_cast<double>(list_[exchanges[i].desideratum].examples());
        return hits;
    }

private:
    using clean_run =
        decltype(std::declval<model<D, B> const&>().run(std::declval<batch const&>(), capture_for_sweeps<D>()));
    using source_run = decltype(std::declval<model<D, B> const&>().run(std::declval<batch const&>(),
                                                                       capture(sites::z{}, at_each({}))));

    /// Some examples of desiderata with the same originals.
    struct part {
        std::vector<std::size_t> numbers;
        std::vector<desideratum> desiderata;
        std::vector<std::size_t> same_alternates; ///< of each, the first in this part that has them too
        bool kept = false;
        std::shared_ptr<clean_run const> clean;
        std::vector<std::shared_ptr<source_run const>> sources;
    };

    part cut(std::vector<std::size_t> const& numbers, std::size_t first) {
        part made{numbers, {}, {}, false, {}, {}};
        double bytes = 0;
        for (auto n : numbers) {
            auto const count = std::min(options_.at_once, list_[n].examples() - first);
            made.desiderata.push_back(list_[n].part(first, count));
            std::size_t same = 0;
            while (!(made.desiderata[same].alternate == made.desiderata.back().alternate))
                ++same;
            made.same_alternates.push_back(same);
            if (same + 1 == made.desiderata.size())
                bytes += static_cast<double>(count * made.desiderata.back().roles.size()) * bytes_of_z;
        }
        bytes += static_cast<double>(made.desiderata.front().original.rows().rows()) * bytes_of_row;
        made.kept = kept_bytes_ + bytes <= options_.memory;
        kept_bytes_ += made.kept ? bytes : 0;
        made.sources.resize(numbers.size());
        return made;
    }

    static constexpr double bytes_of_z = sizeof(typename B::value_type) * D.layers * D.heads * D.d_head;
    static constexpr double bytes_of_row = // capture_for_sweeps: resid_pre, attn_out, mlp_out; keys and values; z
        bytes_of_z + sizeof(typename B::value_type) * D.layers * (3.0 * D.d_model + 2.0 * D.kv_heads * D.d_head);

    template <class PolicyOf>
    void follow_part(part& p, std::vector<exchange> const& exchanges, PolicyOf const& policy_of,
                     std::vector<double>& hits) {
        for (std::size_t i = 0; i < p.numbers.size(); ++i) {
            auto const& d = p.desiderata[i];
            std::vector<std::size_t> asked;
            for (std::size_t e = 0; e < exchanges.size(); ++e)
                if (exchanges[e].desideratum == p.numbers[i])
                    asked.push_back(e);
            if (asked.empty())
                continue;
            if (!p.clean)
                p.clean = std::make_shared<clean_run const>(model_.run(d.original, capture_for_sweeps<D>()));
            auto& source = p.sources[p.same_alternates[i]];
            if (!source)
                source = std::make_shared<source_run const>(run_alternates(p, p.same_alternates[i]));
            table<std::size_t> const each{{{"exchange", asked.size()}}, asked};
            auto const found =
                sweep(model_, *p.clean, each,
                      [&](std::size_t e) {
                          return may_not_fire(policy_of(exchanges[e], d.role(exchanges[e].role), *source));
                      },
                      {accuracy(d.targets)});
            if (options_.cost)
                options_.cost->planned += found.planned.flops, options_.cost->counted += found.counted;
            auto const& right = found.of();
            for (std::size_t a = 0; a < asked.size(); ++a)
                for (std::size_t x = 0; x < d.examples(); ++x)
                    hits[asked[a]] += right[a * d.examples() + x];
        }
        if (p.kept)
            return;
        p.clean.reset();
        for (auto& source : p.sources)
            source.reset();
    }

    /// z at the places of all roles, in the alternates of desideratum `of` and of those that share them.
    source_run run_alternates(part const& p, std::size_t of) const {
        std::vector<std::vector<long>> places(p.desiderata[of].examples());
        for (std::size_t i = 0; i < p.desiderata.size(); ++i)
            if (p.same_alternates[i] == of)
                for (auto const& r : p.desiderata[i].roles) {
                    auto const& there = r.source_positions.empty() ? r.positions : r.source_positions;
                    for (std::size_t x = 0; x < places.size(); ++x)
                        places[x].push_back(there[x]);
                }
        return model_.run(p.desiderata[of].alternate, capture(sites::z{}, at_each(std::move(places))));
    }

    model<D, B> model_;
    std::vector<desideratum> list_;
    desiderata_options options_;
    std::vector<part> parts_;
    double kept_bytes_ = 0;
};

/// Every group of a circuit, whole, under every desideratum of a list: number group * desiderata + desideratum.
inline std::vector<exchange> whole_groups(circuit const& c, std::size_t desiderata) {
    std::vector<exchange> all;
    for (auto const& group : c.groups)
        for (std::size_t d = 0; d < desiderata; ++d)
            all.push_back({d, group.role, group.heads, {}});
    return all;
}

} // namespace engraft
