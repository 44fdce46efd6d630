#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <engraft/core/linkage.hpp>
#include <engraft/core/token.hpp>

namespace engraft {

/// Which earlier positions a head of some kind attends to: a rule on the tokens alone.
/// keys(seen): positions, for a query at the last of the tokens `seen`; each once, none behind the query
struct head_pattern {
    std::string name;
    std::function<std::vector<std::size_t>(std::span<token const> seen)> keys;
};

/// The kinds of heads that TransformerLens' head_detector knows.
namespace head_patterns {

/// The token before. source Elhage et al. 2021
head_pattern previous_token();

/// The same token, wherever it stood before. source Wang et al. 2023
head_pattern duplicate_token();

/// The token behind the same token, wherever that stood before: what followed it.
/// source Olsson et al. 2022, "In-context learning and induction heads"
head_pattern induction();

/// All of these.
std::vector<head_pattern> all();

} // namespace head_patterns

/// How much of each head's attention goes where a pattern says. Numbers are means over examples.
struct head_scores {
    std::string pattern;
    int layers = 0, heads = 0;
    /// The share of all attention: the detector of TransformerLens with error_measure "mul". shape [layers, heads]
    std::vector<double> of_all;
    /// Attention per query that the pattern has a key for: on repeated random tokens, of `induction`, the prefix
    /// matching score of Olsson et al. 2022. 0 where the pattern has no key for any query. shape [layers, heads]
    std::vector<double> per_query;

    /// throws bad_layer or bad_head for a head that the model does not have
    double of_all_at(int layer, int head) const { return of_all[index(layer, head)]; }
    double per_query_at(int layer, int head) const { return per_query[index(layer, head)]; }

private:
    std::size_t index(int layer, int head) const;
};

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/circuit/source/head_patterns.ipp>
#endif
