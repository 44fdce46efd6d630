#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <engraft/circuit/chosen_heads.hpp>
#include <engraft/circuit/circuit.hpp>
#include <engraft/circuit/dcm_state.hpp>
#include <engraft/circuit/desiderata_runs.hpp>
#include <engraft/run/adjoint.hpp>

namespace engraft {

/// Desiderata for training, for choosing the best mask, and for the accuracy that is reported; the same ones in the
/// same order, of other examples.
struct dcm_data {
    std::vector<desideratum> train, evaluate, test;

    /// The first examples of each desideratum to train, those behind to evaluate, then those to test.
    /// throws bad_input when there are fewer
    static dcm_data split(std::vector<desideratum> const& all, std::size_t train, std::size_t evaluate,
                          std::size_t test) {
        dcm_data data;
        for (auto const& d : all) {
            data.train.push_back(d.part(0, train));
            data.evaluate.push_back(d.part(train, evaluate));
            data.test.push_back(d.part(train + evaluate, test));
        }
        return data;
    }
};

/// What one weight of a mask stands for: a head's z, or each of its elements.
enum class granularity { head, neuron };

/// The defaults are the paper's.
struct dcm_options {
    mask_rule rule{};
    granularity of = granularity::head;
    std::size_t epochs = 2;
    std::size_t batch = 32;
    std::size_t evaluate_every = 4; ///< batches, from the first of each epoch on
    desiderata_options runs{};      ///< memory, for evaluation and test
    /// Called with the share of all batches that is done, from 0 to 1.
    std::function<void(double)> progress{};
    /// Called after each evaluation and at the end of training, with all that is needed to go on from there.
    std::function<void(dcm_state const&)> checkpoint{};
};

/// What DCM finds of one group and desideratum.
struct dcm_result {
    std::string group, role, desideratum;
    std::vector<double> mask; ///< the best mask's weights before rounding, one per head, or elements of head after head
    std::vector<node> chosen; ///< heads of which something is exchanged
    std::size_t exchanged = 0; ///< weights that round to 0
    double accuracy = 0;       ///< share of the evaluated examples that follow the target under the rounded mask
    double test_accuracy = 0;  ///< the same of the test's
    double group_accuracy = 0; ///< of the test's, when the whole group is exchanged
    double clean_accuracy = 0; ///< of the test's, when nothing is
};

namespace detail {

/// Trains masks of groups for desiderata. All masks take their steps together, batch after batch.
template <description D, backend B>
class dcm_trainer {
public:
    dcm_trainer(model<D, B> m, circuit const& groups, dcm_data const& data, dcm_options const& options, dcm_state state)
        : model_(std::move(m)), groups_(groups), data_(data), options_(options), state_(std::move(state)) {
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
        return group.heads.size() * (options_.of == granularity::head ? 1 : D.d_head);
    }
    std::size_t group_of(std::size_t mask) const { return mask / data_.train.size(); }
    std::size_t desideratum_of(std::size_t mask) const { return mask % data_.train.size(); }

    /// One step of every mask.
    void train(std::size_t number, double progress) {
        for (std::size_t i = 0; i < data_.train.size(); ++i) {
            auto const& all = data_.train[i];
            auto const first = number * options_.batch;
            auto const d = all.part(first, std::min(options_.batch, all.examples() - first));
            // Groups of one role share the alternates' run.
            std::map<std::string, source_run> sources;
            for (std::size_t m = i; m < state_.masks.size(); m += data_.train.size()) {
                auto const& group = groups_.groups[group_of(m)];
                auto const& role = d.role(group.role);
                auto found = sources.find(group.role);
                if (found == sources.end()) {
                    auto const there = role.source_positions.empty() ? role.positions : role.source_positions;
                    found = sources
                                .emplace(group.role,
                                         model_.run(d.alternate,
                                                    capture(sites::z{}, at(engraft::role{role.name, there, {}}))))
                                .first;
                }
                step(state_.masks[m], group, d, role, found->second, progress);
            }
        }
    }

    void step(dcm_mask& mask, circuit_group const& group, desideratum const& d, role const& role,
              source_run const& source, double progress) {
        auto const weights = weights_of(options_.rule, mask.now, progress);
        auto const found =
            gradient(model_, d.original, engraft::mask(sites::z{}, nodes(group.heads).at(role), weights, source),
                     identity, logit(d.targets));
        auto const examples = static_cast<double>(d.examples());
        double target = 0;
        for (double const x : found.values())
            target += x / examples;
        auto of_target = found.template parameters<0>();
        for (auto& x : of_target)
            x /= examples;
        mask.loss = mask_loss(options_.rule, weights, target);
        descend(options_.rule, mask.now, of_target, progress);
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
        auto const accuracies = evaluation.follow(asked);
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
        auto const accuracies = test.follow(asked);
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

    static std::vector<node> chosen(circuit_group const& group, std::vector<double> const& weights) {
        std::vector<node> heads;
        auto const each = weights.size() / std::max<std::size_t>(group.heads.size(), 1);
        for (std::size_t h = 0; h < group.heads.size(); ++h)
            if (std::find(weights.begin() + static_cast<std::ptrdiff_t>(h * each),
                          weights.begin() + static_cast<std::ptrdiff_t>((h + 1) * each),
                          0.0) != weights.begin() + static_cast<std::ptrdiff_t>((h + 1) * each))
                heads.push_back(group.heads[h]);
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

    /// What decides the numbers: groups, prompts, options, and the model's shape. (Its weights are the user's to keep.)
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
            }
        auto const& r = options_.rule;
        for (double const x : {r.start, r.learning_rate, r.sparsity, r.undecided, r.temperature, r.last_factor})
            d.add(x);
        for (auto const n : {options_.epochs, options_.batch, options_.evaluate_every})
            d.add(std::uint64_t(n));
        return d.add(std::uint64_t(options_.of)).text();
    }

    model<D, B> model_;
    circuit const& groups_;
    dcm_data const& data_;
    dcm_options const& options_;
    dcm_state state_;
    std::map<std::pair<std::size_t, std::vector<double>>, double> measured_;
};

} // namespace detail

/// Desiderata-based component masking: for each group of a circuit and each desideratum, the heads that must take z
/// from the alternates so that the model gives the targets. A mask's weights w make z' = w z + (1 - w) z_alternate at
/// the group's role; they are trained on the mean logit of the target, evaluated as 0 or 1 every few batches, and the
/// best ones (of equal ones those that exchange more heads) are tested. Deterministic: the same arguments give the same
/// numbers. state: that of a training that was stopped, from `dcm_options::checkpoint`, which goes on as if it had not
/// been. throws bad_input and its family when data, state and model do not fit source Davies et al. 2023; Prakash et
/// al. 2024, section 5.1 and appendix H
///
///     auto const data = dcm_data::split(desiderata, 1000, 500, 500);
///     for (auto const& found : dcm(model, circuit, data))
///         std::cout << found.group << ' ' << found.desideratum << ' ' << found.test_accuracy << '\n';
template <description D, backend B>
std::vector<dcm_result> dcm(model<D, B> const& m, circuit const& groups, dcm_data const& data,
                            dcm_options const& options = {}, dcm_state state = {}) {
    return detail::dcm_trainer<D, B>(m, groups, data, options, std::move(state)).run();
}

} // namespace engraft
