#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <numeric>
#include <span>
#include <vector>

#include <engraft/circuit/head_patterns.hpp>
#include <engraft/circuit/part_of_batch.hpp>
#include <engraft/core/error.hpp>
#include <engraft/intervene/tap.hpp>
#include <engraft/run/model.hpp>

namespace engraft {

struct detect_options {
    bool exclude_first = false; ///< leaves out what goes to the first token, where heads rest
    bool exclude_self = false;  ///< leaves out what goes from a token to itself
    /// Memory for attention patterns, in bytes: prompts, and the queries of one that is too long, are taken in parts
    /// that fit. It changes no result.
    double memory = 1e9;
    /// Called with the share of the work that is done, from 0 to 1.
    std::function<void(double)> progress{};
};

namespace detail {

/// Attention by example, layer and head, as it passes.
class pattern_sums {
public:
    pattern_sums(batch const& tokens, std::vector<head_pattern> const& patterns, detect_options const& options,
                 std::size_t layers, std::size_t heads)
        : tokens_(tokens), patterns_(patterns), options_(options), heads_(heads), size_(layers * heads),
          all_(tokens.examples() * size_), on_(patterns.size() * all_.size()),
          queries_(patterns.size() * tokens.examples()), keys_(patterns.size()) {}

    /// One head's attention from one query. row: [keys]
    template <class T>
    void add(activation_row<T> row, row_place const& at) {
        find_keys(at);
        auto const i = at.example * size_ + static_cast<std::size_t>(at.layer) * heads_ + at.head;
        for (std::size_t key = 0; key <= at.position; ++key)
            if (counts(key, at.position))
                all_[i] += static_cast<double>(row[key]);
        for (std::size_t p = 0; p < patterns_.size(); ++p)
            for (auto const key : keys_[p])
                on_[p * all_.size() + i] += static_cast<double>(row[key]);
    }

    /// Adds the means over these examples, times their share of all examples.
    void add_to(std::vector<head_scores>& scores_of, std::vector<std::size_t>& with_queries, double examples) const {
        for (std::size_t p = 0; p < patterns_.size(); ++p)
            for (std::size_t e = 0; e < tokens_.examples(); ++e) {
                auto const queries = queries_[p * tokens_.examples() + e];
                with_queries[p] += queries > 0;
                for (std::size_t i = 0; i < size_; ++i) {
                    double const on = on_[p * all_.size() + e * size_ + i], all = all_[e * size_ + i];
                    if (all > 0)
                        scores_of[p].of_all[i] += on / all / examples;
                    if (queries > 0)
                        scores_of[p].per_query[i] += on / static_cast<double>(queries);
                }
            }
    }

private:
    bool counts(std::size_t key, std::size_t query) const {
        return !(options_.exclude_first && key == 0) && !(options_.exclude_self && key == query);
    }

    /// The patterns' keys for this query: made once for all heads, which come one after the other.
    void find_keys(row_place const& at) {
        bool const first_of_query = at.layer == 0 && at.head == 0;
        if (at.example == example_ && at.position == position_ && !first_of_query)
            return;
        example_ = at.example, position_ = at.position;
        auto const begin = tokens_.tokens().data() + tokens_.rows().begin(example_);
        for (std::size_t p = 0; p < patterns_.size(); ++p) {
            keys_[p] = patterns_[p].keys(std::span(begin, position_ + 1));
            for (auto const key : keys_[p])
                if (key > position_)
                    throw bad_input({"the pattern ", patterns_[p].name, " gave position ", key, " for a query at ",
                                     position_, ", which sees no such position"});
            std::erase_if(keys_[p], [&](std::size_t key) { return !counts(key, position_); });
            if (first_of_query)
                queries_[p * tokens_.examples() + example_] += !keys_[p].empty();
        }
    }

    batch const& tokens_;
    std::vector<head_pattern> const& patterns_;
    detect_options const& options_;
    std::size_t heads_, size_;
    std::vector<double> all_, on_;     ///< [example, layer, head]; [pattern, example, layer, head]
    std::vector<std::size_t> queries_; ///< that have a key: [pattern, example]
    std::vector<std::vector<std::size_t>> keys_;
    std::size_t example_ = static_cast<std::size_t>(-1), position_ = 0;
};

} // namespace detail

/// Scores every head by how much of its attention goes where each pattern says, in the order of the patterns. Attention
/// is looked at as it passes and never kept: memory is that of the patterns of one layer of a part of the prompts.
///
///     auto const found = detect_heads(model, tokens, head_patterns::all());
///     found[2].per_query_at(5, 1);   // induction, layer 5, head 1
///
/// throws bad_input if no pattern is given, or one has a key behind its query
/// source TransformerLens, head_detector.py; Olsson et al. 2022
template <description const& D, class B>
std::vector<head_scores> detect_heads(model<D, B> const& m, batch const& tokens,
                                      std::vector<head_pattern> const& patterns, detect_options const& options = {}) {
    if (patterns.empty())
        throw bad_input("there is no pattern to look for; give some, such as head_patterns::all()");
    if (!(options.memory > 0))
        throw bad_input("detect_options::memory is not above 0; give a number of bytes");
    std::vector<head_scores> found;
    for (auto const& p : patterns)
        found.push_back({p.name, D.layers, D.heads, std::vector<double>(D.layers * D.heads),
                         std::vector<double>(D.layers * D.heads)});
    std::vector<std::size_t> with_queries(patterns.size());
    auto const longest = tokens.rows().longest();
    double const line = static_cast<double>(longest) * D.heads * sizeof(typename B::value_type);
    auto const lines = static_cast<std::size_t>(std::clamp(options.memory / line, 1.0, 1e9));
    auto const parts = parts_of_batch(tokens.examples(), std::max<std::size_t>(1, lines / longest));
    for (auto const& part : parts) {
        auto const some = part.of(tokens);
        detail::pattern_sums sums(some, patterns, options, D.layers, D.heads);
        for (std::size_t first = 0; first < some.rows().longest(); first += lines) {
            std::vector<std::vector<long>> queries(some.examples());
            for (std::size_t e = 0; e < some.examples(); ++e)
                for (auto p = first; p < std::min(first + lines, some.rows().length(e)); ++p)
                    queries[e].push_back(static_cast<long>(p));
            m.run(some, tap(sites::pattern{}, at_each(std::move(queries)),
                            [&](auto row, row_place const& at) { sums.add(row, at); }));
        }
        sums.add_to(found, with_queries, static_cast<double>(tokens.examples()));
        if (options.progress)
            options.progress(static_cast<double>(part.first + part.count) / static_cast<double>(tokens.examples()));
    }
    for (std::size_t p = 0; p < patterns.size(); ++p)
        for (double& x : found[p].per_query)
            x = with_queries[p] ? x / static_cast<double>(with_queries[p]) : 0;
    return found;
}

} // namespace engraft
