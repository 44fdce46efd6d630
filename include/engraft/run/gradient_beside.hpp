#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include <engraft/run/adjoint.hpp>
#include <engraft/run/rows_beside.hpp>

namespace engraft {

/// What a clean run must have captured so that gradients can be taken beside it.
template <description const& D>
auto capture_for_gradients() {
    using keys_site = typename std::conditional_t<D.position == position::rope, sites::rot_k, sites::k>;
    return capture(sites::resid_pre{}, keys_site{}, sites::v{});
}

template <class Parameters>
struct gradient_of_cases {
    std::vector<double> values; ///< the metric of each case
    Parameters parameters;      ///< as `gradients::parameters`, of each policy of the composition
};

/// The derivative of a metric's sum over cases with respect to the parameters of policies, computed beside a clean run:
/// a case is the last rows of an example, and only they go forwards and backwards; what stands before is the clean
/// run's. The numbers are those of `gradient` of whole runs, of which many cases may share one example. policy: acts on
/// cases as on examples, whose positions count from their first row; with parameters, such as `mask`. of: logit,
/// logit_difference, probability or log_probability at each case's last row clean: an unedited run with
/// capture_for_gradients<D>() throws bad_input for a case that the clean run does not have, and as `gradient`
template <description const& D, backend B, class Clean, class Policy>
auto gradient_beside(model<D, B> const& m, Clean const& clean, std::vector<last_rows> const& cases,
                     Policy const& policy, metric const& of) {
    static_assert(differentiable<B>, "engraft [gradient.backend]: this backend has no adjoints; see "
                                     "backend/adjoint.hpp");
    static_assert(detail::has_derivative<B, Policy>,
                  "engraft [gradient.policy]: a policy changes activations and has no derivative; give an edit's "
                  "functor a member `derivative`, or leave the policy out");
    static_assert(Clean::model == D && std::is_same_v<typename Clean::backend_type, B>,
                  "engraft [sweep.clean]: the clean run is of another model or backend");
    static_assert(
        !D.bidirectional && D.pad_token < 0,
        "engraft [gradient.beside]: rows before a case's first one see what it changes where attention goes in "
        "both directions, and padding is not known to it; take the gradient of whole runs");
    static_assert(
        Policy::captures::size == 0 && !detail::touches_lines<Policy>,
        "engraft [gradient.beside]: gradients beside a clean run keep nothing and store no patterns; leave out "
        "captures and policies of scores and patterns, or take the gradient of whole runs");
    Policy::template check<D, B>();
    if (clean.weights_identity() != m.shared_weights().get() || clean.edited())
        throw bad_input("engraft [sweep.clean]: the clean run must be an unedited run of the model that is "
                        "differentiated");
    using table = matrix_tensor<typename B::value_type, typename B::memory_type>;
    auto const& b = m.backend();
    auto const& w = *m.shared_weights();

    std::vector<std::vector<token>> last;
    std::vector<std::int32_t> clean_rows, ends;
    for (auto const& c : cases) {
        if (c.example >= clean.rows().examples() || c.first >= clean.rows().length(c.example))
            throw bad_input({"a case begins at position ", c.first, " of example ", c.example,
                             ", which the clean run does not have"});
        auto const begin = clean.rows().begin(c.example);
        auto const tokens = clean.tokens().begin() + static_cast<std::ptrdiff_t>(begin);
        last.emplace_back(tokens + static_cast<std::ptrdiff_t>(c.first),
                          tokens + static_cast<std::ptrdiff_t>(clean.rows().length(c.example)));
        for (auto p = c.first; p < clean.rows().length(c.example); ++p)
            clean_rows.push_back(static_cast<std::int32_t>(begin + p));
        ends.push_back(static_cast<std::int32_t>(clean_rows.size()) - 1);
    }
    batch const tokens(last);
    detail::gradient_of_run<D, B>::require_readable(of, {}, cases.size());
    detail::rows_beside<D, B> const seen(clean, cases);

    whole_layout const places(tokens.rows());
    binding<D, B> const bound{b, tokens.rows(), tokens.tokens(), &w, places};
    auto backward = detail::reverse_all(policy, bound);
    auto looks = detail::bind_all(identity, bound);
    auto hooks = detail::bind_all(policy, bound);
    int const lowest = std::min(backward.all.first_layer(D.layers), D.layers - 1);

    auto const gathered = [&](auto from, std::vector<std::int32_t> const& rows) {
        table to(extents<dynamic, dynamic>(rows.size(), D.d_model));
        b.gather_rows(as_matrix(to), from, upload<typename B::memory_type>(rows));
        return to;
    };
    auto const entering = clean[sites::resid_pre{}].whole(lowest);
    detail::stream_tables<B> streams(std::size_t(D.layers) + 1);
    streams[static_cast<std::size_t>(lowest)] = gathered(as_matrix(entering), clean_rows);
    detail::forward_pass<D, B, detail::hooks<B>, detail::rows_beside<D, B>> pass(b, w, tokens, hooks, seen);
    pass.keep_streams(streams, lowest + 1);
    auto const out = pass.run_from(gathered(as_matrix(entering), clean_rows), lowest);
    hooks.fired(); // refuses what acted on nothing

    auto const read = gathered(as_matrix(out), ends);
    table made(extents<dynamic, dynamic>(cases.size(), output_vocab(D)));
    detail::unembed(b, w, as_matrix(made), as_matrix(read));
    logit_rows<B> const logit_table(b, std::move(made));
    auto [values, seeds] = detail::gradient_of_run<D, B>::seed(b, logit_table, of, {});
    detail::adjoint_pass<D, B, detail::rows_beside<D, B>>(b, w, tokens, backward.all, looks, seen)
        .run(streams, std::move(seeds), logit_table.values(), ends, lowest);
    auto parameters = backward.parameters();
    return gradient_of_cases<decltype(parameters)>{std::move(values), std::move(parameters)};
}

} // namespace engraft
