#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <engraft/circuit/circuit_case.hpp>
#include <engraft/circuit/part_of_batch.hpp>
#include <engraft/run/divergence.hpp>
#include <engraft/run/sweep.hpp>

namespace engraft {

/// The mean over the examples of each entry of a sweep, of the first metric or of the named one.
/// throws bad_input for a metric that was not asked for
inline std::vector<double> mean_over_examples(sweep_result const& found, std::string const& metric = {}) {
    auto const& values = metric.empty() ? found.of() : found.of(metric);
    auto const examples = found.axes().back().size;
    std::vector<double> means(values.size() / examples);
    for (std::size_t i = 0; i < values.size(); ++i)
        means[i / examples] += values[i] / static_cast<double>(examples);
    return means;
}

struct mean_ablation_options {
    /// Memory for what one run keeps, in bytes; prompts are taken in parts that fit. It changes no result. Where all
    /// prompts fit, two runs are kept for later calls: the whole model's, and that of the last circuit.
    double memory = 1e9;
    sweep_options sweep{}; ///< `progress` gets the share of a call's whole work
};

/// Measures circuits: all else is mean-ablated. z of every head at every position is replaced by its mean, except the
/// circuit's heads at their roles.
///
///     mean_ablation const f(model, prompts.tokens, roles, means, {accuracy(prompts.answers)});
///     f.whole();                          // F(M), of each metric
///     f.alone(circuit);                   // F(Cir)
///     f.each(circuits, beside);           // F of each of them, axes [circuit, example]
///     f.without(circuits);                // F(M \ K) for K each of them
///
/// Copies keep runs of their own; one object serves one thread.
///
/// Where all else is ablated, positions without a role never change: one run serves all circuits, of which only the
/// rows at the roles are computed again.
/// source Prakash et al. 2024, section 4.2
template <description const& D, class B>
class mean_ablation {
public:
    using means_type = activation_means<D, B, sites::z>;

    /// roles: those of all circuits' groups, a position per example each. means: of z, such as mean_activations gives
    /// throws bad_input when roles, means or metrics do not fit the prompts
    mean_ablation(model<D, B> m, batch tokens, std::vector<role> roles, means_type means, std::vector<metric> metrics,
                  mean_ablation_options options = {})
        : model_(std::move(m)), tokens_(std::move(tokens)), roles_(std::move(roles)), means_(std::move(means)),
          metrics_(std::move(metrics)), options_(std::move(options)) {
        detail::metric_reader<D, B>(model_.backend(), *model_.shared_weights(), metrics_, tokens_.examples());
        for (auto const& r : roles_)
            detail::places_of(r, tokens_.rows());
        if (!(options_.memory > 0))
            throw bad_input("mean_ablation_options::memory is not above 0; give a number of bytes");
        auto const& read_at = options_.sweep.read_at;
        if (!read_at.empty() && read_at.size() != tokens_.examples())
            throw bad_input({"engraft [sweep.read_at]: ", read_at.size(), " positions are given for ",
                             tokens_.examples(), " examples; each example needs one"});
        double const bytes = static_cast<double>(tokens_.rows().longest()) * D.layers * sizeof(typename B::value_type) *
                             (3.0 * D.d_model + 2.0 * D.kv_heads * D.d_head + 1.0 * D.heads * D.d_head);
        auto const fit = static_cast<std::size_t>(std::clamp(options_.memory / bytes, 1.0, 1e9));
        for (auto const part : parts_of_batch(tokens_.examples(), fit)) {
            auto const of_part = part.of(tokens_);
            auto placed = part.of_each(roles_);
            auto rows = std::make_shared<role_rows const>(placed, of_part.rows());
            parts_.push_back({part, of_part, std::move(rows), means_.at(placed)});
        }
    }

    model<D, B> const& of_model() const { return model_; }
    std::vector<metric> const& metrics() const { return metrics_; }
    batch const& tokens() const { return tokens_; }

    /// Metrics of the whole model: F(M). axes [circuit (one), example]
    sweep_result whole() const { return without({circuit{}}); }

    /// Metrics of a circuit by itself: F(Cir). axes [circuit (one), example]
    sweep_result alone(circuit const& c) const { return each({c}, c); }

    /// Metrics of each circuit by itself. beside: any circuit; the more a case has in common with it, the less is
    /// computed. axes [circuit, example]; the clean numbers are those of `beside`
    sweep_result each(std::vector<circuit> const& cases, circuit const& beside = {}) const {
        return sweep_beside(&beside, cases);
    }

    /// Metrics of the whole model with the means at each circuit's nodes and nowhere else: F(M \ K).
    /// axes [circuit, example]; the clean numbers are F(M)
    sweep_result without(std::vector<circuit> const& removed) const { return sweep_beside(nullptr, removed); }

    /// The first metric's mean over the examples, of each circuit: what minimality is judged by.
    std::vector<double> operator()(circuit const& beside, std::vector<circuit> const& cases) const {
        return mean_over_examples(each(cases, beside));
    }

private:
    struct prompts {
        part_of_batch part;
        batch tokens;
        std::shared_ptr<role_rows const> rows;
        means_type means;
    };
    using case_type = circuit_case<D, B>;
    using head_sets = typename case_type::head_sets;

    /// beside: null for the unedited model; then cases are what is taken out of it.
    sweep_result sweep_beside(circuit const* beside, std::vector<circuit> const& cases) const {
        sweep_result all({{"circuit", cases.size()}}, tokens_.examples(), metrics_);
        for (auto const& p : parts_) {
            auto const heads = [&](circuit const& c) { return p.rows->heads_of(c, D.layers, D.heads); };
            auto kept = heads(beside ? *beside : circuit{});
            if (!beside)
                for (auto& part : kept)
                    part.flip();
            table<head_sets> list{{{"circuit", cases.size()}}, {}};
            for (auto const& c : cases) {
                list.entries.push_back(heads(c));
                if (!beside)
                    for (auto& part : list.entries.back())
                        part.flip();
            }
            auto const run = run_beside(p, beside != nullptr, kept);
            auto options = options_.sweep;
            options.read_at = p.part.of(options_.sweep.read_at);
            if (options_.sweep.progress)
                options.progress = [&](double share) { report(p, share); };
            auto const part = sweep(
                model_, *run, list,
                [&](head_sets const& h) { return case_type(p.rows, h, kept, beside != nullptr, p.means); },
                metrics_of(p, beside != nullptr), options);
            all.add_examples(part, p.part.first);
            report(p, 1);
        }
        return all;
    }

    using plain_run =
        decltype(std::declval<model<D, B> const&>().run(std::declval<batch const&>(), capture_for_sweeps<D>()));
    using background_run = background<plain_run>;

    /// The part's metrics. A divergence is from the whole model, also where the run beside is another.
    std::vector<metric> metrics_of(prompts const& p, bool ablated) const {
        auto metrics = p.part.of_each(metrics_);
        for (auto& m : metrics)
            if (ablated && m.of == metric::kind::kl_to_clean) {
                role at{"read_at", p.part.of(options_.sweep.read_at), {}};
                if (at.positions.empty())
                    at.positions.assign(p.tokens.examples(), -1);
                auto const whole = model_.run(p.tokens).logits_at(at).values().to_host();
                std::vector<std::vector<double>> clean;
                for (std::size_t e = 0; e < p.tokens.examples(); ++e)
                    clean.push_back(log_softmax(std::span(whole).subspan(e * output_vocab(D), output_vocab(D))));
                m = reading(m.name, [clean](std::span<double const> row, std::size_t e) {
                    return kl_divergence(clean[e], log_softmax(row));
                });
            }
        return metrics;
    }

    void report(prompts const& p, double share) const {
        if (options_.sweep.progress)
            options_.sweep.progress((static_cast<double>(p.part.first) + share * static_cast<double>(p.part.count)) /
                                    static_cast<double>(tokens_.examples()));
    }

    std::shared_ptr<background_run const> run_beside(prompts const& p, bool ablated, head_sets const& kept) const {
        auto& latest = last_runs_[ablated];
        if (parts_.size() == 1 && latest.run && latest.kept == kept)
            return latest.run;
        latest = {};
        auto const keep = capture_for_sweeps<D>();
        auto run = [&] {
            if (!ablated)
                return std::make_shared<background_run const>(background_run{model_.run(p.tokens, keep)});
            std::vector<std::vector<long>> elsewhere(p.tokens.examples());
            for (auto const& place : p.rows->elsewhere)
                elsewhere[place.example].push_back(static_cast<long>(place.position));
            auto const at_roles = case_type(p.rows, kept, kept, true, p.means);
            return std::make_shared<background_run const>(background_run{model_.run(
                p.tokens, may_not_fire(ablate(sites::z{}, at_each(std::move(elsewhere)), p.means)) | at_roles | keep)});
        }();
        if (parts_.size() == 1)
            latest = {run, kept};
        return run;
    }

    model<D, B> model_;
    batch tokens_;
    std::vector<role> roles_;
    means_type means_;
    std::vector<metric> metrics_;
    mean_ablation_options options_;
    std::vector<prompts> parts_;
    /// The last whole and the last ablated run, for calls that go on beside the same circuit; only where all prompts
    /// are one part.
    struct last_run {
        std::shared_ptr<background_run const> run;
        head_sets kept;
    };
    mutable last_run last_runs_[2];
};

} // namespace engraft
