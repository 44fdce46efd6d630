#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include <engraft/backend/adapted_adjoint.hpp>
#include <engraft/backend/reference/adjoint.hpp>
#include <engraft/core/finite.hpp>
#include <engraft/run/adjoint_pass.hpp>
#include <engraft/run/metric.hpp>
#include <engraft/run/model.hpp>
#if defined(__CUDACC__) // which does without the backend cpu
#include <engraft/backend/cuda/adjoint.cuh>
#else
#include <engraft/backend/cpu/adjoint.hpp>
#endif

namespace engraft {

struct gradient_options {
    /// Where the metric is read: one position per example, its last one where none is given.
    std::vector<long> read_at{};
    /// Of each example's metric in the sum that is differentiated; 1 where none are given.
    std::vector<double> weights{};
};

/// What `gradient` finds. Copies share one content.
template <class Run, class Kept, class Parameters>
class gradients {
public:
    struct content {
        Run run;
        Kept kept;
        Parameters parameters;
        std::vector<double> values;
    };

    explicit gradients(std::shared_ptr<content const> c) : content_(std::move(c)) {}

    /// The metric of each example in this run, without weights.
    std::vector<double> const& values() const { return content_->values; }

    /// The run that was differentiated, with what its policy captured.
    Run const& run() const { return content_->run; }

    /// Gradients with respect to a site's activations as they leave it, behind all policies there.
    /// A site that was not asked for does not compile [cache.site].
    template <site S>
    auto operator[](S) const {
        return content_->kept[S{}];
    }

    /// Gradient with respect to the parameters of a policy, counted from 0, left to right: a mask's weights, the
    /// direction that steers, a basis vector after vector, the factor of scale, the number of ablate; each as it was
    /// given. Empty for others. Of all_of(list) one such list for each of its policies.
    template <std::size_t Policy = 0>
    auto const& parameters() const {
        static_assert(
            Policy < std::tuple_size_v<Parameters>,
            "engraft [gradient.parameters]: the run's policy is composed of fewer policies; they count from 0");
        return std::get<Policy>(content_->parameters);
    }

private:
    std::shared_ptr<content const> content_;
};

namespace detail {

template <description const& D, class Backend>
struct gradient_of_run {
    using T = typename Backend::value_type;
    using memory = typename Backend::memory_type;
    using table = matrix_tensor<T, memory>;

    static void require_readable(metric const& of, gradient_options const& options, std::size_t examples) {
        bool const two = of.of == metric::kind::logit_difference;
        if (!two && of.of != metric::kind::logit && of.of != metric::kind::probability &&
            of.of != metric::kind::log_probability)
            throw bad_input({"engraft [gradient.metric]: `", of.name, "` has no derivative here; differentiate logit, ",
                             "logit_difference, probability or log_probability"});
        auto const require = [&](char const* what, std::size_t given) {
            if (given != examples)
                throw bad_input({"engraft [gradient.examples]: ", given, ' ', what, " are given for ", examples,
                                 " examples; each example needs one"});
        };
        require("tokens", of.tokens.size());
        if (two)
            require("other tokens", of.others.size());
        if (!options.read_at.empty())
            require("positions", options.read_at.size());
        if (!options.weights.empty())
            require("weights", options.weights.size());
        require_finite(options.weights, "gradient's weights");
        for (auto const* list : {&of.tokens, &of.others})
            for (auto t : *list)
                if (t < 0 || t >= output_vocab(D))
                    throw bad_input(
                        {"token ", t, " of the metric is not in the model's vocabulary of ", output_vocab(D)});
    }

    /// The metric of each row of logits, and its gradient with respect to them, times the weights.
    static std::pair<std::vector<double>, table> seed(Backend const& backend, logit_rows<Backend> const& logits,
                                                      metric const& of, std::vector<double> weights) {
        auto const rows = logits.rows();
        weights.resize(rows, 1.0);
        adjoints<Backend> const adjoint(backend);
        auto values = logits.of(of.tokens);
        std::vector<double> log_sums(rows), shares(rows), ones = weights;
        if (of.of == metric::kind::probability || of.of == metric::kind::log_probability) {
            log_sums = logits.log_sum_exp();
            for (std::size_t r = 0; r < rows; ++r) {
                values[r] -= log_sums[r];
                if (of.of == metric::kind::probability) {
                    values[r] = std::exp(values[r]);
                    ones[r] *= values[r];
                }
                shares[r] = -ones[r];
            }
        }
        table seeds(extents<dynamic, dynamic>(rows, output_vocab(D)));
        adjoint.softmax_seed(as_matrix(seeds), as_matrix(logits.values()), log_sums, shares);
        adjoint.add_elements(as_matrix(seeds), of.tokens, ones);
        if (of.of == metric::kind::logit_difference) {
            auto const others = logits.of(of.others);
            for (std::size_t r = 0; r < rows; ++r) {
                values[r] -= others[r];
                if (std::isnan(values[r]))
                    refuse_logits(r);
                ones[r] = -ones[r];
            }
            adjoint.add_elements(as_matrix(seeds), of.others, ones);
        }
        return {std::move(values), std::move(seeds)};
    }

    template <class Policy, class Wanted>
    static auto take(model<D, Backend> const& m, batch const& tokens, Policy const& policy, Wanted const& wanted,
                     metric const& of, gradient_options const& options) {
        Policy::template check<D, Backend>();
        Wanted::template check<D, Backend>();
        tokens.require_tokens_below(D.vocab);
        auto const rows = std::make_shared<ragged const>(tokens.rows());
        require_readable(of, options, rows->examples());
        role read_at{"read_at", {}, {}};
        std::vector<std::int32_t> at;
        for (std::size_t e = 0; e < rows->examples(); ++e) {
            auto const p = rows->position(e, options.read_at.empty() ? -1 : options.read_at[e]);
            read_at.positions.push_back(static_cast<long>(p));
            at.push_back(static_cast<std::int32_t>(rows->begin(e) + p));
        }

        using kept = cache<D, Backend, typename Wanted::captures>;
        kept found(rows);
        auto const& w = *m.shared_weights();
        whole_layout const places(*rows);
        binding<D, Backend> const bound{m.backend(), *rows, tokens.tokens(), &w, places, &found};
        auto backward = reverse_all(policy, bound);
        auto looks = bind_all(wanted, bound);
        bool const from_embedding =
            looks.touched(site_index<sites::embed>) || looks.touched(site_index<sites::pos_embed>);
        int const lowest =
            from_embedding ? 0 : std::min(backward.all.first_layer(D.layers), looks.first_layer(D.layers));

        stream_tables<Backend> streams(std::size_t(D.layers) + 1);
        auto run = m.template run_layers<true, true>(tokens, policy, D.layers, &streams, lowest);
        auto const logits = run.logits_at(read_at);
        auto [values, seeds] = seed(m.backend(), logits, of, options.weights);
        adjoint_pass<D, Backend>(m.backend(), w, tokens, backward.all, looks)
            .run(streams, std::move(seeds), logits.values(), at, lowest);
        looks.fired();
        auto parameters = backward.parameters();
        using result = gradients<decltype(run), kept, decltype(parameters)>;
        return result(std::make_shared<typename result::content>(
            typename result::content{std::move(run), std::move(found), std::move(parameters), std::move(values)}));
    }
};

} // namespace detail

/// The derivative of a metric's sum over examples, each times its weight, by reverse accumulation through the run that
/// model.run(tokens, policy) would be. No example sees another, so each gets the gradient of its own metric.
/// policy: captures, and policies with a derivative; what is patched or frozen has none, and cuts the path.
/// wanted: captures of the sites whose gradients are kept, or `identity`; no block below them, and below the lowest
/// policy with parameters, is gone through.
/// Keeps the stream between blocks and computes each block again: see plan_gradient.
/// throws as model.run, and bad_input for a metric without a derivative or of another number of examples
template <description const& D, class Backend, class Policy, class Wanted>
auto gradient(model<D, Backend> const& m, batch const& tokens, Policy const& policy, Wanted const& wanted,
              metric const& of, gradient_options const& options = {}) {
    static_assert(differentiable<Backend>, "engraft [gradient.backend]: this backend has no adjoints; see "
                                           "backend/adjoint.hpp");
    static_assert(engraft::policy<Policy> && engraft::policy<Wanted>,
                  "engraft [policy.concept]: gradient takes two policies, what is done and what gradients are kept; "
                  "intervene/policy.hpp says what one must have");
    static_assert(detail::has_derivative<Backend, Policy>,
                  "engraft [gradient.policy]: a policy changes activations and has no derivative; give an edit's "
                  "functor a member `derivative`, or leave the policy out");
    static_assert(!detail::changes_anything<Wanted>,
                  "engraft [gradient.wanted]: the second policy only looks at gradients; name sites with capture, and "
                  "give what changes activations as the first one");
    return detail::gradient_of_run<D, Backend>::take(m, tokens, policy, wanted, of, options);
}

} // namespace engraft
