#pragma once

#include <concepts>
#include <memory>
#include <utility>

#include <engraft/backend/default.hpp>
#include <engraft/intervene/refused.hpp>
#include <engraft/run/forward.hpp>
#include <engraft/run/lines_of.hpp>
#include <engraft/run/run_output.hpp>

namespace engraft {

namespace detail {
template <description const&, class>
struct gradient_of_run;
} // namespace detail

/// An argument of `model.run`: how many layers to run, from the first one on.
struct first_layers {
    int count;
};

/// A described model with its weights: what experiments run. Copies share the weights.
template <description const& D, class Backend = default_backend>
class model {
    static_assert(well_formed(D), "engraft [description.well_formed]: the description's numbers do not fit together; "
                                  "see what_is_wrong(description)");
    static_assert(engraft::backend<Backend>, "engraft [backend.concept]: this is not a backend; backend/backend.hpp "
                                             "lists what one must have");

public:
    static constexpr description const& described = D;
    using backend_type = Backend;

    model(std::shared_ptr<weights<D, Backend> const> w, Backend backend = Backend{})
        : weights_(std::move(w)), backend_(std::move(backend)) {}

    Backend const& backend() const { return backend_; }

    /// For what is made of the same weights.
    std::shared_ptr<weights<D, Backend> const> const& shared_weights() const { return weights_; }

    /// Runs all examples under a policy, recomputing every row.
    /// Rules that types can break are compile errors; the rest is checked before anything is computed.
    /// throws bad_input and its family for tokens, layers, heads, positions and roles that do not fit, and for a policy
    /// that acted on nothing [policy.never_fired]
    template <class Policy = composed<>>
    auto run(batch const& tokens, Policy const& policy = {}) const {
        return run_layers<true>(tokens, policy, D.layers);
    }

    /// Runs the first layers only, for what is captured there: such a run has no logits.
    /// throws as `run`, bad_layer for more layers than the model has or none, and bad_input for a policy that acts only
    /// behind them [policy.after_last_layer]
    template <class Policy>
    auto run(batch const& tokens, Policy const& policy, first_layers const& first) const {
        if (first.count < 1 || first.count > D.layers)
            throw bad_layer({"engraft [first_layers.count]: the first ", first.count,
                             " layers were asked for; the model has ", D.layers});
        return run_layers<false>(tokens, policy, first.count);
    }

    /// The compiler refuses anything else where it is written.
    template <class Tokens, class... More>
        requires(!std::convertible_to<Tokens const&, batch>)
    ENGRAFT_REFUSED("engraft [run.tokens]: run takes a batch of prompts, each a list of tokens; for one prompt write "
                    "batch::of(model.tokenizer().encode(text))",
                    run_output<D, Backend, site_list<>> run(Tokens const&, More const&...) const);

private:
    friend struct detail::gradient_of_run<D, Backend>;

    /// streams: where the stream between blocks is kept, from block `first_kept` on; null where it is not
    template <bool Complete, bool KeepsStreams = false, class Policy>
    auto run_layers(batch const& tokens, Policy const& policy, int layers,
                    [[maybe_unused]] detail::stream_tables<Backend>* streams = nullptr,
                    [[maybe_unused]] int first_kept = 0) const {
        static_assert(engraft::policy<Policy>, "engraft [policy.concept]: the second argument of run is not a policy; "
                                               "intervene/policy.hpp says what one must have");
        if constexpr (!Complete)
            static_assert(!detail::touches<Policy, sites::final_normalized> && !detail::touches<Policy, sites::logits>,
                          "engraft [first_layers.site]: a policy acts behind the last layer, which is not run; leave "
                          "first_layers out");
        Policy::template check<D, Backend>();
        using captures = typename Policy::captures;
        using output = run_output<D, Backend, captures, Complete>;
        using content = typename output::content;
        using kept = cache<D, Backend, captures>;

        tokens.require_tokens_below(D.vocab);
        if constexpr (D.position == position::learned)
            if (tokens.rows().longest() > static_cast<std::size_t>(D.positions))
                throw bad_input({"an example has ", tokens.rows().longest(), " tokens, the model has learned ",
                                 D.positions, " positions"});
        auto const rows = std::make_shared<ragged const>(tokens.rows());
        auto c = std::make_shared<content>(
            content{backend_, weights_, rows, tokens.tokens(), kept(rows), {}, {}, {}, false});
        if constexpr (std::is_same_v<Policy, composed<>> && !KeepsStreams) {
            detail::no_hooks none;
            detail::forward_pass<D, Backend, detail::no_hooks> pass(backend_, *weights_, tokens, none);
            c->final_normalized = pass.run(layers);
        } else {
            auto const lines = detail::lines_of<D>(policy, *rows);
            auto const* asked = lines ? &*lines : nullptr;
            whole_layout const places(*rows, asked);
            binding<D, Backend> const run{backend_, *rows, c->tokens, weights_.get(), places, &c->kept};
            auto hooks = detail::bind_all(policy, run);
            if constexpr (!Complete)
                hooks.require_reached(layers);
            detail::forward_pass<D, Backend, detail::hooks<Backend>> pass(backend_, *weights_, tokens, hooks, {},
                                                                          asked);
            if constexpr (KeepsStreams)
                pass.keep_streams(*streams, first_kept);
            c->final_normalized = pass.run(layers);
            if (hooks.touched(site_index<sites::logits>)) {
                c->edited_logits = typename output::table(extents<dynamic, dynamic>(rows->rows(), output_vocab(D)));
                detail::unembed(backend_, *weights_, as_matrix(c->edited_logits),
                                as_matrix(std::as_const(c->final_normalized)));
                hooks.apply(site_index<sites::logits>, 0, c->edited_logits.data(), c->edited_logits.size());
            }
            c->fired = hooks.fired();
            c->edited = hooks.edits();
        }
        return output(std::move(c));
    }

    std::shared_ptr<weights<D, Backend> const> weights_;
    Backend backend_;
};

} // namespace engraft
