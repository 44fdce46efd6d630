#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <engraft/intervene/hooks.hpp>
#include <engraft/run/chunk_tables.hpp>
#include <engraft/run/clean_tables.hpp>
#include <engraft/run/row_steps.hpp>

namespace engraft::detail {

/// Computes the rows of a chunk beside a clean run: layer by layer it takes the block's steps, each for the rows that
/// what it writes has.
template <description const& D, backend B>
class engine : private row_steps<D, B, engine<D, B>> {
    using row_steps_type = row_steps<D, B, engine<D, B>>;
    friend row_steps_type;

public:
    using T = typename B::value_type;
    using memory = typename B::memory_type;
    using table = workspace<T, memory>;

    engine(B const& backend, weights<D, B> const& w, clean_tables<D, B> const& clean, extra_tables const& extra)
        : row_steps_type(backend), w_(w), clean_(clean), rows_(clean.rows()), sizes_(D, extra),
          shapes_(clean.tokens()) {
        if constexpr (D.position == position::rope)
            angles_ = rotary_angles<D, B>(rows_.longest());
    }

    /// The final norm's output at the rows that are read, [last rows, d_model]; valid until the next call.
    matrix<T> run(chunk_rows const& chunk, hooks<B>& hooks);

    flop_count const& counted() const { return counted_; }

private:
    using typename row_steps_type::block_type;

    /// A site's activation in the layer: some rows, and which these are.
    struct part_of_rows {
        matrix<T> elements{};
        row_list const* rows = nullptr;
    };
    template <site S>
    part_of_rows& current() {
        return now_[static_cast<std::size_t>(site_index<typename S::home>)];
    }
    template <site S>
    matrix<T> now() {
        return current<S>().elements;
    }
    template <site S>
    void set(matrix<T> elements, row_list const& rows) {
        current<S>() = {elements, &rows};
    }
    row_list const& rows(site_rows set) const { return (*layer_)[set]; }
    template <site S>
    row_list const& rows_of() const {
        return rows(S::rows);
    }

    void block(int layer) {
        layer_ = &chunk_->layers[static_cast<std::size_t>(layer)];
        gathered_ = {};
        incoming(layer);
        at<sites::resid_pre>(layer);
        row_steps_type::take_each(layer, w_.blocks[static_cast<std::size_t>(layer)]);
    }

    using row_steps_type::take;

    template <site Queries, site Keys>
    void take(steps::attend<Queries, Keys>, int layer, block_type const&) {
        make<sites::z>(site_rows::z);
        if (rows(site_rows::z).size() > 0)
            attend<Queries, Keys>(layer);
        at<sites::z>(layer);
    }
    template <site S>
    void take(steps::complete<S>, int layer, block_type const&) {
        auto const& all = rows_of<S>();
        if (auto const made = current<S>(); !same_rows(all, *made.rows)) {
            constexpr auto space = std::is_same_v<S, sites::attn_out> ? chunk_table::attn_out : chunk_table::mlp_out;
            auto const out = t_[space].shaped(all.size(), D.d_model);
            fill(out, all, made.elements, *made.rows, clean_.template of<S>(layer));
            set<S>(out, all);
        }
        at<S>(layer);
    }
    /// The stream as it enters a layer: carried on, or the clean run's.
    void incoming(int layer) {
        auto const before = current<sites::resid_pre>();
        row_pairs on, joined;
        row_list::finder find(*before.rows);
        for (std::size_t i = 0; i < layer_->rows.size(); ++i) {
            auto const& r = layer_->rows[i];
            if (has(r.todo, work::carried) || layer == 0)
                on.add(i, find(r.owner, r.position));
            else
                joined.add(i, clean_row(r.owner, r.position));
        }
        auto const& all = rows(site_rows::stream);
        if (joined.to.empty() && on.to.size() == before.rows->size())
            return set<sites::resid_pre>(before.elements, all);
        auto const x = stream_beside(before.elements).shaped(all.size(), D.d_model);
        copy(x, before.elements, on);
        copy(x, clean_.template of<sites::resid_pre>(layer), joined);
        set<sites::resid_pre>(x, all);
    }

    /// The stream before the first block, of its rows; only embeddings that a policy touches are made again.
    matrix<T> first_stream() {
        auto const& list = chunk_->layers[0][site_rows::stream];
        auto const out = t_[chunk_table::stream_too].shaped(list.size(), D.d_model);
        row_pairs p;
        for (std::size_t i = 0; i < list.size(); ++i)
            p.add(i, clean_row(list.owner(i), list.position(i)));
        if (!hooks_->touched(site_index<sites::embed>) && !hooks_->touched(site_index<sites::pos_embed>)) {
            copy(out, clean_.template of<sites::resid_pre>(0), p);
            return out;
        }
        if (list.size() == 0)
            return out;
        std::vector<std::int32_t> tokens, positions;
        for (std::size_t i = 0; i < list.size(); ++i) {
            tokens.push_back(clean_.tokens()[static_cast<std::size_t>(p.from[i])]);
            positions.push_back(static_cast<std::int32_t>(list.position(i)));
        }
        w_.embed(b_, out, upload<memory>(tokens));
        if constexpr (D.scaled_embedding)
            b_.scale(out, std::sqrt(static_cast<double>(D.d_model)));
        at<sites::embed>(0, out);
        if constexpr (D.position == position::learned) {
            auto const positional = t_[chunk_table::stream].shaped(list.size(), D.d_model);
            b_.gather_rows(positional, as_matrix(w_.position_embedding), upload<memory>(positions));
            at<sites::pos_embed>(0, positional);
            b_.add(out, positional);
        }
        return out;
    }

    /// z of the rows that attend, beside the clean run's keys and values, and of those that have the clean run's.
    template <site Queries, site Keys>
    void attend(int layer) {
        auto const shape = shapes_.of(layer);
        auto const& keys = rows(site_rows::keys);
        std::vector<attention_row> queried;
        std::vector<std::uint32_t> own;
        for (std::size_t i = 0; i < keys.size(); ++i)
            own.push_back(keys.position(i));
        row_pairs kept;
        std::size_t first = 0, end = 0; // the owner's rows among the keys
        std::size_t row = 0;
        row_list::finder find_query(rows(site_rows::query));
        for (auto const& r : layer_->rows) {
            if (!takes_part(r.todo, site_rows::z))
                continue;
            if (has(r.todo, work::attention)) {
                while (first < own.size() && keys.owner(first) < r.owner)
                    ++first;
                end = std::max(end, first);
                while (end < own.size() && keys.owner(end) == r.owner)
                    ++end;
                queried.push_back({.query = static_cast<std::uint32_t>(find_query(r.owner, r.position)),
                                   .out = static_cast<std::uint32_t>(row),
                                   .example = static_cast<std::uint32_t>(chunk_->cases[r.owner].example),
                                   .position = r.position,
                                   .own_first = static_cast<std::uint32_t>(first),
                                   .own_count = static_cast<std::uint32_t>(end - first)});
                auto const length = rows_.length(chunk_->cases[r.owner].example);
                counted_.attention +=
                    4.0 * D.heads * D.d_head * static_cast<double>(shape.count_visible(r.position, length));
            } else {
                kept.add(row, clean_row(r.owner, r.position));
            }
            ++row;
        }
        auto const z = now<sites::z>();
        if (!kept.to.empty())
            copy(z, clean_.template of<sites::z>(layer), kept);
        if (queried.empty())
            return;
        auto const list = upload<memory>(queried);
        auto const positions = upload<memory>(own);
        matrix<T const> const clean_keys = clean_.template of<Keys>(layer),
                              clean_values = clean_.template of<sites::v>(layer);
        matrix<T const> const q = now<Queries>(), k = now<Keys>(), v = now<sites::v>();
        if (!hooks_->touched(site_index<sites::scores>) && !hooks_->touched(site_index<sites::pattern>))
            return b_.attention_rows(z, q, list, clean_keys, clean_values, k, v, positions, shape, rows_);
        auto const space = t_[chunk_table::lines].shaped(queried.size(), D.heads * rows_.longest());
        matrix<T> const lines{space.data, queried.size() * D.heads, rows_.longest(), rows_.longest()};
        b_.score_rows(lines, q, list, clean_keys, k, positions, shape, rows_);
        at<sites::scores>(layer, lines);
        b_.softmax_rows(lines);
        at<sites::pattern>(layer, lines);
        b_.mix_rows(z, lines, list, clean_values, v, positions, shape, rows_);
    }

    /// Contributions of single heads, of the rows where a policy touches them: see `forward_pass`.
    template <site From, site To>
    void results(int layer, typename B::linear_map const& map) {
        auto const& touched = rows(site_rows::results);
        if (touched.size() == 0 || !hooks_->touched(site_index<sites::result>))
            return;
        auto const all = current<To>();
        auto const in = part_of(current<From>(), touched, t_[chunk_table::gathered]);
        auto const sum = part_of(all, touched, t_[chunk_table::mlp_out]);
        auto const each = t_[chunk_table::results].shaped(in.rows, D.heads * D.d_model);
        b_.head_results(each, in, map, D.heads);
        counted_.linear += 2.0 * static_cast<double>(in.rows) * D.heads * D.d_head * D.d_model;
        auto const before = t_[chunk_table::before].shaped(in.rows, D.heads * D.d_model);
        b_.copy(before.data, each.data, each.rows * each.columns);
        at<sites::result>(layer, each);
        b_.add_difference(sum, each, before, D.heads);
        if (sum.data == all.elements.data)
            return;
        auto const taken = places_in(*all.rows, touched);
        copy(all.elements, sum, {taken.from, taken.to}); // back to where they were
    }

    matrix<T> final() {
        auto const stream = current<sites::resid_post>();
        auto const& last = chunk_->last;
        auto const out = t_[chunk_table::last].shaped(last.size(), D.d_model);
        auto const normalized = t_[chunk_table::normalized].shaped(stream.elements.rows, D.d_model);
        normalize<D>(b_, normalized, stream.elements, w_.final_norm);
        fill(out, last, normalized, *stream.rows, clean_.final_normalized());
        at<sites::final_normalized>(0, out);
        return out;
    }

    /// The table of a site: of what is summed up there, before it is complete, another one.
    template <site S>
    static constexpr chunk_table table_of() {
        using enum chunk_table;
        constexpr std::pair<int, chunk_table> tables[] = {{site_index<sites::normalized1>, normalized},
                                                          {site_index<sites::q>, q},
                                                          {site_index<sites::k>, k},
                                                          {site_index<sites::v>, v},
                                                          {site_index<sites::z>, z},
                                                          {site_index<sites::mlp_gate>, gate},
                                                          {site_index<sites::mlp_pre>, up},
                                                          {site_index<sites::attn_out>, attn_sum},
                                                          {site_index<sites::mlp_out>, mlp_sum},
                                                          {site_index<sites::router_logits>, router},
                                                          {site_index<sites::expert_weights>, expert_weights},
                                                          {site_index<sites::expert_out>, expert_out}};
        for (auto const& [site, table] : tables)
            if (site == site_index<typename S::home>)
                return table;
        return stream;
    }
    template <site S>
    matrix<T> make(site_rows set_of) {
        auto const& list = rows(set_of);
        if constexpr (S::kind == site_kind::stream) {
            auto const before = current<S>();
            set<S>(part_of(before, list, stream_beside(before.elements)), list);
        } else {
            set<S>(t_[table_of<S>()].shaped(list.size(), site_columns<D, S>), list);
        }
        if constexpr (S::kind == site_kind::normalized)
            gathered_ = {}; // what was gathered is in the rows that it is made of
        return now<S>();
    }
    /// Of an activation to read. Steps that read the same rows one after the other share them.
    template <site From>
    matrix<T> part(site_rows set_of) {
        auto const& list = rows(set_of);
        if (gathered_.rows != &list)
            gathered_ = {part_of(current<From>(), list, t_[chunk_table::gathered]), &list};
        return gathered_.elements;
    }
    template <site S>
    void rotate(int layer) {
        auto const& of = current<S>();
        if (of.elements.rows == 0)
            return;
        std::vector<std::uint32_t> positions;
        for (std::size_t i = 0; i < of.rows->size(); ++i)
            positions.push_back(of.rows->position(i));
        b_.rotate(of.elements, site_heads<D, S>, angles_.of(layer), upload<memory>(positions));
    }
    template <site S>
    static void keep() {}
    static bool keeps() { return false; }
    template <site S>
    static bool skips() {
        return false;
    }

    void linear(matrix<T> out, matrix<T> in, typename B::linear_map const& map) {
        if (in.rows == 0)
            return;
        b_.linear(out, in, map);
        counted_.linear +=
            2.0 * static_cast<double>(in.rows) * static_cast<double>(in.columns) * static_cast<double>(out.columns);
    }

    std::size_t clean_row(std::uint32_t owner, std::uint32_t position) const {
        return rows_.begin(chunk_->cases[owner].example) + position;
    }

    void copy(matrix<T> out, matrix<T const> in, row_pairs const& which) const {
        if (!which.to.empty())
            b_.copy_rows(out, upload<memory>(which.to), in, upload<memory>(which.from));
    }

    /// Some rows of an activation: itself where these are all.
    matrix<T> part_of(part_of_rows const& all, row_list const& part, table& space) {
        if (all.rows->size() == part.size())
            return all.elements;
        auto const out = space.shaped(part.size(), all.elements.columns);
        copy(out, all.elements, places_in(*all.rows, part));
        return out;
    }
    /// Fills `out`, whose rows are those of `all`, from the computed rows of `in` and, where there is none, from the
    /// clean run's.
    void fill(matrix<T> out, row_list const& all, matrix<T const> in, row_list const& computed,
              matrix<T const> clean_rows) const {
        row_pairs made, kept;
        row_list::finder find(computed);
        for (std::size_t i = 0; i < all.size(); ++i)
            if (auto const from = find(all.owner(i), all.position(i)); from != row_list::missing)
                made.add(i, from);
            else
                kept.add(i, clean_row(all.owner(i), all.position(i)));
        copy(out, in, made);
        copy(out, clean_rows, kept);
    }

    static bool same_rows(row_list const& a, row_list const& b) {
        if (a.size() != b.size())
            return false;
        for (std::size_t i = 0; i < a.size(); ++i)
            if (a.owner(i) != b.owner(i) || a.position(i) != b.position(i))
                return false;
        return true;
    }

    /// The one of the two stream tables that a stream is not in.
    table& stream_beside(matrix<T> stream) {
        return t_[t_[chunk_table::stream].holds(stream.data) ? chunk_table::stream_too : chunk_table::stream];
    }

    template <site S>
    void at(int layer, matrix<T> activation) {
        if (activation.rows > 0)
            hooks_->apply(site_index<S>, layer, activation.data, activation.rows * activation.columns);
    }
    template <site S>
    void at(int layer) {
        at<S>(layer, now<S>());
    }

    using row_steps_type::b_;
    weights<D, B> const& w_;
    clean_tables<D, B> const& clean_;
    ragged const& rows_;
    table_sizes sizes_;
    chunk_rows const* chunk_ = nullptr;
    chunk_rows::layer const* layer_ = nullptr;
    hooks<B>* hooks_ = nullptr;
    std::array<part_of_rows, static_cast<std::size_t>(known_sites::size)> now_;
    part_of_rows gathered_; ///< what the last step has read
    rotary_angles<D, B> angles_;
    attention_shapes<D> shapes_;
    flop_count counted_;
    engine_tables<T, memory> t_;
};

// Not inline, so that a library can have them.

template <description const& D, backend B>
auto engine<D, B>::run(chunk_rows const& chunk, hooks<B>& hooks) -> matrix<T> {
    if constexpr (computes<B>) {
        chunk_ = &chunk;
        hooks_ = &hooks;
        t_.expect(chunk, sizes_);
        set<sites::resid_pre>(first_stream(), chunk.layers[0][site_rows::stream]);
        for (int l = 0; l < D.layers; ++l)
            block(l);
        return final();
    } else {
        return {};
    }
}

} // namespace engraft::detail
