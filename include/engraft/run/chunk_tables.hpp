#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include <engraft/run/chunk.hpp>
#include <engraft/run/workspace.hpp>

namespace engraft::detail {

/// The tables that a chunk of cases is computed in, used again by every layer.
enum class chunk_table {
    stream, ///< twice: as it comes into a layer, and as it leaves it
    stream_too,
    gathered, ///< rows that a step reads, where it does not read all
    normalized,
    q,
    k,
    v,
    z,
    attn_sum, ///< what attention's computed rows add to the stream
    attn_out, ///< the same of all rows that leave the layer
    gate,
    up,
    mlp_sum, ///< as of attention
    mlp_out,
    router,
    expert_weights,
    expert_out,
    lines,   ///< of attention, where policies touch them
    results, ///< of single heads, where policies touch them
    before,  ///< the same, as they were
    last,    ///< what is read when the layers are done
    count
};
inline constexpr std::size_t chunk_tables = static_cast<std::size_t>(chunk_table::count);

/// What cases make of a run besides its rows.
struct extra_tables {
    bool lines = false, results = false;
    std::size_t longest = 0; ///< example, which lines are as wide as
};

/// Rows and columns of each table: as many rows as its largest layer needs.
class table_sizes {
public:
    table_sizes(description const& d, extra_tables const& extra) {
        auto const model = static_cast<std::size_t>(d.d_model), heads = static_cast<std::size_t>(d.heads);
        auto const wide = heads * static_cast<std::size_t>(d.d_head);
        auto const narrow = static_cast<std::size_t>(d.kv_heads * d.d_head);
        columns_.fill(model);
        columns(chunk_table::q) = columns(chunk_table::z) = wide;
        columns(chunk_table::k) = columns(chunk_table::v) = narrow;
        columns(chunk_table::up) = static_cast<std::size_t>(d.d_mlp);
        columns(chunk_table::gate) = is_gated(d.mlp) ? static_cast<std::size_t>(d.d_mlp) : 0;
        auto const chosen = static_cast<std::size_t>(d.experts_per_token),
                   of_expert = static_cast<std::size_t>(d.d_expert);
        columns(chunk_table::router) = static_cast<std::size_t>(d.experts);
        columns(chunk_table::expert_weights) = chosen;
        columns(chunk_table::expert_out) = chosen * model;
        by_expert_ = 2 * chosen * (model + of_expert);
        columns(chunk_table::lines) = extra.lines ? heads * extra.longest : 0;
        columns(chunk_table::results) = columns(chunk_table::before) = extra.results ? heads * model : 0;
        gathers_z_ = extra.results ? wide : 0;
    }

    /// ends: the model's last layer, whose stream passes the final norm
    void raise_to(each_row_set<double> const& l, bool ends) {
        using enum chunk_table;
        auto const raise = [&](chunk_table t, double rows) {
            auto& mine = rows_[static_cast<std::size_t>(t)];
            mine = std::max(mine, rows);
        };
        auto const all = l[site_rows::stream], first_norm = l[site_rows::first_norm], keys = l[site_rows::keys];
        auto const query = l[site_rows::query], of_z = l[site_rows::z], onward = l[site_rows::onward];
        auto const neurons = l[site_rows::neurons];
        raise(stream, all);
        raise(stream_too, all);
        raise(normalized, std::max({first_norm, neurons, ends ? onward : 0}));
        raise(q, query);
        raise(k, keys);
        raise(v, keys);
        raise(z, of_z);
        raise(attn_sum, of_z);
        raise(gate, neurons);
        raise(up, neurons);
        raise(mlp_sum, neurons);
        raise(router, neurons);
        raise(expert_weights, neurons);
        raise(expert_out, neurons);
        raise(lines, l[site_rows::attention]);
        raise(results, l[site_rows::results]);
        raise(before, l[site_rows::results]);
        // Where the computed rows are all, nothing is completed, and of all rows nothing is gathered.
        raise(attn_out, onward != of_z ? onward : 0);
        raise(mlp_out, std::max(onward != neurons ? onward : 0, l[site_rows::results]));
        raise(gathered, first_norm != all ? first_norm : 0);
        raise(gathered, std::max(keys != first_norm ? keys : 0, query != first_norm ? query : 0));
        raise(gathered, neurons != onward ? neurons : 0);
        results_rows_ = std::max(results_rows_, l[site_rows::results]);
    }
    void read(double rows) { rows_[static_cast<std::size_t>(chunk_table::last)] = rows; }

    double rows(std::size_t table) const { return rows_[table]; }
    /// Elements of all tables.
    double elements() const {
        double sum = results_rows_ * static_cast<double>(gathers_z_) +
                     rows_[static_cast<std::size_t>(chunk_table::expert_out)] * static_cast<double>(by_expert_);
        for (std::size_t i = 0; i < chunk_tables; ++i)
            sum += rows_[i] * static_cast<double>(columns_[i]);
        return sum;
    }

private:
    std::size_t& columns(chunk_table t) { return columns_[static_cast<std::size_t>(t)]; }

    std::array<double, chunk_tables> rows_{};
    std::array<std::size_t, chunk_tables> columns_{};
    double results_rows_ = 0;
    std::size_t gathers_z_ = 0, by_expert_ = 0; ///< elements of a row
};

/// Rows of every set of every layer of a growing chunk, and what its tables take.
class chunk_size {
public:
    chunk_size(description const& d, extra_tables const& extra)
        : empty_(d, extra), layers_(static_cast<std::size_t>(d.layers)) {}

    void add(case_work const& todo) {
        todo.each([&](std::size_t l, std::size_t, work w) { layers_[l].of(w, [](double& rows) { rows += 1; }); });
        last_ += !todo.empty();
    }

    /// Rows that are read when the layers are done.
    double read() const { return last_; }

    /// Bytes of all tables and of the lists of rows.
    double bytes(std::size_t of_element) const {
        auto sizes = empty_;
        sizes.read(last_);
        double listed = 0;
        for (std::size_t i = 0; i < layers_.size(); ++i) {
            sizes.raise_to(layers_[i], i + 1 == layers_.size());
            listed += layers_[i][site_rows::stream] * double(sizeof(planned_row));
            for (double const rows : layers_[i].sets)
                listed += rows * double(sizeof(std::uint64_t));
        }
        return sizes.elements() * double(of_element) + 2 * listed; // which have grown by doubling
    }

private:
    table_sizes empty_;
    std::vector<each_row_set<double>> layers_;
    double last_ = 0;
};

/// The tables themselves.
template <class T, class Memory>
class engine_tables {
public:
    using table = workspace<T, Memory>;

    table& operator[](chunk_table t) { return tables_[static_cast<std::size_t>(t)]; }

    /// Makes tables grow once in a chunk and not with its layers. Where all together would then take more than any one
    /// chunk needs, what some have too much is given back; chunks that are nearly alike leave the tables as they are.
    void expect(chunk_rows const& chunk, table_sizes most) {
        most_needed_ = std::max(most_needed_, expected_bytes()); // by the last chunk: tables know their columns now
        for (std::size_t l = 0; l < chunk.layers.size(); ++l) {
            each_row_set<double> rows;
            for (std::size_t i = 0; i < row_sets; ++i)
                rows.sets[i] = static_cast<double>(chunk.layers[l].sets[i].size());
            most.raise_to(rows, l + 1 == chunk.layers.size());
        }
        most.read(static_cast<double>(chunk.last.size()));
        for (std::size_t i = 0; i < chunk_tables; ++i)
            tables_[i].expect(static_cast<std::size_t>(most.rows(i)));
        most_needed_ = std::max(most_needed_, expected_bytes());
        std::size_t grown = 0;
        for (auto const& t : tables_)
            grown += std::max(t.bytes(), t.expected_bytes());
        if (grown > most_needed_ + most_needed_ / 32)
            for (auto& t : tables_)
                t.give_back_excess();
    }

    std::size_t bytes() const {
        std::size_t sum = 0;
        for (auto const& t : tables_)
            sum += t.bytes();
        return sum;
    }

private:
    std::size_t expected_bytes() const {
        std::size_t sum = 0;
        for (auto const& t : tables_)
            sum += t.expected_bytes();
        return sum;
    }

    std::array<table, chunk_tables> tables_;
    std::size_t most_needed_ = 0; ///< bytes, by one chunk
};

} // namespace engraft::detail
