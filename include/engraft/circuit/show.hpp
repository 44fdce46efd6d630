#pragma once

#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <engraft/circuit/attention_report.hpp>
#include <engraft/circuit/attribution.hpp>
#include <engraft/circuit/head_patterns.hpp>
#include <engraft/circuit/heat_map.hpp>
#include <engraft/core/error.hpp>
#include <engraft/run/sweep_result.hpp>

/// Pictures of results, as pages that need nothing else: write_whole_file("heads.html", html(show(result))).
namespace engraft::pictures {

struct show_options {
    std::string title{};              ///< one is made if it is empty
    std::string metric{};             ///< of a sweep; the first one if it is empty
    bool change = true;               ///< of a sweep: less the clean run's number
    std::vector<std::string> words{}; ///< of a prompt's tokens, for the axis of positions
};

namespace detail {

inline std::vector<std::string> numbers_to(std::size_t count, std::vector<std::string> const& words = {}) {
    std::vector<std::string> labels;
    for (std::size_t i = 0; i < count; ++i)
        labels.push_back(std::to_string(i) + (i < words.size() ? " " + shown_label(words[i]) : ""));
    return labels;
}

inline std::string either(std::string const& title, std::string const& otherwise) {
    return title.empty() ? otherwise : title;
}

} // namespace detail

/// The text of each token, for the axis of positions: words_of(model.tokenizer(), prompts.tokens.sequence(0)).
template <class Tokenizer>
std::vector<std::string> words_of(Tokenizer const& t, std::vector<token> const& tokens) {
    std::vector<std::string> words;
    for (auto const id : tokens)
        words.push_back(t.decode(std::span(&id, 1)));
    return words;
}

/// A sweep over one axis or two, such as layers and heads, or layers and positions: the mean over examples of a metric,
/// less the clean run's unless options.change is false.
/// throws bad_input [picture.axes] for a sweep with more axes, and for a metric that was not asked for
inline picture show(sweep_result const& found, show_options const& options = {}) {
    auto const& axes = found.axes(); // the last is the example
    if (axes.size() < 2 || axes.size() > 3)
        throw bad_input({"engraft [picture.axes]: the sweep has ", axes.size() - 1,
                         " axes; a map has one or two, so take a part of the result"});
    auto const metric = detail::either(options.metric, found.metrics().front());
    auto const& values = found.of(metric);
    auto const& clean = found.clean(metric);
    bool const one = axes.size() == 2;
    heat_map map{.title = metric + (options.change ? ", change from the clean run" : "")};
    map.row_axis = one ? metric : axes[0].name;
    map.column_axis = axes[one ? 0 : 1].name;
    map.rows = one ? std::vector<std::string>{""} : detail::numbers_to(axes[0].size);
    map.columns = detail::numbers_to(axes[one ? 0 : 1].size,
                                     map.column_axis == "position" ? options.words : std::vector<std::string>{});
    auto const examples = clean.size();
    for (std::size_t i = 0; i < values.size(); i += examples) {
        double sum = 0;
        for (std::size_t e = 0; e < examples; ++e)
            sum += values[i + e] - (options.change ? clean[e] : 0);
        map.values.push_back(sum / static_cast<double>(examples));
    }
    return {detail::either(options.title,
                           "Sweep over " + map.column_axis + "s" + (one ? "" : " and " + map.row_axis + "s")),
            "Mean over " + std::to_string(examples) + " examples.",
            {std::move(map)}};
}

/// Where one head after the other of a layer attends in an example: one map of queries and keys for each head.
/// run: with capture(pattern) of that layer; queries that were not captured are left white
/// throws missing_activation if none was, bad_input and its family if there is no such layer or example
template <class Run>
    requires(Run::template holds<sites::pattern>)
picture show(Run const& run, int layer, std::size_t example, show_options const& options = {}) {
    auto const patterns = run[sites::pattern{}];
    run.rows().position(example, 0);
    auto const length = run.rows().length(example);
    auto const labels = detail::numbers_to(length, options.words);
    picture made{detail::either(options.title, "Attention of layer " + std::to_string(layer)),
                 "Rows are queries, columns the keys that they attend to.",
                 {}};
    std::size_t missing = 0;
    for (int head = 0; head < Run::model.heads; ++head) {
        heat_map map{.title = "head " + std::to_string(layer) + "." + std::to_string(head),
                     .row_axis = "query",
                     .column_axis = "key",
                     .rows = labels,
                     .columns = labels};
        for (std::size_t query = 0; query < length; ++query)
            try {
                auto const row = patterns.slice(layer, example, query, head);
                for (std::size_t key = 0; key < length; ++key)
                    map.values.push_back(key > query ? std::numeric_limits<double>::quiet_NaN()
                                                     : static_cast<double>(row[key]));
            } catch (missing_activation const&) {
                if (++missing == length * static_cast<std::size_t>(Run::model.heads))
                    throw;
                map.values.resize(map.values.size() + length, std::numeric_limits<double>::quiet_NaN());
            }
        made.maps.push_back(std::move(map));
    }
    return made;
}

/// Attributions of heads: mean over examples, all positions together.
inline picture show(attributions const& found, show_options const& options = {}) {
    heat_map map{.title = "attribution",
                 .row_axis = "layer",
                 .column_axis = "head",
                 .rows = detail::numbers_to(static_cast<std::size_t>(found.layers)),
                 .columns = detail::numbers_to(static_cast<std::size_t>(found.heads)),
                 .values = found.over_positions()};
    for (double& x : map.values)
        x /= static_cast<double>(found.rows.examples());
    return {detail::either(options.title, "Attributions"),
            "The estimated change of the metric if a head were patched, mean over examples.",
            {std::move(map)}};
}

/// Attributions in one example: layers and positions, all heads together.
/// throws bad_input if there is no such example
inline picture show(attributions const& found, std::size_t example, show_options const& options = {}) {
    found.rows.position(example, 0);
    auto const length = found.rows.length(example);
    heat_map map{.title = "attribution, example " + std::to_string(example),
                 .row_axis = "layer",
                 .column_axis = "position",
                 .rows = detail::numbers_to(static_cast<std::size_t>(found.layers)),
                 .columns = detail::numbers_to(length, options.words)};
    for (int l = 0; l < found.layers; ++l)
        for (std::size_t p = 0; p < length; ++p) {
            double sum = 0;
            for (int h = 0; h < found.heads; ++h)
                sum += found.at(l, example, p, h);
            map.values.push_back(sum);
        }
    return {detail::either(options.title, "Attributions"),
            "The estimated change of the metric if a position were patched.",
            {std::move(map)}};
}

/// Scores of detectors: a map of layers and heads for each pattern, of the attention per query.
inline picture show(std::vector<head_scores> const& found, show_options const& options = {}) {
    picture made{detail::either(options.title, "Heads of known kinds"),
                 "Attention to the pattern's keys, per query that has any.",
                 {}};
    for (auto const& s : found)
        made.maps.push_back({.title = s.pattern,
                             .row_axis = "layer",
                             .column_axis = "head",
                             .rows = detail::numbers_to(static_cast<std::size_t>(s.layers)),
                             .columns = detail::numbers_to(static_cast<std::size_t>(s.heads)),
                             .values = s.per_query});
    return made;
}

/// What the heads of a circuit look at: heads and targets.
inline picture show(attention_report const& found, show_options const& options = {}) {
    heat_map map{.title = "attention from " + found.from,
                 .row_axis = "head",
                 .column_axis = "target",
                 .rows = {},
                 .columns = found.targets,
                 .values = found.means};
    for (auto const& head : found.heads)
        map.rows.push_back(std::to_string(head.layer) + "." + std::to_string(head.head));
    return {detail::either(options.title, "Attention from " + found.from), "Means over examples.", {std::move(map)}};
}

} // namespace engraft::pictures
