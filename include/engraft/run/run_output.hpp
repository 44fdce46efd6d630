#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <engraft/core/integer.hpp>
#include <engraft/core/refused.hpp>
#include <engraft/intervene/selection.hpp>
#include <engraft/model/weights.hpp>
#include <engraft/run/cache.hpp>
#include <engraft/run/logit_rows.hpp>
#include <engraft/run/unembed.hpp>

namespace engraft {

/// A finished run: what it captured, and its logits on demand. Only rows whose logits are asked for meet the
/// unembedding. Copies share one content, which stays alive as long as a policy needs it.
/// `Complete` is false for a run of the model's first layers only, which has no logits.
template <description const& D, class Backend, class Sites, bool Complete = true>
class run_output {
public:
    static constexpr description const& model = D;
    using backend_type = Backend;
    using table = matrix_tensor<typename Backend::value_type, typename Backend::memory_type>;
    template <site S>
    static constexpr bool holds = cache<D, Backend, Sites>::template holds<S>;

    struct content {
        Backend backend;
        std::shared_ptr<weights<D, Backend> const> model_weights;
        std::shared_ptr<ragged const> rows;
        std::vector<token> tokens; ///< of all rows
        cache<D, Backend, Sites> kept;
        table final_normalized; ///< [rows, d_model]
        table edited_logits;    ///< [rows, vocab] when a policy wrote or read them, otherwise empty
        std::vector<std::size_t> fired;
        bool edited = false;
    };

    explicit run_output(std::shared_ptr<content const> c) : content_(std::move(c)) {}

    ragged const& rows() const { return *content_->rows; }
    Backend const& backend() const { return content_->backend; }
    void const* weights_identity() const { return content_->model_weights.get(); }

    /// The final norm's output at all rows. shape [rows, d_model]
    auto final_normalized() const {
        static_assert(Complete, "engraft [first_layers.logits]: only the first layers were run, so there are no "
                                "logits; run without first_layers to have them");
        return as_matrix(content_->final_normalized);
    }

    std::vector<token> const& tokens() const { return content_->tokens; }

    /// How many slices (heads of rows) each policy acted on, in the order in which they were composed.
    std::vector<std::size_t> const& fired() const { return content_->fired; }
    /// Whether a policy may have changed anything.
    bool edited() const { return content_->edited; }

    /// The captured activations of a site; a site that the run did not capture does not compile [cache.site].
    template <site S>
    captured<D, Backend, S> operator[](S) const {
        return content_->kept[S{}];
    }

    ENGRAFT_REFUSED("engraft [site.text]: a site is a value, not a text: run[eg::z] has what capture(z) kept; "
                    "docs/reference/sites.md lists the sites",
                    captured<D, Backend, sites::z> operator[](std::string_view) const);

    template <site S>
    typename Backend::value_type const* elements(S, int layer) const {
        return content_->kept[S{}].elements(layer);
    }

    /// Logits of each example at a role. shape [examples, vocab]
    /// throws bad_input when the role is not of this batch, bad_position when an example lacks the position
    logit_rows<Backend> logits_at(role const& r) const { return logits_of(detail::places_of(r, rows())); }
    /// Logits of each example at one position; -1 is the last.
    logit_rows<Backend> logits_at(integer position) const {
        return logits_of(detail::places_of(axes::positions{{static_cast<long>(position.value())}}, rows()));
    }
    /// Logits of all rows. shape [rows, vocab]
    logit_rows<Backend> logits() const { return logits_of(detail::places_of(axes::every{}, rows())); }

private:
    logit_rows<Backend> logits_of(std::vector<selection::place> const& places) const {
        static_assert(Complete, "engraft [first_layers.logits]: only the first layers were run, so there are no "
                                "logits; run without first_layers to have them");
        auto const& c = *content_;
        std::vector<std::int32_t> index;
        for (auto const& place : places)
            index.push_back(static_cast<std::int32_t>(rows().begin(place.example) + place.position));
        auto const list = upload<typename Backend::memory_type>(index);
        table values(extents<dynamic, dynamic>(index.size(), output_vocab(D)));
        if (!c.edited_logits.empty()) {
            c.backend.gather_rows(as_matrix(values), as_matrix(c.edited_logits), list);
        } else {
            table chosen(extents<dynamic, dynamic>(index.size(), D.d_model));
            c.backend.gather_rows(as_matrix(chosen), as_matrix(c.final_normalized), list);
            detail::unembed(c.backend, *c.model_weights, as_matrix(values), as_matrix(std::as_const(chosen)));
        }
        return {c.backend, std::move(values)};
    }

    std::shared_ptr<content const> content_;
};

} // namespace engraft
