#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <engraft/circuit/circuit.hpp>
#include <engraft/circuit/dcm_options.hpp>
#include <engraft/circuit/desiderata_runs.hpp>
#include <engraft/intervene/picked.hpp>
#include <engraft/run/gradient_beside.hpp>

namespace engraft {

namespace detail {

/// Trains masks of groups for desiderata. All masks take their steps together, batch after batch.
template <description const& D, backend B, class Kind>
class dcm_trainer {
public:
    dcm_trainer(model<D, B> m, circuit const& groups, dcm_data const& data, Kind const& kind,
                dcm_options const& options, dcm_state state)
        : model_(std::move(m)), groups_(groups), data_(data), kind_(kind), options_(options), state_(std::move(state)) {
        require_data();
        auto const digest = digest_of_all();
        if (state_.masks.empty() && state_.step == 0) {
            state_.of = digest;
            for (auto const& group : groups.groups)
                for (auto const& d : data.train)
                    state_.masks.push_back(
                        {group.name, d.name, untrained_mask(options.rule, weights_of_group(group)), {}, {}});
        } else {
            require_state(digest);
        }
    }

    std::vector<dcm_result> run() {
        desiderata_runs<D, B> evaluation(model_, data_.evaluate, options_.runs);
        auto const in_epoch = (data_.train.front().examples() + options_.batch - 1) / options_.batch;
        auto const steps = in_epoch * options_.epochs;
        while (state_.step < steps) {
            auto const batch = state_.step % in_epoch;
            train(batch, static_cast<double>(state_.step) / static_cast<double>(steps));
            ++state_.step;
            bool const evaluated = batch % options_.evaluate_every == 0;
            if (evaluated)
                evaluate(evaluation, static_cast<double>(state_.step) / static_cast<double>(steps));
            if (options_.checkpoint && (evaluated || state_.step == steps))
                options_.checkpoint(state_);
            if (options_.progress)
                options_.progress(static_cast<double>(state_.step) / static_cast<double>(steps));
        }
        return results();
    }

private:
    using source_run =
        decltype(std::declval<model<D, B> const&>().run(std::declval<batch const&>(), capture(sites::z{}, at(role{}))));

    std::size_t weights_of_group(circuit_group const& group) const {
        std::size_t all = 0;
        for (auto n : group.heads)
            all += kind_.weights_of(n, D.d_head);
        return all;
    }
    std::size_t group_of(std::size_t mask) const { return mask / data_.train.size(); }
    std::size_t desideratum_of(std::size_t mask) const { return mask % data_.train.size(); }

    /// One step of every mask. Those whose desiderata have the same originals are cases beside one clean run of them.
    void train(std::size_t number, double progress) {
        std::vector<bool> done(data_.train.size());
        for (std::size_t i = 0; i < data_.train.size(); ++i) {
            if (done[i])
                continue;
            std::vector<std::size_t> alike;
            for (std::size_t j = i; j < data_.train.size(); ++j)
                if (data_.train[j].original == data_.train[i].original) {
                    done[j] = true;
                    alike.push_back(j);
                }
            train(number, alike, progress);
        }
    }

    struct training_batch {
        desideratum examples;
        source_run source;
    };

    void train(std::size_t number, std::vector<std::size_t> const& alike, double progress) {
        std::map<std::size_t, training_batch> batches;
        for (auto i : alike)
            batches.emplace(i, batch_of(i, number));
        auto const clean = model_.run(batches.begin()->second.examples.original, capture_for_gradients<D>());
        std::vector<std::size_t> masks;
        std::size_t rows = 0;
        for (std::size_t m = 0; m < state_.masks.size(); ++m) {
            auto const found = batches.find(desideratum_of(m));
            if (found == batches.end())
                continue;
            auto const of_mask = rows_of(m, found->second.examples);
            if (rows > 0 && rows + of_mask > options_.rows_at_once) {
                step(masks, batches, clean, progress);
                masks.clear();
                rows = 0;
            }
            masks.push_back(m);
            rows += of_mask;
        }
        step(masks, batches, clean, progress);
    }

    training_batch batch_of(std::size_t number_of_desideratum, std::size_t number) {
        auto const& all = data_.train[number_of_desideratum];
        auto const first = number * options_.batch;
        auto examples = all.part(first, std::min(options_.batch, all.examples() - first));
        // The first desideratum with these alternates, whose run serves all of them.
        std::size_t same = 0;
        while (!(data_.train[same].alternate == all.alternate))
            ++same;
        auto kept = sources_.find({same, number});
        if (kept != sources_.end())
            return {std::move(examples), kept->second};
        auto source = model_.run(examples.alternate,
                                 capture(sites::z{}, at_each(places_of_alternates(same, first, examples.examples()))));
        double const bytes = static_cast<double>(examples.examples() * examples.roles.size()) *
                             sizeof(typename B::value_type) * D.layers * D.heads * D.d_head;
        if (kept_bytes_ + bytes <= options_.runs.memory) {
            kept_bytes_ += bytes;
            sources_.emplace(std::pair(same, number), source);
        }
        return {std::move(examples), std::move(source)};
    }

    /// Where the roles of the groups stand in some alternates, for all desiderata that have them.
    std::vector<std::vector<long>> places_of_alternates(std::size_t same, std::size_t first, std::size_t count) const {
        std::vector<std::vector<long>> places(count);
        for (auto const& d : data_.train)
            if (d.alternate == data_.train[same].alternate)
                for (auto const& group : groups_.groups) {
                    auto const& there = source_positions(d.role(group.role));
                    for (std::size_t x = 0; x < count; ++x)
                        places[x].push_back(there[first + x]);
                }
        return places;
    }

    static std::vector<long> const& source_positions(role const& r) {
        return r.source_positions.empty() ? r.positions : r.source_positions;
    }

    std::size_t first_row(std::size_t mask, desideratum const& d, std::size_t example) const {
        auto const& r = d.role(groups_.groups[group_of(mask)].role);
        return d.original.rows().position(example, r.positions[example]);
    }
    std::size_t rows_of(std::size_t mask, desideratum const& d) const {
        std::size_t rows = 0;
        for (std::size_t x = 0; x < d.examples(); ++x)
            rows += d.original.rows().length(x) - first_row(mask, d, x);
        return rows;
    }

    void step(std::vector<std::size_t> const& masks, std::map<std::size_t, training_batch> const& batches,
              auto const& clean, double progress) {
        auto const each = clean.rows().examples();
        std::vector<last_rows> cases;
        std::vector<token> targets;
        for (auto m : masks) {
            auto const& d = batches.at(desideratum_of(m)).examples;
            for (std::size_t x = 0; x < each; ++x)
                cases.push_back({x, first_row(m, d, x)});
            targets.insert(targets.end(), d.targets.begin(), d.targets.end());
        }
        auto const policies_of = [&](std::size_t i) {
            auto const& group = groups_.groups[group_of(masks[i])];
            auto const& [d, source] = batches.at(desideratum_of(masks[i]));
            // The rows of a case begin at the role.
            role at_role{group.role, std::vector<long>(cases.size()), std::vector<long>(cases.size())};
            std::vector<std::size_t> own, from(cases.size());
            for (std::size_t x = 0; x < each; ++x) {
                own.push_back(i * each + x);
                from[own.back()] = x;
                at_role.source_positions[own.back()] = source_positions(d.role(group.role))[x];
            }
            return kind_.policies(group.heads, weights_of(options_.rule, state_.masks[masks[i]].now, progress),
                                  examples(std::move(own)) & at(std::move(at_role)),
                                  picked(sites::z{}, source, std::move(from)));
        };
        decltype(policies_of(0)) policies;
        std::vector<std::size_t> ends;
        for (std::size_t i = 0; i < masks.size(); ++i) {
            for (auto& one : policies_of(i))
                policies.push_back(std::move(one));
            ends.push_back(policies.size());
        }
        if (options_.runs.cost) {
            int lowest = D.layers - 1;
            for (auto m : masks)
                for (auto const n : groups_.groups[group_of(m)].heads)
                    lowest = std::min(lowest, n.layer);
            options_.runs.cost->gradients += plan_gradient_beside<model<D, B>>(clean.rows(), cases, lowest).total();
        }
        auto const found = gradient_beside(model_, clean, cases, all_of(std::move(policies)), logit(targets));
        for (std::size_t i = 0; i < masks.size(); ++i) {
            auto& one = state_.masks[masks[i]];
            std::vector<double> of_target;
            for (auto p = i == 0 ? 0 : ends[i - 1]; p < ends[i]; ++p) {
                auto const& more = std::get<0>(found.parameters)[p];
                of_target.insert(of_target.end(), more.begin(), more.end());
            }
            double target = 0;
            for (std::size_t x = 0; x < each; ++x)
                target += found.values[i * each + x] / static_cast<double>(each);
            for (auto& derivative : of_target)
                derivative /= static_cast<double>(each);
            one.loss = mask_loss(options_.rule, weights_of(options_.rule, one.now, progress), target);
            descend(options_.rule, one.now, of_target, progress);
        }
    }

    /// Accuracies of the rounded masks; those that were measured before are remembered.
    void evaluate(desiderata_runs<D, B>& evaluation, double progress) {
        std::vector<exchange> asked;
        std::vector<std::size_t> of;
        for (std::size_t m = 0; m < state_.masks.size(); ++m) {
            auto const now = rounded(weights_of(options_.rule, state_.masks[m].now, progress));
            if (!measured_.contains({m, now})) {
                of.push_back(m);
                asked.push_back(exchange_of(m, now));
            }
        }
        auto const accuracies = evaluation.follow(asked, kind_);
        for (std::size_t i = 0; i < of.size(); ++i)
            measured_[{of[i], asked[i].weights}] = accuracies[i];
        for (std::size_t m = 0; m < state_.masks.size(); ++m) {
            auto& mask = state_.masks[m];
            auto const relaxed = weights_of(options_.rule, mask.now, progress);
            auto const now = rounded(relaxed);
            double const accuracy = measured_.at({m, now});
            if (accuracy > mask.best_accuracy ||
                (accuracy == mask.best_accuracy && exchanged(now) > exchanged(mask.best))) {
                mask.best_accuracy = accuracy;
                mask.best = now;
                mask.relaxed = relaxed;
            }
        }
    }

    exchange exchange_of(std::size_t mask, std::vector<double> weights) const {
        auto const& group = groups_.groups[group_of(mask)];
        return {desideratum_of(mask), group.role, group.heads, std::move(weights)};
    }

    static std::size_t exchanged(std::vector<double> const& weights) {
        return static_cast<std::size_t>(std::count(weights.begin(), weights.end(), 0.0));
    }

    std::vector<dcm_result> results() const {
        desiderata_runs<D, B> test(model_, data_.test, options_.runs);
        std::vector<exchange> asked;
        for (std::size_t m = 0; m < state_.masks.size(); ++m) {
            asked.push_back(exchange_of(m, state_.masks[m].best));
            asked.push_back(exchange_of(m, {}));
            asked.push_back({desideratum_of(m), groups_.groups[group_of(m)].role, {}, {}});
        }
        auto const accuracies = test.follow(asked, kind_);
        std::vector<dcm_result> all;
        for (std::size_t m = 0; m < state_.masks.size(); ++m) {
            auto const& mask = state_.masks[m];
            auto const& group = groups_.groups[group_of(m)];
            all.push_back({group.name, group.role, mask.desideratum, mask.relaxed, chosen(group, mask.best),
                           exchanged(mask.best), mask.best_accuracy, accuracies[3 * m], accuracies[3 * m + 1],
                           accuracies[3 * m + 2]});
        }
        return all;
    }

    std::vector<node> chosen(circuit_group const& group, std::vector<double> const& weights) const {
        std::vector<node> heads;
        auto first = weights.begin();
        for (auto n : group.heads) {
            auto const end = first + static_cast<std::ptrdiff_t>(kind_.weights_of(n, D.d_head));
            if (std::find(first, end, 0.0) != end)
                heads.push_back(n);
            first = end;
        }
        return heads;
    }

    void require_data() const {
        if (groups_.groups.empty() || data_.train.empty())
            throw bad_input(
                "DCM trains a mask for each group and each desideratum; there are none of the one or the other");
        if (options_.batch == 0 || options_.evaluate_every == 0 || options_.epochs == 0)
            throw bad_input("DCM needs at least one epoch, batches of at least one example, and evaluations");
        for (auto const* other : {&data_.evaluate, &data_.test}) {
            bool alike = other->size() == data_.train.size();
            for (std::size_t i = 0; alike && i < other->size(); ++i)
                alike = (*other)[i].name == data_.train[i].name;
            if (!alike)
                throw bad_input("DCM needs the same desiderata in the same order to train, to evaluate and to test");
        }
        for (auto const& d : data_.train) {
            d.require_complete();
            if (d.examples() != data_.train.front().examples())
                throw bad_input({"the desideratum `", d.name, "` has ", d.examples(), " examples to train on, `",
                                 data_.train.front().name, "` has ", data_.train.front().examples(),
                                 "; masks are trained together, so give all as many"});
        }
        for (auto const& group : groups_.groups)
            if (group.heads.empty())
                throw bad_input({"the group `", group.name, "` has no heads to choose from"});
    }

    void require_state(std::string const& digest) const {
        bool fits = state_.of == digest && state_.masks.size() == groups_.groups.size() * data_.train.size();
        for (std::size_t m = 0; fits && m < state_.masks.size(); ++m) {
            auto const& mask = state_.masks[m];
            auto const weights = weights_of_group(groups_.groups[group_of(m)]);
            fits = mask.group == groups_.groups[group_of(m)].name &&
                   mask.desideratum == data_.train[desideratum_of(m)].name && mask.now.parameters.size() == weights &&
                   mask.best.size() == weights && mask.relaxed.size() == weights;
        }
        if (!fits)
            throw bad_input(
                "the state to go on from is of other groups, desiderata, prompts or options than these; begin anew, "
                "or give what it was trained with");
    }

    /// What decides the numbers: groups, prompts, options and the model, of whose weights the logits of a prompt tell.
    std::string digest_of_all() const {
        digest d;
        d.add(std::uint64_t(D.layers)).add(std::uint64_t(D.heads)).add(std::uint64_t(D.d_head)).add(B::name());
        for (auto const& group : groups_.groups) {
            d.add(group.name).add(group.role).add(std::uint64_t(group.heads.size()));
            for (auto const& n : group.heads)
                d.add(std::uint64_t(n.layer)).add(std::uint64_t(n.head));
        }
        for (auto const* list : {&data_.train, &data_.evaluate})
            for (auto const& one : *list) {
                d.add(one.name).add(std::uint64_t(one.examples()));
                for (auto const* tokens : {&one.original.tokens(), &one.alternate.tokens(), &one.targets})
                    for (auto t : *tokens)
                        d.add(std::uint64_t(t));
                for (auto const& r : one.roles)
                    for (auto const* positions : {&r.positions, &r.source_positions})
                        for (auto p : *positions)
                            d.add(std::uint64_t(p));
            }
        for (auto const x : model_.run(data_.train.front().original.part(0, 1)).logits_at(-1).values().to_host())
            d.add(double(x));
        auto const& r = options_.rule;
        for (double const x : {r.start, r.learning_rate, r.sparsity, r.undecided, r.temperature, r.last_factor})
            d.add(x);
        for (auto const n : {options_.epochs, options_.batch, options_.evaluate_every})
            d.add(std::uint64_t(n));
        kind_.add_to(d);
        return d.text();
    }

    model<D, B> model_;
    circuit const& groups_;
    dcm_data const& data_;
    Kind const& kind_;
    dcm_options const& options_;
    dcm_state state_;
    std::map<std::pair<std::size_t, std::vector<double>>, double> measured_;
    std::map<std::pair<std::size_t, std::size_t>, source_run> sources_; ///< of alternates and batches
    double kept_bytes_ = 0;
};

} // namespace detail

} // namespace engraft
