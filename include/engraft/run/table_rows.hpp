#pragma once

#include <algorithm>

#include <engraft/run/chunk.hpp>

namespace engraft::detail {

/// Rows of each of the engine's tables, as its largest layer needs them.
struct table_rows {
    double stream = 0, gathered = 0, normalized = 0, query = 0, keys = 0, attention = 0, z = 0, results = 0, attn = 0,
           onward = 0, neurons = 0, made = 0;

    /// last: the model's last layer, whose stream passes the final norm
    void raise_to(each_step<double> const& l, bool last) {
        auto const raise = [](double& mine, double rows) { mine = std::max(mine, rows); };
        raise(stream, l.all);
        raise(normalized, std::max({l.first_norm, l.neurons, last ? l.onward : 0}));
        raise(query, l.query);
        raise(keys, l.keys);
        raise(attention, l.attention);
        raise(z, l.z);
        raise(results, l.results);
        raise(onward, l.onward);
        raise(neurons, l.neurons);
        // A part of a table's rows is gathered in another one; of all of them nothing is.
        raise(gathered, l.first_norm != l.all ? l.first_norm : 0);
        raise(gathered, std::max(l.keys != l.first_norm ? l.keys : 0, l.query != l.first_norm ? l.query : 0));
        raise(gathered, l.neurons != l.onward ? l.neurons : 0);
        raise(made, l.neurons != l.onward ? l.neurons : 0);
        raise(attn, l.onward != l.z ? l.onward : 0);
    }
};

} // namespace engraft::detail
