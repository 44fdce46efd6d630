#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <engraft/run/chunk.hpp>
#include <engraft/run/engine_tables.hpp>
#include <engraft/run/steps.hpp>

namespace engraft::detail {

/// Computes the rows of a chunk beside a clean run, layer by layer, each step for the rows that need it.
/// Clean: a run_output that holds the sites of `sweep_sites`. Hooks: has touched<S>, written<S> and apply(point, view).
template <description const& D, backend B, class Clean, class Hooks>
class engine {
public:
    using T = typename B::value_type;
    using memory = typename B::memory_type;
    using table = workspace<T, memory>;
    using keys_site = std::conditional_t<D.position == position::rope, sites::rot_k, sites::k>;

    engine(B const& backend, weights<D, B> const& w, Clean const& clean)
        : b_(backend), w_(w), clean_(clean), rows_(clean.rows()) {
        if constexpr (D.position == position::rope)
            angles_ = rotary_angles<D, B>(rows_.longest());
    }

    /// The final norm's output at the rows that are read, [last rows, d_model]; valid until the next call.
    matrix<T> run(chunk_rows const& chunk, Hooks& hooks) {
        if constexpr (computes<B>) {
            chunk_ = &chunk;
            hooks_ = &hooks;
            t_.expect(chunk, D.heads);
            matrix<T> stream = first_stream();
            row_list const* carried = &chunk.layers[0].all;
            for (int l = 0; l < D.layers; ++l) {
                stream = block(l, stream, *carried);
                carried = &chunk.layers[static_cast<std::size_t>(l)].onward;
            }
            return final(stream, *carried);
        } else {
            return {};
        }
    }

    flop_count const& counted() const { return counted_; }

private:
    using layer_rows = chunk_rows::layer;

    std::size_t clean_row(std::uint32_t owner, std::uint32_t position) const {
        return rows_.begin(chunk_->cases[owner].example) + position;
    }

    void copy(matrix<T> out, matrix<T const> in, row_pairs const& which) const {
        if (!which.to.empty())
            b_.copy_rows(out, upload<memory>(which.to), in, upload<memory>(which.from));
    }

    /// `in`, whose rows are those of `of`, at the rows of `part`: `in` itself where these are all.
    matrix<T> part_of(matrix<T> in, row_list const& of, row_list const& part, table& space) {
        if (of.size() == part.size())
            return in;
        auto const out = space.shaped(part.size(), in.columns);
        copy(out, in, places_in(of, part));
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

    /// Rows of a clean activation.
    template <site S>
    matrix<T const> clean(S, int layer) const {
        auto const all = clean_[S{}].whole(layer);
        return as_matrix(all);
    }

    template <site S>
    void at(int layer, matrix<T> activation) {
        if constexpr (Hooks::template touched<S>) {
            using shape = typename hook_point<D, S>::shape;
            if (activation.rows > 0) {
                if constexpr (S::kind == site_kind::pattern)
                    hooks_->apply(hook_point<D, S>(layer),
                                  view<T, memory, shape>(activation.data, shape(activation.rows * activation.columns)));
                else
                    hooks_->apply(hook_point<D, S>(layer),
                                  view<T, memory, shape>(activation.data, shape(activation.rows)));
            }
        }
    }

    void linear(matrix<T> out, matrix<T> in, typename B::linear_map const& map) {
        if (in.rows == 0)
            return;
        b_.linear(out, in, map);
        counted_.linear +=
            2.0 * static_cast<double>(in.rows) * static_cast<double>(in.columns) * static_cast<double>(out.columns);
    }

    void rotate(matrix<T> x, std::size_t heads, row_list const& list) const {
        if (x.rows == 0)
            return;
        std::vector<std::uint32_t> positions;
        for (std::size_t i = 0; i < list.size(); ++i)
            positions.push_back(list.position(i));
        b_.rotate(x, heads, as_matrix(std::as_const(angles_)), upload<memory>(positions));
    }

    /// The stream before the first block, of its rows; only embeddings that a policy touches are made again.
    matrix<T> first_stream() {
        auto const& list = chunk_->layers[0].all;
        auto const out = t_.streams[1].shaped(list.size(), D.d_model);
        row_pairs p;
        for (std::size_t i = 0; i < list.size(); ++i)
            p.add(i, clean_row(list.owner(i), list.position(i)));
        if constexpr (Hooks::template touched<sites::embed> || Hooks::template touched<sites::pos_embed>) {
            std::vector<std::int32_t> tokens, positions;
            for (std::size_t i = 0; i < list.size(); ++i) {
                tokens.push_back(clean_.tokens()[static_cast<std::size_t>(p.from[i])]);
                positions.push_back(static_cast<std::int32_t>(list.position(i)));
            }
            if (list.size() > 0) {
                w_.embed(b_, out, upload<memory>(tokens));
                if constexpr (D.scaled_embedding)
                    b_.scale(out, std::sqrt(static_cast<double>(D.d_model)));
                at<sites::embed>(0, out);
                if constexpr (D.position == position::learned) {
                    auto const positional = t_.streams[0].shaped(list.size(), D.d_model);
                    b_.gather_rows(positional, as_matrix(w_.position_embedding), upload<memory>(positions));
                    at<sites::pos_embed>(0, positional);
                    b_.add(out, positional);
                }
            }
        } else {
            copy(out, clean(resid_pre, 0), p);
        }
        return out;
    }

    /// before: the stream behind the previous layer, of the rows in `carried`.
    matrix<T> block(int layer, matrix<T> before, row_list const& carried) {
        auto const& rows = chunk_->layers[static_cast<std::size_t>(layer)];
        auto const& w = w_.blocks[static_cast<std::size_t>(layer)];
        auto const x = incoming(layer, rows, before, carried);
        at<sites::resid_pre>(layer, x);
        auto const attn = attention(layer, rows, w, x);

        // Rows that leave the layer: their stream, with what attention and the MLP add.
        auto const& on = rows.onward;
        auto const stream = part_of(x, rows.all, on, stream_beside(x));
        auto const added = t_.mlp.shaped(on.size(), D.d_model);
        if constexpr (D.residual == residual::sequential) {
            add(stream, attn);
            at<sites::resid_mid>(layer, stream);
        }
        neurons(layer, rows, w, stream, added);
        at<sites::mlp_out>(layer, added);
        if constexpr (D.residual == residual::parallel)
            add(stream, attn);
        add(stream, added);
        at<sites::resid_post>(layer, stream);
        return stream;
    }

    /// The stream as it enters a layer: carried on, or the clean run's.
    matrix<T> incoming(int layer, layer_rows const& rows, matrix<T> before, row_list const& carried) {
        row_pairs on, joined;
        row_list::finder find(carried);
        for (std::size_t i = 0; i < rows.rows.size(); ++i) {
            auto const& r = rows.rows[i];
            if (has(r.todo, work::carried) || layer == 0)
                on.add(i, find(r.owner, r.position));
            else
                joined.add(i, clean_row(r.owner, r.position));
        }
        if (joined.to.empty() && on.to.size() == carried.size())
            return before;
        auto const x = stream_beside(before).shaped(rows.all.size(), D.d_model);
        copy(x, before, on);
        copy(x, clean(resid_pre, layer), joined);
        return x;
    }

    /// The one of the two stream tables that a stream is not in.
    table& stream_beside(matrix<T> stream) { return t_.streams[t_.streams[0].holds(stream.data) ? 1 : 0]; }

    void add(matrix<T> to, matrix<T> from) const {
        if (to.rows > 0)
            b_.add(to, from);
    }

    /// attn_out of the rows that leave the layer.
    matrix<T> attention(int layer, layer_rows const& rows, auto const& w, matrix<T> x) {
        auto const n = part_of(x, rows.all, rows.first_norm, t_.gathered);
        auto const normalized = t_.normalized.shaped(n.rows, D.d_model);
        normalize<D>(b_, normalized, n, w.norm1);
        at<sites::normalized1>(layer, normalized);

        constexpr int wide = D.heads * D.d_head, narrow = D.kv_heads * D.d_head;
        auto const kv = rows.keys.size(), queries = rows.query.size();
        auto const keys = t_.k.shaped(kv, narrow), values = t_.v.shaped(kv, narrow), asked = t_.q.shaped(queries, wide);
        auto const for_keys = part_of(normalized, rows.first_norm, rows.keys, t_.gathered);
        linear(keys, for_keys, w.k);
        at<sites::k>(layer, keys);
        linear(values, for_keys, w.v);
        at<sites::v>(layer, values);
        linear(asked, part_of(normalized, rows.first_norm, rows.query, t_.gathered), w.q);
        at<sites::q>(layer, asked);
        if constexpr (D.qk_norm) {
            normalize_heads<D>(b_, asked, D.heads, w.q_norm);
            normalize_heads<D>(b_, keys, D.kv_heads, w.k_norm);
        }
        if constexpr (D.position == position::rope) {
            rotate(asked, D.heads, rows.query);
            at<sites::rot_q>(layer, asked);
            rotate(keys, D.kv_heads, rows.keys);
            at<sites::rot_k>(layer, keys);
        }

        auto const mixed = t_.z.shaped(rows.z.size(), wide);
        if (rows.z.size() > 0)
            fill_z(layer, rows, asked, keys, values, mixed);
        at<sites::z>(layer, mixed);
        auto const out = t_.out.shaped(rows.z.size(), D.d_model);
        linear(out, mixed, w.o);
        if constexpr (Hooks::template touched<sites::result>)
            results(layer, rows, w, mixed, out);
        if constexpr (D.post_norms)
            normalize<D>(b_, out, out, w.attn_out_norm);

        auto const& on = rows.onward;
        matrix<T> attn = out;
        if (on.size() != rows.z.size() || !same_rows(on, rows.z)) {
            attn = t_.attn.shaped(on.size(), D.d_model);
            fill(attn, on, out, rows.z, clean(attn_out, layer));
        }
        at<sites::attn_out>(layer, attn);
        return attn;
    }

    static bool same_rows(row_list const& a, row_list const& b) {
        for (std::size_t i = 0; i < a.size(); ++i)
            if (a.owner(i) != b.owner(i) || a.position(i) != b.position(i))
                return false;
        return true;
    }

    void fill_z(int layer, layer_rows const& rows, matrix<T> asked, matrix<T> keys, matrix<T> values, matrix<T> mixed) {
        auto const shape = shape_of_attention<D>(layer);
        std::vector<attention_row> queried;
        std::vector<std::uint32_t> own;
        for (std::size_t i = 0; i < rows.keys.size(); ++i)
            own.push_back(rows.keys.position(i));
        row_pairs kept;
        std::size_t first = 0, end = 0; // the owner's rows among the keys
        std::size_t row = 0;
        row_list::finder find_query(rows.query);
        for (auto const& r : rows.rows) {
            if (!has(r.todo, work::attention | work::clean_z))
                continue;
            if (has(r.todo, work::attention)) {
                while (first < own.size() && rows.keys.owner(first) < r.owner)
                    ++first;
                end = std::max(end, first);
                while (end < own.size() && rows.keys.owner(end) == r.owner)
                    ++end;
                queried.push_back({.query = static_cast<std::uint32_t>(find_query(r.owner, r.position)),
                                   .out = static_cast<std::uint32_t>(row),
                                   .example = static_cast<std::uint32_t>(chunk_->cases[r.owner].example),
                                   .position = r.position,
                                   .own_first = static_cast<std::uint32_t>(first),
                                   .own_count = static_cast<std::uint32_t>(end - first)});
                counted_.attention +=
                    flops_of(D, work::attention, r.position + 1 - shape.first_visible(r.position)).attention;
            } else {
                kept.add(row, clean_row(r.owner, r.position));
            }
            ++row;
        }
        if (!kept.to.empty())
            copy(mixed, clean(sites::z{}, layer), kept);
        if (queried.empty())
            return;
        auto const list = upload<memory>(queried);
        auto const positions = upload<memory>(own);
        matrix<T const> const clean_keys = clean(keys_site{}, layer), clean_values = clean(sites::v{}, layer);
        if constexpr (Hooks::template touched<sites::scores> || Hooks::template touched<sites::pattern>) {
            auto const lines = t_.lines.shaped(queried.size() * static_cast<std::size_t>(D.heads), rows_.longest());
            b_.score_rows(lines, asked, list, clean_keys, keys, positions, shape, rows_);
            at<sites::scores>(layer, lines);
            b_.softmax_rows(lines);
            at<sites::pattern>(layer, lines);
            b_.mix_rows(mixed, lines, list, clean_values, values, positions, shape, rows_);
        } else {
            b_.attention_rows(mixed, asked, list, clean_keys, clean_values, keys, values, positions, shape, rows_);
        }
    }

    /// Contributions of single heads, of the rows where a policy touches them: see `forward_pass`.
    void results(int layer, layer_rows const& rows, auto const& w, matrix<T> all_z, matrix<T> all_out) {
        if (rows.results.size() == 0)
            return;
        auto const in = part_of(all_z, rows.z, rows.results, t_.gathered);
        auto const made = part_of(all_out, rows.z, rows.results, t_.mlp);
        auto const each = t_.results.shaped(in.rows, D.heads * D.d_model);
        b_.head_results(each, in, w.o, D.heads);
        counted_.linear += 2.0 * static_cast<double>(in.rows) * D.heads * D.d_head * D.d_model;
        auto const before = t_.before.shaped(in.rows, D.heads * D.d_model);
        b_.copy(before.data, each.data, each.rows * each.columns);
        at<sites::result>(layer, each);
        b_.add_difference(made, each, before, D.heads);
        if (made.data == all_out.data)
            return;
        auto const taken = places_in(rows.z, rows.results);
        copy(all_out, made, {taken.from, taken.to}); // back to where they were
    }

    /// added: the MLP's output at the rows that leave the layer; stream: what it reads there.
    void neurons(int layer, layer_rows const& rows, auto const& w, matrix<T> stream, matrix<T> added) {
        auto const &on = rows.onward, &computed = rows.neurons;
        auto const in = part_of(stream, on, computed, t_.gathered);
        auto const normalized = t_.normalized.shaped(computed.size(), D.d_model);
        normalize<D>(b_, normalized, in, w.norm2);
        at<sites::normalized2>(layer, normalized);
        auto const gate = is_gated(D.mlp) ? t_.gate.shaped(computed.size(), D.d_mlp) : matrix<T>{};
        if constexpr (is_gated(D.mlp)) {
            linear(gate, normalized, w.gate);
            at<sites::mlp_gate>(layer, gate);
        }
        auto const up = t_.up.shaped(computed.size(), D.d_mlp);
        linear(up, normalized, w.up);
        at<sites::mlp_pre>(layer, up);
        if (computed.size() > 0) {
            if constexpr (is_gated(D.mlp))
                b_.gated(up, gate, D.mlp);
            else
                b_.activate(up, D.mlp);
        }
        at<sites::mlp_post>(layer, up);
        bool const all = computed.size() == on.size();
        auto const out = all ? added : t_.made.shaped(computed.size(), D.d_model);
        linear(out, up, w.down);
        if constexpr (D.post_norms)
            normalize<D>(b_, out, out, w.mlp_out_norm);
        if (!all)
            fill(added, on, out, computed, clean(mlp_out, layer));
    }

    matrix<T> final(matrix<T> stream, row_list const& carried) {
        auto const& last = chunk_->last;
        auto const out = t_.last.shaped(last.size(), D.d_model);
        auto const normalized = t_.normalized.shaped(stream.rows, D.d_model);
        normalize<D>(b_, normalized, stream, w_.final_norm);
        fill(out, last, normalized, carried, clean_.final_normalized());
        at<sites::final_normalized>(0, out);
        return out;
    }

    B const& b_;
    weights<D, B> const& w_;
    Clean const& clean_;
    ragged const& rows_;
    chunk_rows const* chunk_ = nullptr;
    Hooks* hooks_ = nullptr;
    matrix_tensor<T, memory> angles_;
    flop_count counted_;
    engine_tables<T, memory> t_;
};

} // namespace engraft::detail
