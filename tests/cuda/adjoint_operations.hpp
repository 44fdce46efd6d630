#pragma once

// Each operation of a backend's adjoints beside the reference's, typed over backends.

#include "cuda/operations.hpp"

#include <engraft/backend/reference/adjoint_rows.hpp>

namespace operations {

template <class M>
auto back(M const& m) {
    return eg::adjoints<std::decay_t<decltype(m.b)>>(m.b);
}

template <class... Tensor>
std::vector<double> read_all(Tensor const&... each) {
    std::vector<double> all;
    auto const add = [&](auto const& one) {
        for (auto x : one.to_host())
            all.push_back(static_cast<double>(x));
    };
    (add(each), ...);
    return all;
}

template <class B>
void rows_back(double tolerance) {
    same_as_reference<B>(0, [](auto const& m) {
        auto x = m.make(1, 3, 50), wide = m.make(2, 3, 200);
        back(m).zero(x.data() + 10, 75);
        back(m).repeat(m.out(wide).column_range(20, 150), m.in(x), 3);
        back(m).add_elements(m.out(x), std::vector<eg::token>{0, 49, 7}, std::vector<double>{1, -2, 0.5});
        return read_all(x, wide);
    });
    for (std::size_t width : {5u, 71u}) {
        for (bool add : {false, true})
            same_as_reference<B>(tolerance, [&](auto const& m) {
                auto const x = m.make(3, 4, width), dy = m.make(4, 4, width);
                auto const gain = m.vector(5, width);
                auto dx = m.make(6, 4, width), other = m.make(7, 4, width);
                back(m).rms_norm(m.out(dx), m.in(dy), m.in(x), gain, 0.1, add);
                back(m).layer_norm(m.out(other), m.in(dy), m.in(x), gain, 0.1, add);
                if (!add) // in place
                    back(m).layer_norm(m.out(dx), m.in(dx), m.in(x), gain, 0.1, false);
                return read_all(dx, other);
            });
        for (auto kind :
             {eg::mlp::gated_silu, eg::mlp::gelu, eg::mlp::gelu_tanh, eg::mlp::gated_gelu_tanh, eg::mlp::relu})
            same_as_reference<B>(tolerance, [&](auto const& m) {
                auto x = m.make(8, 3, width);
                m.b.scale(m.out(x), 3);
                auto const up = m.make(9, 3, width);
                auto dx = m.make(10, 3, width), dup = m.make(11, 3, width), dgate = m.make(12, 3, width);
                back(m).activate(m.out(dx), m.in(x), kind);
                back(m).gated(m.out(dup), m.out(dgate), m.in(up), m.in(x), kind);
                return read_all(dx, dup, dgate);
            });
    }
    same_as_reference<B>(tolerance, [](auto const& m) {
        auto x = m.make(13, 5, 4 * 12);
        auto const angles = m.make(14, 9, 8); // of the first 8 of 12
        back(m).rotate(m.out(x), 4, m.in(angles), m.list(std::vector<std::uint32_t>{0, 8, 3, 3, 1}));
        back(m).softcap(m.out(x), m.in(m.make(15, 5, 48)), 2.5);
        return m.read(x);
    });
    same_as_reference<B>(tolerance, [](auto const& m) {
        auto const in = m.make(16, 3, 40);
        auto out = m.make(17, 3, 40);
        std::vector<double> const sums{3.7, 3.9, 1e4}, shares{-0.25, 1, 0};
        back(m).softmax_seed(m.out(out), m.in(in), sums, shares);
        return m.read(out);
    });
}

template <class B>
void experts_back(double tolerance) {
    std::vector<std::int32_t> const places{3, 0, 8, 1, 9, 14, 2, 13, 4, 12, 5, 6, 11, 7, 10};
    for (bool const among_chosen : {false, true})
        same_as_reference<B>(tolerance, [&](auto const& m) {
            auto const logits = m.make(60, 5, 7), in = m.make(62, 15, 33), dout = m.make(64, 5, 33);
            auto chosen = m.list(places);
            m.b.largest_columns(chosen, m.in(logits));
            auto weights = m.make(61, 5, 3), dweights = m.make(65, 5, 3), dlogits = m.make(66, 5, 7),
                 din = m.make(67, 15, 33), dx = m.make(68, 5, 33);
            m.b.expert_weights(m.out(weights), m.in(logits), chosen, among_chosen);
            back(m).sum_rows(m.out(din), m.out(dweights), m.in(dout), m.in(in), m.in(weights), m.list(places));
            back(m).expert_weights(m.out(dlogits), m.in(dweights), m.in(logits), chosen, among_chosen);
            back(m).gather_rows(m.out(dx), m.in(din), m.list(places));
            return read_all(dweights, dlogits, din, dx);
        });
}

template <class B>
void products_back(double tolerance) {
    for (auto [in, out] : {std::pair<std::size_t, std::size_t>{5, 8}, {67, 96}})
        for (std::size_t count : {1u, 7u, 260u})
            for (bool add : {false, true}) {
                INFO(out << " -> " << in << ", " << count << " rows");
                same_as_reference<B>(tolerance * std::sqrt(double(out)), [&, in = in, out = out](auto const& m) {
                    auto const map = m.b.make_linear(m.make(20, out, in), m.vector(21, out));
                    auto const dy = m.make(22, count + 2, out + 3);
                    auto dx = m.make(23, count, in + (add ? 4 : 0));
                    back(m).linear(m.out(dx).column_range(0, in),
                                   m.in(dy).column_range(add ? 3 : 0, out).row_range(2, count), map, add);
                    return m.read(dx);
                });
            }
    same_as_reference<B>(tolerance * 8, [](auto const& m) {
        auto const map = m.b.make_linear(m.make(24, 40, 36), m.vector(25, 40));
        auto const dy = m.make(26, 7, 3 * 40);
        auto dx = m.make(27, 7, 36), part = m.make(28, 7, 36), aligned = m.make(29, 7, 36);
        back(m).head_results(m.out(dx), m.in(dy), map, 3);
        back(m).linear_part(m.out(part), m.in(dy).column_range(7, 12), map, 5);
        back(m).linear_part(m.out(aligned), m.in(dy).column_range(0, 16), map, 16);
        return read_all(dx, part, aligned);
    });
}

/// Of queries, keys and values, with and without patterns; and the bits of both.
template <class B>
void attention_back(double tolerance) {
    eg::ragged const rows({5, 1, 40});
    for (auto const& shape : shapes) {
        std::size_t const wide = shape.heads * shape.width, narrow = shape.kv_heads * shape.width;
        auto const whole = [&](auto const& m, bool fused) {
            auto const q = m.make(30, rows.rows(), wide), dz = m.make(34, rows.rows(), wide);
            auto const k = m.make(31, rows.rows(), narrow), v = m.make(32, rows.rows(), narrow);
            auto dq = m.make(35, rows.rows(), wide), dk = m.make(36, rows.rows(), narrow),
                 dv = m.make(37, rows.rows(), narrow);
            if (fused) {
                back(m).attention(m.out(dq), m.out(dk), m.out(dv), m.in(dz), m.in(q), m.in(k), m.in(v), shape, rows);
                return read_all(dq, dk, dv);
            }
            auto p = m.vector(38, shape.heads * (25 + 1 + 1600)), d = m.vector(39, p.size());
            m.b.scores(p.data(), m.in(q), m.in(k), shape, rows);
            m.b.softmax(p.data(), shape, rows);
            back(m).mix(d.data(), m.out(dv), m.in(dz), std::as_const(p).data(), m.in(v), shape, rows);
            auto const of_pattern = d.to_host();
            back(m).softmax(d.data(), std::as_const(p).data(), shape, rows);
            auto const of_scores = d.to_host();
            back(m).scores(m.out(dq), m.out(dk), d.data(), m.in(q), m.in(k), shape, rows);
            auto found = read_all(dq, dk, dv);
            for (auto const& part : {of_pattern, of_scores})
                found.insert(found.end(), part.begin(), part.end());
            return found;
        };
        same_as_reference<B>(tolerance, [&](auto const& m) { return whole(m, false); });
        auto const fused = whole(on<B>{}, true);
        auto parts = whole(on<B>{}, false);
        parts.resize(fused.size());
        CHECK(fused == parts);

        // A pattern that a policy has made, with weights behind the queries, and gradients of scores that nobody sees.
        same_as_reference<B>(tolerance, [&](auto const& m) {
            auto const q = m.make(30, rows.rows(), wide), dz = m.make(34, rows.rows(), wide);
            auto const k = m.make(31, rows.rows(), narrow), v = m.make(32, rows.rows(), narrow);
            auto dq = m.make(35, rows.rows(), wide), dk = m.make(36, rows.rows(), narrow),
                 dv = m.make(37, rows.rows(), narrow);
            auto const p = m.vector(38, shape.heads * (25 + 1 + 1600));
            auto d = m.vector(39, p.size()), ds = m.vector(40, p.size());
            back(m).mix(d.data(), m.out(dv), m.in(dz), p.data(), m.in(v), shape, rows);
            back(m).scores(m.out(dq), m.out(dk), ds.data(), m.in(q), m.in(k), shape, rows);
            return read_all(d, dv, dq, dk);
        });

        // Rows beside a clean run; the third has no keys of its own, and of own row 5 nobody asks.
        same_as_reference<B>(tolerance, [&](auto const& m) {
            auto const k = m.make(31, rows.rows(), narrow), v = m.make(32, rows.rows(), narrow);
            auto const own_k = m.make(41, 6, narrow), own_v = m.make(42, 6, narrow);
            auto const q = m.make(30, 5, wide), dz = m.make(34, 5, wide);
            auto const queried = m.list(std::vector<eg::attention_row>{
                {3, 0, 2, 1, 0, 3}, {4, 3, 2, 39, 0, 3}, {0, 1, 2, 29, 3, 0}, {2, 4, 0, 1, 3, 2}, {1, 2, 0, 4, 3, 2}});
            auto const positions = m.list(std::vector<std::uint32_t>{1, 30, 39, 0, 4, 2});
            auto dq = m.make(35, 5, wide), dk = m.make(36, 6, narrow), dv = m.make(37, 6, narrow);
            attention_rows_adjoint(m.b, m.out(dq), m.out(dk), m.out(dv), m.in(dz), m.in(q), queried, m.in(k), m.in(v),
                                   m.in(own_k), m.in(own_v), positions, shape, rows);
            return read_all(dq, dk, dv);
        });
    }
}

/// Multiplies by what was there and by where it stands.
struct turned_back {
    ENGRAFT_HOST_DEVICE void derivative(auto gradient, auto before, eg::row_place const& at) const {
        for (std::size_t i = 0; i < gradient.size(); ++i)
            gradient[i] *= 2 * before[i] + static_cast<std::decay_t<decltype(gradient[i])>>(at.head + at.position);
    }
};
struct halved_back {
    ENGRAFT_HOST_DEVICE void derivative(auto gradient, auto before) const {
        for (std::size_t i = 0; i < gradient.size(); ++i)
            gradient[i] *= before[i] / 2;
    }
};

/// 150 slices of 7 elements, so that sums have several parts, of three heads.
template <class B>
void slices_back(double tolerance, double sum_tolerance) {
    std::vector<eg::row_slice> places;
    for (std::uint32_t i = 0; i < 150; ++i)
        places.push_back({.to = 9 * ((i * 37) % 150),
                          .from = 7 * (i % 3),
                          .width = 7,
                          .example = i % 2,
                          .position = i / 5,
                          .head = i * i % 3});
    for (int which = 0; which < 12; ++which) {
        INFO("operation " << which);
        same_as_reference<B>(which < 5 ? tolerance : sum_tolerance, [&](auto const& m) {
            using T = typename std::decay_t<decltype(m)>::T;
            auto dx = m.make(50, 1, 9 * 150);
            auto const x = m.make(51, 1, 9 * 150), from = m.make(52, 1, 21), basis = m.make(53, 3, 7),
                       blend = m.make(54, 3, 7);
            auto const per_head = m.list(std::vector<T>{T(0.5), T(0), T(-1)});
            auto sums = m.list(std::vector<double>(21, 0.25));
            auto const list = m.list(places);
            auto const a = back(m);
            if (which == 0)
                a.weigh_slices(dx.data(), list, m.in(blend));
            else if (which == 1)
                a.weigh_slices(dx.data(), list, {per_head.data(), 3, 1, 1});
            else if (which == 2)
                a.reject_slices(dx.data(), list, m.in(basis));
            else if (which == 3)
                a.edit_slices(dx.data(), x.data(), 1, list, turned_back{});
            else if (which == 4)
                a.edit_slices(dx.data(), x.data(), 1, list, halved_back{});
            else if (which == 5)
                a.sum_elements(sums.data(), dx.data(), list);
            else if (which == 6)
                a.sum_products(sums.data(), dx.data(), x.data(), list);
            else if (which == 7)
                a.sum_directions(sums.data(), 21, dx.data(), -1.5, list);
            else if (which == 8)
                a.sum_weights({sums.data(), 3, 7, 7}, dx.data(), x.data(), from.data(), list);
            else if (which == 9)
                a.sum_weights({sums.data(), 3, 1, 1}, dx.data(), x.data(), from.data(), list);
            else if (which == 10)
                a.sum_basis(sums.data(), dx.data(), x.data(), from.data(), list, m.in(basis));
            else { // scores that nobody sees have no gradient, whatever they are
                auto hidden = m.list(std::vector<T>(9 * 150, -std::numeric_limits<T>::infinity()));
                a.zero(dx.data(), dx.size());
                a.sum_products(sums.data(), dx.data(), hidden.data(), list);
                a.sum_weights({sums.data(), 3, 1, 1}, dx.data(), hidden.data(), from.data(), list);
            }
            return read_all(dx, sums);
        });
    }
}

} // namespace operations
