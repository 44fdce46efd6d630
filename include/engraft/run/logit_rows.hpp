#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <engraft/backend/largest.hpp>
#include <engraft/core/error.hpp>
#include <engraft/core/integer.hpp>
#include <engraft/core/tensor.hpp>
#include <engraft/core/token.hpp>

namespace engraft {

namespace detail {
/// Logits can be read unless one is NaN or +infinity, or all are -infinity. Some may be -infinity: masks write that.
[[noreturn, gnu::cold, gnu::noinline]] inline void refuse_logits(std::size_t row) {
    throw bad_input({"engraft [logits.finite]: the logits of row ", row,
                     " hold NaN or +infinity, or are all -infinity, so they have no probabilities and no order; look "
                     "for a policy, a functor or weights that produce such numbers"});
}
} // namespace detail

/// Logits of chosen rows, in the backend's memory. shape [rows, vocab]
/// Every reading throws bad_input [logits.finite] if a row that it depends on has NaN or +infinity, or nothing but
/// -infinity. Single elements that are -infinity, as masks write them, can be read.
template <class Backend>
class logit_rows {
public:
    using table = matrix_tensor<typename Backend::value_type, typename Backend::memory_type>;

    logit_rows(Backend backend, table values) : backend_(std::move(backend)), values_(std::move(values)) {}

    std::size_t rows() const { return values_.shape()[0]; }
    table const& values() const { return values_; }

    /// Each row's most probable token; the first of equals.
    std::vector<token> top() const {
        auto tokens = backend_.argmax(as_matrix(values_));
        require_readable(backend_.elements(as_matrix(values_), tokens));
        return tokens;
    }

    /// The most probable tokens of one row, best first; the smaller number first among equals.
    /// throws bad_input if there is no such row, or the count is negative
    std::vector<token> top(integer of, integer most) const {
        auto const row = of.below(rows(), "row");
        auto const vocab = values_.shape()[1];
        if (most.value() < 0)
            throw bad_input({"the ", most.value(), " most probable tokens were asked for; ask for 1 or more"});
        std::vector<typename Backend::value_type> all(vocab);
        Backend::memory_type::to_host(all.data(), values_.data() + row * vocab, vocab * sizeof(all[0]));
        auto const largest = largest_column(all.data(), vocab);
        if (!std::isfinite(all[largest]))
            detail::refuse_logits(row);
        std::vector<token> tokens(vocab);
        std::iota(tokens.begin(), tokens.end(), token{0});
        auto const count = std::min(static_cast<std::size_t>(most.value()), vocab);
        std::partial_sort(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(count), tokens.end(),
                          [&](token a, token b) {
                              auto const x = all[static_cast<std::size_t>(a)], y = all[static_cast<std::size_t>(b)];
                              return x > y || (x == y && a < b);
                          });
        tokens.resize(count);
        return tokens;
    }

    /// Each row's logit of one token. throws bad_input unless there is one token of the vocabulary per row
    std::vector<double> of(std::vector<token> const& tokens) const {
        require_one_per_row(tokens);
        auto const read = backend_.elements(as_matrix(values_), tokens);
        for (std::size_t r = 0; r < read.size(); ++r)
            if (!(read[r] < std::numeric_limits<double>::infinity()))
                detail::refuse_logits(r);
        return read;
    }

    /// Each row's logarithm of the sum of exponentials, which softmax divides by.
    std::vector<double> log_sum_exp() const {
        auto sums = backend_.log_sum_exp(as_matrix(values_));
        require_readable(sums);
        return sums;
    }

    /// Each row's softmax probability of one token. throws as `of`
    std::vector<double> probability(std::vector<token> const& tokens) const {
        auto p = of(tokens);
        auto const log_sums = log_sum_exp();
        for (std::size_t r = 0; r < p.size(); ++r)
            p[r] = std::exp(p[r] - log_sums[r]);
        return p;
    }

    /// throws bad_input unless there is one token of the vocabulary per row
    void require_one_per_row(std::vector<token> const& tokens) const {
        if (tokens.size() != rows())
            throw bad_input(
                {tokens.size(), " tokens were given for the logits of ", rows(), " rows; each row needs one"});
        for (auto t : tokens)
            if (t < 0 || static_cast<std::size_t>(t) >= values_.shape()[1])
                throw bad_input({"token ", t, " is not in the vocabulary of ", values_.shape()[1]});
    }

private:
    /// numbers: one for each row, finite if the row's logits can be read
    static void require_readable(std::vector<double> const& numbers) {
        for (std::size_t r = 0; r < numbers.size(); ++r)
            if (!std::isfinite(numbers[r]))
                detail::refuse_logits(r);
    }

    Backend backend_;
    table values_;
};

/// Share of rows whose most probable token over the whole vocabulary is the answer.
/// throws bad_input if there are no rows, or unless each row has one answer in the vocabulary
template <class Backend>
double accuracy(logit_rows<Backend> const& rows, std::vector<token> const& answers) {
    if (rows.rows() == 0)
        throw bad_input("accuracy needs the logits of at least one row, but there are none");
    rows.require_one_per_row(answers);
    auto const top = rows.top();
    std::size_t right = 0;
    for (std::size_t r = 0; r < top.size(); ++r)
        right += top[r] == answers[r];
    return static_cast<double>(right) / static_cast<double>(top.size());
}

} // namespace engraft
