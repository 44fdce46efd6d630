#pragma once

// A transformer in plain loops and double precision, written edge by edge: every reader of the stream sums what it
// reads from what each writer wrote. Slow and short: what edges of the library are compared with.

#include <cmath>
#include <map>
#include <set>
#include <vector>

#include <engraft/circuit/edges.hpp>
#include <engraft/engraft.hpp>

namespace plain {

namespace eg = engraft;
using row = std::vector<double>;
using rows = std::vector<row>; ///< of one example's positions

struct before_edge {
    bool operator()(eg::edge const& a, eg::edge const& b) const { return a.to != b.to ? a.to < b.to : a.from < b.from; }
};
using edge_set = std::set<eg::edge, before_edge>;
/// What each sender wrote.
using written = std::map<eg::edge_sender, rows>;

template <eg::description const& D>
class model {
public:
    explicit model(eg::weights<D, eg::reference> const& w) : w_(w) {}

    struct result {
        row logits; ///< of the last position
        written out;
    };

    /// Receivers of cut edges read what `instead` has of the sender.
    result run(std::vector<eg::token> const& tokens, edge_set const& cut, written const& instead) const {
        rows base = embedded(tokens); // what is nobody's: embeddings and the biases of attention
        written out;
        auto const input = [&](eg::edge_receiver const& to) {
            rows x = base;
            for (auto const& [from, mine] : out)
                if (eg::reaches(D, from, to))
                    add(x, cut.count({from, to}) ? instead.at(from) : mine);
            return x;
        };
        for (int l = 0; l < D.layers; ++l) {
            auto const& w = w_.blocks[static_cast<std::size_t>(l)];
            auto const head = [&](eg::edge_input what, auto const& map, int h) {
                return linear(normed(input({l, what, h}), w.norm1), map, h * D.d_head, D.d_head);
            };
            written mine;
            for (int h = 0; h < D.heads; ++h) {
                int const shared = h / (D.heads / D.kv_heads);
                auto q = head(eg::edge_input::query, w.q, h), k = head(eg::edge_input::key, w.k, shared);
                auto const v = head(eg::edge_input::value, w.v, shared);
                rotate(q), rotate(k);
                mine[{l, h}] = columns(attended(q, k, v), w.o, h * D.d_head);
            }
            auto neurons = [&] {
                auto const n = normed(input({l, eg::edge_input::mlp, 0}), w.norm2);
                auto up = linear(n, w.up, 0, D.d_mlp);
                rows const gate = eg::is_gated(D.mlp) ? linear(n, w.gate, 0, D.d_mlp) : rows{};
                for (std::size_t p = 0; p < up.size(); ++p)
                    for (std::size_t i = 0; i < up[p].size(); ++i)
                        up[p][i] = gate.empty() ? gelu_tanh(up[p][i]) : up[p][i] * silu(gate[p][i]);
                return linear(up, w.down, 0, D.d_model);
            };
            if (D.residual == eg::residual::parallel)
                mine[{l, eg::edge_sender::mlp}] = neurons(); // before attention of this layer is there
            out.insert(mine.begin(), mine.end());
            if (!w.o.bias.empty())
                for (auto& x : base)
                    for (std::size_t i = 0; i < x.size(); ++i)
                        x[i] += w.o.bias.data()[i];
            if (D.residual == eg::residual::sequential)
                out[{l, eg::edge_sender::mlp}] = neurons();
        }
        auto const last = normed(input({D.layers, eg::edge_input::unembedding, 0}), w_.final_norm);
        return {linear({last.back()}, w_.unembedding, 0, D.vocab).front(), std::move(out)};
    }

private:
    rows embedded(std::vector<eg::token> const& tokens) const {
        auto const& table = w_.embedding.empty() ? w_.unembedding.weight : w_.embedding; // which may be one matrix
        rows x;
        for (std::size_t p = 0; p < tokens.size(); ++p) {
            x.emplace_back(std::size_t(D.d_model));
            for (std::size_t i = 0; i < std::size_t(D.d_model); ++i) {
                x[p][i] = table.view()(static_cast<std::size_t>(tokens[p]), i);
                if (D.position == eg::position::learned)
                    x[p][i] += w_.position_embedding.view()(p, i);
            }
        }
        return x;
    }
    static void add(rows& to, rows const& from) {
        for (std::size_t p = 0; p < to.size(); ++p)
            for (std::size_t i = 0; i < to[p].size(); ++i)
                to[p][i] += from[p][i];
    }
    static rows normed(rows x, auto const& w) {
        for (auto& r : x) {
            double mean = 0, square = 0;
            if (D.norm == eg::norm::layer)
                for (double const e : r)
                    mean += e / double(r.size());
            for (auto& e : r) {
                e -= mean;
                square += e * e / double(r.size());
            }
            for (std::size_t i = 0; i < r.size(); ++i)
                r[i] = r[i] / std::sqrt(square + D.norm_eps) * w.gain.data()[i] +
                       (D.norm == eg::norm::layer ? w.bias.data()[i] : 0);
        }
        return x;
    }
    static rows linear(rows const& in, auto const& map, int first, int count) {
        rows out;
        for (auto const& r : in) {
            out.emplace_back();
            for (auto o = std::size_t(first); o < std::size_t(first + count); ++o) {
                double sum = map.bias.empty() ? 0 : map.bias.data()[o];
                for (std::size_t i = 0; i < r.size(); ++i)
                    sum += r[i] * map.weight.view()(o, i);
                out.back().push_back(sum);
            }
        }
        return out;
    }
    /// Times the columns of W from `first` on, without a bias.
    static rows columns(rows const& in, auto const& map, int first) {
        rows out;
        for (auto const& r : in) {
            out.emplace_back(std::size_t(D.d_model));
            for (std::size_t o = 0; o < out.back().size(); ++o)
                for (std::size_t i = 0; i < r.size(); ++i)
                    out.back()[o] += r[i] * map.weight.view()(o, std::size_t(first) + i);
        }
        return out;
    }
    static void rotate(rows& x) {
        if (D.position != eg::position::rope)
            return;
        auto const half = std::size_t(eg::rotary_width(D)) / 2;
        for (std::size_t p = 0; p < x.size(); ++p)
            for (std::size_t i = 0; i < half; ++i) {
                double const angle = double(p) * std::pow(D.rope_theta, -double(i) / double(half));
                double const a = x[p][i], b = x[p][i + half];
                x[p][i] = a * std::cos(angle) - b * std::sin(angle);
                x[p][i + half] = b * std::cos(angle) + a * std::sin(angle);
            }
    }
    static rows attended(rows const& q, rows const& k, rows const& v) {
        rows z;
        for (std::size_t p = 0; p < q.size(); ++p) {
            row weights;
            double sum = 0;
            for (std::size_t t = 0; t <= p; ++t) {
                double score = 0;
                for (std::size_t i = 0; i < q[p].size(); ++i)
                    score += q[p][i] * k[t][i];
                sum += weights.emplace_back(std::exp(score / std::sqrt(double(D.d_head))));
            }
            z.emplace_back(v[p].size());
            for (std::size_t t = 0; t <= p; ++t)
                for (std::size_t i = 0; i < v[t].size(); ++i)
                    z[p][i] += weights[t] / sum * v[t][i];
        }
        return z;
    }
    static double silu(double x) { return x / (1 + std::exp(-x)); }
    static double gelu_tanh(double x) {
        return x / 2 * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
    }

    eg::weights<D, eg::reference> const& w_;
};

} // namespace plain
