#pragma once

#include <memory>
#include <utility>

#include <engraft/backend/default.hpp>
#include <engraft/run/forward.hpp>
#include <engraft/run/run_output.hpp>

namespace engraft {

class tokenizer;

/// A described model with its weights: what experiments run. Copies share the weights.
template <description D, class Backend = default_backend>
class model {
    static_assert(well_formed(D), "engraft [description.well_formed]: the description's numbers do not fit together; "
                                  "see what_is_wrong(description)");
    static_assert(engraft::backend<Backend>, "engraft [backend.concept]: this is not a backend; backend/backend.hpp "
                                             "lists what one must have");

public:
    static constexpr description described = D;
    using backend_type = Backend;

    model(std::shared_ptr<weights<D, Backend> const> w, Backend backend = Backend{},
          std::shared_ptr<engraft::tokenizer const> t = nullptr)
        : weights_(std::move(w)), backend_(std::move(backend)), tokenizer_(std::move(t)) {}

    /// The tokenizer that came with the weights. throws bad_model when none came
    engraft::tokenizer const& tokenizer() const {
        if (!tokenizer_)
            throw bad_model("this model was made without a tokenizer; load it from a folder that has one");
        return *tokenizer_;
    }
    Backend const& backend() const { return backend_; }

    /// For what is made of the same weights and words.
    std::shared_ptr<weights<D, Backend> const> const& shared_weights() const { return weights_; }
    std::shared_ptr<engraft::tokenizer const> const& shared_tokenizer() const { return tokenizer_; }

    /// Runs all examples under a policy, recomputing every row.
    /// Rules that types can break are compile errors; the rest is checked before anything is computed.
    /// throws bad_input and its family for tokens, layers, heads, positions and roles that do not fit
    template <class Policy = composed<>>
    auto run(batch const& tokens, Policy const& policy = {}) const {
        static_assert(engraft::policy<Policy>, "engraft [policy.concept]: the second argument of run is not a policy; "
                                               "intervene/policy.hpp says what one must have");
        Policy::template check<D, Backend>();
        using sites = typename Policy::captures;
        using output = run_output<D, Backend, sites>;
        using content = typename output::content;

        tokens.require_tokens_below(D.vocab);
        if constexpr (D.position == position::learned)
            if (tokens.rows().longest() > static_cast<std::size_t>(D.positions))
                throw bad_input({"an example has ", tokens.rows().longest(), " tokens, the model has learned ",
                                 D.positions, " positions"});
        auto const rows = std::make_shared<ragged const>(tokens.rows());
        auto c = std::make_shared<content>(content{backend_, weights_, rows, cache<D, Backend, sites>(rows), {}, {}});
        binding<D, Backend, cache<D, Backend, sites>> const run{backend_, *rows, c->kept, weights_.get()};
        auto hooks = detail::bind_all(policy, run);
        detail::forward_pass<D, Backend, decltype(hooks)> pass(backend_, *weights_, tokens, hooks);
        c->final_normalized = pass.run();
        if constexpr (decltype(hooks)::template touched<engraft::sites::logits>) {
            using shape = typename hook_point<D, engraft::sites::logits>::shape;
            c->edited_logits = typename output::table(extents<dynamic, dynamic>(rows->rows(), D.vocab));
            backend_.linear(as_matrix(c->edited_logits), as_matrix(std::as_const(c->final_normalized)),
                            weights_->unembedding);
            if constexpr (D.final_softcap > 0)
                backend_.softcap(as_matrix(c->edited_logits), D.final_softcap);
            hooks.apply(hook_point<D, engraft::sites::logits>(0),
                        view<typename Backend::value_type, typename Backend::memory_type, shape>(
                            c->edited_logits.data(), shape(rows->rows())));
        }
        return output(std::move(c));
    }

private:
    std::shared_ptr<weights<D, Backend> const> weights_;
    Backend backend_;
    std::shared_ptr<engraft::tokenizer const> tokenizer_;
};

} // namespace engraft
