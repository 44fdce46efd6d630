#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <vector>

#include <engraft/backend/backend.hpp>
#include <engraft/backend/largest.hpp>
#include <engraft/core/error.hpp>
#include <engraft/intervene/hooks.hpp>
#include <engraft/run/divergence.hpp>
#include <engraft/run/metric.hpp>
#include <engraft/run/unembed.hpp>
#include <engraft/run/workspace.hpp>

namespace engraft::detail {

/// A metric's value, unless it is NaN, which it is where logits can't be read. where: "in the clean run", for the
/// message. throws bad_input [logits.finite]
[[gnu::always_inline]] inline double require_reading(metric const& m, double value, std::size_t example,
                                                     auto const& where) {
    if (std::isnan(value)) [[unlikely]]
        throw bad_input(
            {"engraft [logits.finite]: the metric ", m.name, " of example ", example, ' ', where(),
             " is not a number: ",
             m.of == metric::kind::functor            ? "its function gave NaN, or "
             : m.of == metric::kind::logit_difference ? "both of its logits are -infinity, or "
                                                      : "",
             "the logits hold NaN or +infinity, or are all -infinity where they are read; look for a policy, "
             "a functor or weights that produce such numbers"});
    return value;
}

/// Metrics of rows of final activations, in tiles of rows whose logits exist for a moment only.
template <description const& D, class B>
class metric_reader {
public:
    using T = typename B::value_type;
    using memory = typename B::memory_type;
    static constexpr std::size_t tile = 512;
    using use_value = std::function<void(std::size_t metric, std::size_t row, double value)>;

    metric_reader(B const& backend, weights<D, B> const& w, std::vector<metric> const& metrics, std::size_t examples)
        : b_(backend), w_(w), metrics_(metrics) {
        if (metrics.empty())
            throw bad_input("engraft [sweep.metric]: a sweep without a metric reads nothing; give one, such as "
                            "probability(answers)");
        for (auto const& m : metrics) {
            if (std::count_if(metrics.begin(), metrics.end(), [&](metric const& o) { return o.name == m.name; }) > 1)
                throw bad_input(
                    {"engraft [sweep.metric]: two metrics are called ", m.name, "; give one of them another name"});
            if (m.of == metric::kind::functor && !m.f)
                throw bad_input({"engraft [sweep.metric]: ", m.name, " has no function to call"});
            for (auto const* tokens : {&m.tokens, &m.others}) {
                bool const used = tokens == &m.tokens
                                      ? m.of != metric::kind::kl_to_clean && m.of != metric::kind::functor
                                      : m.of == metric::kind::logit_difference;
                if (used && tokens->size() != examples)
                    throw bad_input({"engraft [sweep.metric]: ", m.name, " got ", tokens->size(), " tokens for ",
                                     examples, " examples; each example needs one"});
                for (auto t : *tokens)
                    if (t < 0 || t >= output_vocab(D))
                        throw bad_input(
                            {"engraft [sweep.metric]: token ", t, " is not in the vocabulary of ", output_vocab(D)});
            }
        }
    }

    /// Single logits are read, and can be had without the others.
    bool few() const {
        return computes_entries<B> &&
               std::all_of(metrics_.begin(), metrics_.end(), [](metric const& m) { return m.few(); });
    }
    /// edited: a policy writes to the logits, so that all of them must be there.
    double flops_per_row(bool edited) const {
        double entries = output_vocab(D);
        if (few() && !edited) {
            entries = 0;
            for (auto const& m : metrics_)
                entries += m.of == metric::kind::logit_difference ? 2 : 1;
        }
        return 2.0 * D.d_model * entries;
    }

    /// hooks: policies that may touch the logits, or null. use(metric, row, value) for every row; example_of[row] is
    /// its example. A value is NaN where the logits hold NaN or +infinity, or are all -infinity; see require_reading.
    void read(matrix<T> rows, std::vector<std::size_t> const& example_of, matrix<T const> clean_rows, hooks<B>* hooks,
              use_value const& use);

    double flops() const { return flops_; }

    /// Elements of the logits that exist at one time for so many rows.
    double elements(double rows, bool edited) const {
        return few() && !edited ? 0 : (edited ? rows : std::min(rows, static_cast<double>(tile))) * output_vocab(D);
    }

private:
    static constexpr double unread = std::numeric_limits<double>::quiet_NaN();

    void to_logits(matrix<T> out, matrix<T const> in) {
        unembed(b_, w_, out, in);
        flops_ += 2.0 * static_cast<double>(in.rows) * D.d_model * output_vocab(D);
    }

    static std::vector<token> tokens_of(std::vector<token> const& of_examples,
                                        std::vector<std::size_t> const& examples) {
        std::vector<token> tokens;
        for (auto e : examples)
            tokens.push_back(of_examples[e]);
        return tokens;
    }

    void read_few(matrix<T> rows, std::vector<std::size_t> const& example_of, use_value const& use) {
        for (std::size_t m = 0; m < metrics_.size(); ++m) {
            auto const values = entries(metrics_[m], example_of, [&](std::vector<token> const& tokens) {
                flops_ += 2.0 * static_cast<double>(rows.rows) * D.d_model;
                return unembed_entries(b_, w_, rows, tokens);
            });
            for (std::size_t r = 0; r < values.size(); ++r)
                use(m, r, values[r]);
        }
    }

    /// A metric's logit of each row, or its difference of two. logits(tokens) are those of one token per row.
    static std::vector<double> entries(metric const& m, std::vector<std::size_t> const& examples, auto const& logits) {
        auto const read = [&](std::vector<token> const& of_examples) {
            auto found = logits(tokens_of(of_examples, examples));
            for (double& x : found)
                if (x == std::numeric_limits<double>::infinity())
                    x = std::numeric_limits<double>::quiet_NaN();
            return found;
        };
        auto values = read(m.tokens);
        if (m.of == metric::kind::logit_difference) {
            auto const others = read(m.others);
            for (std::size_t r = 0; r < values.size(); ++r)
                values[r] -= others[r];
        }
        return values;
    }

    std::vector<double> evaluate(metric const& m, matrix<T> logits, std::vector<std::size_t> const& examples,
                                 matrix<T const> clean_rows) {
        using kind = metric::kind;
        std::vector<double> values(logits.rows);
        switch (m.of) {
        case kind::accuracy: {
            auto const top = b_.argmax(logits);
            values = b_.elements(logits, top);
            for (std::size_t r = 0; r < values.size(); ++r)
                values[r] = std::isfinite(values[r]) ? top[r] == m.tokens[examples[r]] : unread;
            break;
        }
        case kind::functor:
            for (std::size_t r = 0; r < values.size(); ++r) {
                auto const row = to_host(logits.row_range(r, 1));
                values[r] = std::isfinite(row[largest_column(row.data(), row.size())])
                                ? m.f(std::vector<double>(row.begin(), row.end()), examples[r])
                                : unread;
            }
            break;
        case kind::kl_to_clean:
            for (std::size_t r = 0; r < values.size(); ++r)
                values[r] = kl_divergence(clean_distribution(clean_rows, examples[r]),
                                          log_softmax(to_host(logits.row_range(r, 1))));
            break;
        case kind::logit:
        case kind::logit_difference:
        case kind::probability:
        case kind::log_probability:
            values =
                entries(m, examples, [&](std::vector<token> const& tokens) { return b_.elements(logits, tokens); });
            if (!m.few()) {
                auto const log_sums = b_.log_sum_exp(logits);
                for (std::size_t r = 0; r < values.size(); ++r)
                    values[r] = m.of == kind::probability ? std::exp(values[r] - log_sums[r]) : values[r] - log_sums[r];
            }
        }
        return values;
    }

    static std::vector<T> to_host(matrix<T const> row) {
        std::vector<T> elements(row.columns);
        memory::to_host(elements.data(), row.data, elements.size() * sizeof(T));
        return elements;
    }

    /// log(softmax) of the clean run's logits of an example; made once.
    std::vector<double> const& clean_distribution(matrix<T const> clean_rows, std::size_t example) {
        if (clean_.empty())
            clean_.resize(clean_rows.rows);
        auto& found = clean_[example];
        if (found.empty()) {
            auto const row = clean_space_.shaped(1, output_vocab(D));
            unembed(b_, w_, row, clean_rows.row_range(example, 1));
            found = log_softmax(to_host(row));
        }
        return found;
    }

    B const& b_;
    weights<D, B> const& w_;
    std::vector<metric> const& metrics_;
    workspace<T, memory> logits_, clean_space_;
    std::vector<std::vector<double>> clean_;
    double flops_ = 0;
};

// Not inline, so that a library can have them.

template <description const& D, class B>
void metric_reader<D, B>::read(matrix<T> rows, std::vector<std::size_t> const& example_of, matrix<T const> clean_rows,
                               hooks<B>* hooks, use_value const& use) {
    bool const touched = hooks && hooks->touched(site_index<sites::logits>);
    if constexpr (computes_entries<B>)
        if (few() && !touched)
            return read_few(rows, example_of, use);
    for (std::size_t first = 0; first < rows.rows; first += touched ? rows.rows : tile) {
        auto const count = touched ? rows.rows : std::min(tile, rows.rows - first);
        auto const logits = logits_.shaped(count, output_vocab(D));
        to_logits(logits, rows.row_range(first, count));
        if (touched)
            hooks->apply(site_index<sites::logits>, 0, logits.data, logits.rows * logits.columns);
        std::vector<std::size_t> const examples(example_of.begin() + static_cast<std::ptrdiff_t>(first),
                                                example_of.begin() + static_cast<std::ptrdiff_t>(first + count));
        for (std::size_t m = 0; m < metrics_.size(); ++m) {
            auto const values = evaluate(metrics_[m], logits, examples, clean_rows);
            for (std::size_t r = 0; r < count; ++r)
                use(m, first + r, values[r]);
        }
    }
}

} // namespace engraft::detail
