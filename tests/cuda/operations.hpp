#pragma once

// Each operation of a backend beside the reference, typed over backends.

#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"

#include <engraft/backend/reference/reference.hpp>
#include <engraft/core/random.hpp>

namespace eg = engraft;

namespace operations {

/// A backend and tables of numbers from a seed in its memory.
template <class B>
struct on {
    using T = typename B::value_type;
    using memory = typename B::memory_type;
    using table = eg::matrix_tensor<T, memory>;

    B b{};

    static std::vector<T> const& numbers(std::uint64_t seed, std::size_t n) {
        static std::map<std::pair<std::uint64_t, std::size_t>, std::vector<T>> all; // making them takes longest
        auto& made = all[{seed, n}];
        if (made.empty()) {
            eg::random r(seed);
            for (std::size_t i = 0; i < n; ++i)
                made.push_back(static_cast<T>(static_cast<float>(r.normal())));
        }
        return made;
    }
    table make(std::uint64_t seed, std::size_t rows, std::size_t columns) const {
        return table::from_host(numbers(seed, rows * columns), typename table::extents_type(rows, columns));
    }
    eg::vector_tensor<T, memory> vector(std::uint64_t seed, std::size_t n) const { return list(numbers(seed, n)); }
    template <class E>
    eg::vector_tensor<E, memory> list(std::vector<E> const& elements) const {
        return eg::vector_tensor<E, memory>::from_host(elements, eg::extents<eg::dynamic>(elements.size()));
    }
    static auto in(table const& t) { return as_matrix(t); }
    static auto out(table& t) { return as_matrix(t); }
    static std::vector<double> read(table const& t) {
        auto const elements = t.to_host();
        return {elements.begin(), elements.end()};
    }
};

inline void require_close(std::vector<double> const& is, std::vector<double> const& expected, double tolerance) {
    REQUIRE(is.size() == expected.size());
    double largest = 0;
    for (double x : expected)
        if (std::isfinite(x))
            largest = std::max(largest, std::abs(x));
    std::size_t wrong = 0;
    double worst = 0;
    for (std::size_t i = 0; i < is.size(); ++i) {
        if (!std::isfinite(expected[i])) {
            wrong += is[i] != expected[i];
            continue;
        }
        auto const difference = std::abs(is[i] - expected[i]);
        worst = std::max(worst, difference);
        wrong += !(difference <= tolerance * std::max(1.0, largest));
    }
    INFO("largest difference " << worst << ", tolerance " << tolerance << " of " << largest);
    CHECK(wrong == 0);
}

/// work(on<B>) gives what it gives on the reference.
template <class B, class Work>
void same_as_reference(double tolerance, Work const& work) {
    require_close(work(on<B>{}), work(on<eg::reference>{}), tolerance);
}

template <class B>
void rows(double tolerance) {
    same_as_reference<B>(0, [](auto const& m) { // indices move numbers and change none
        auto const table = m.make(1, 9, 70);
        auto out = m.make(2, 4, 70);
        m.b.gather_rows(m.out(out), m.in(table), m.list(std::vector<std::int32_t>{8, 0, 3, 3}));
        m.b.copy_rows(m.out(out), m.list(std::vector<std::int32_t>{3, 0}), m.in(table),
                      m.list(std::vector<std::int32_t>{5, 7}));
        m.b.copy(out.data() + 70, table.data() + 70, 9);
        return m.read(out);
    });
    for (std::size_t width : {5u, 64u, 71u}) {
        same_as_reference<B>(tolerance, [&](auto const& m) {
            auto x = m.make(3, 6, width);
            m.b.rms_norm(m.out(x), m.in(x), m.vector(4, width), 1e-5);
            auto y = m.make(5, 6, width);
            m.b.layer_norm(m.out(y), m.in(x), m.vector(6, width), m.vector(7, width), 1e-5);
            m.b.scale(m.out(x), -1.25);
            m.b.add(m.out(y), m.in(x));
            return m.read(y);
        });
        for (auto kind :
             {eg::mlp::gated_silu, eg::mlp::gelu, eg::mlp::gelu_tanh, eg::mlp::gated_gelu_tanh, eg::mlp::relu})
            same_as_reference<B>(tolerance, [&](auto const& m) {
                auto x = m.make(8, 3, width), up = m.make(9, 3, width);
                m.b.scale(m.out(x), 4);
                m.b.gated(m.out(up), m.in(x), kind);
                m.b.activate(m.out(x), kind);
                m.b.softcap(m.out(x), 2.5);
                m.b.add(m.out(up), m.in(x));
                return m.read(up);
            });
    }
    same_as_reference<B>(tolerance, [](auto const& m) {
        auto x = m.make(10, 5, 4 * 12);
        auto const angles = m.make(11, 9, 8); // of the first 8 of 12
        m.b.rotate(m.out(x), 4, m.in(angles), m.list(std::vector<std::uint32_t>{0, 8, 3, 3, 1}));
        return m.read(x);
    });
    same_as_reference<B>(tolerance, [](auto const& m) {
        auto to = m.make(12, 3, 20), a = m.make(13, 3, 60), b = m.make(13, 3, 60);
        m.b.scale(m.out(a).column_range(20, 5), 2); // all others are equal
        m.b.add_difference(m.out(to), m.in(a), m.in(b), 3);
        return m.read(to);
    });
    same_as_reference<B>(tolerance, [](auto const& m) {
        auto const in = m.make(14, 9, 33);
        auto out = m.make(15, 3, 33);
        m.b.mean_rows(m.out(out), m.in(in), m.list(std::vector<std::uint64_t>{8, 1, 1, 0, 5, 3}),
                      m.list(std::vector<eg::row_group>{{0, 3}, {3, 1}, {4, 2}}));
        return m.read(out);
    });
}

/// As many rows of products as `count`, from row `first` of a table, and back in a table with gaps.
template <class M>
std::vector<double> product(M const& m, std::size_t in, std::size_t out, bool bias, std::size_t first,
                            std::size_t count, bool gaps = false) {
    auto const map =
        m.b.make_linear(m.make(20, out, in), bias ? m.vector(21, out) : m.list(std::vector<typename M::T>{}));
    auto const x = m.make(22, 600, in + 8);
    auto y = m.make(23, count, gaps ? out + 3 : out);
    m.b.linear(m.out(y).column_range(0, out), m.in(x).column_range(gaps ? 3 : 0, in).row_range(first, count), map);
    return m.read(y);
}

template <class B>
void products(double tolerance, double exact_tolerance) {
    for (auto [in, out] : {std::pair<std::size_t, std::size_t>{8, 5}, {96, 67}, {64, 128}})
        for (std::size_t count : {1u, 3u, 130u})
            for (bool bias : {false, true}) {
                INFO(in << " -> " << out << ", " << count << " rows");
                double const of_inputs = tolerance * std::sqrt(double(in));
                auto const work = [&, in = in, out = out](auto const& m) {
                    return product(m, in, out, bias, 2, count, bias);
                };
                same_as_reference<B>(of_inputs, work);
            }
    same_as_reference<B>(tolerance * 8, [](auto const& m) {
        auto const map = m.b.make_linear(m.make(24, 40, 36), m.vector(25, 40));
        auto const x = m.make(26, 7, 36);
        auto out = m.make(27, 7, 3 * 40);
        m.b.head_results(m.out(out), m.in(x), map, 3);
        auto found = m.read(out);
        auto picked = m.make(28, 3, 36);
        m.b.gather_weights(m.out(picked), map, m.list(std::vector<std::int32_t>{39, 0, 7}));
        for (double e : m.read(picked))
            found.push_back(e);
        return found;
    });
    same_as_reference<B>(exact_tolerance, [](auto const& m) {
        auto x = m.make(28, 5, 1000);
        m.b.scale(m.out(x), 3);
        auto found = m.b.log_sum_exp(m.in(x));
        std::vector<eg::token> const columns{0, 999, 5, 17, 100};
        for (double e : m.b.elements(m.in(x), columns))
            found.push_back(e);
        auto const equal = m.list(
            std::vector<typename std::decay_t<decltype(m)>::T>{1, 3, 3, 2, -1, -2, -3, -1, 0, 0, 0, 0, 5, NAN, 9, 0});
        for (auto t : m.b.argmax({equal.data(), 4, 4, 4})) // the last row has a NaN, at 1
            found.push_back(t);
        for (auto t : m.b.argmax(m.in(x)))
            found.push_back(t);
        return found;
    });
}

/// A row's product has the same bits whatever rows stand beside it, and where it stands.
template <class B>
void company() {
    on<B> const m;
    for (auto [in, out] : {std::pair<std::size_t, std::size_t>{96, 67}, {256, 128}}) {
        auto const all = product(m, in, out, false, 0, 600); // three panels, and two in a call
        for (std::size_t first : {0u, 3u, 44u, 300u})
            for (std::size_t count : {1u, 2u, 31u, 128u, 256u, 300u}) {
                INFO(in << " -> " << out << ", rows " << first << " to " << first + count);
                auto const begin = all.begin() + static_cast<std::ptrdiff_t>(first * out);
                CHECK(product(m, in, out, false, first, count) ==
                      std::vector<double>(begin, begin + static_cast<std::ptrdiff_t>(count * out)));
            }
    }
}

inline std::vector<std::uint32_t> const hidden{0, 5, 9, 35};
inline std::vector<eg::attention_shape> const shapes{
    {.heads = 4, .kv_heads = 2, .width = 8, .scale = 0.35},
    {.heads = 3, .kv_heads = 3, .width = 40, .scale = 0.15, .softcap = 2, .window = 3},
    {.heads = 2, .kv_heads = 1, .width = 140, .scale = 0.08},
    {.heads = 2, .kv_heads = 1, .width = 6, .scale = 0.4},
    {.heads = 4, .kv_heads = 2, .width = 8, .scale = 0.35, .softcap = 2, .bidirectional = true},
    {.heads = 4, .kv_heads = 2, .width = 7, .scale = 0.35, .softcap = 2, .hidden = hidden},
    {.heads = 2, .kv_heads = 1, .width = 6, .scale = 0.4, .bidirectional = true, .hidden = hidden}};

template <class B>
void attention(double tolerance) {
    eg::ragged const rows({5, 1, 40});
    for (std::size_t i = 0; i < shapes.size(); ++i) {
        auto const& shape = shapes[i];
        std::size_t const skew = i % 2; // where tables begin, which is then not aligned to more than an element
        auto const patterns = [&](auto const& m, bool fused) {
            auto const q = m.make(30, rows.rows(), shape.heads * shape.width + skew),
                       k = m.make(31, rows.rows(), shape.kv_heads * shape.width),
                       v = m.make(32, rows.rows(), shape.kv_heads * shape.width);
            auto const queries = m.in(q).column_range(skew, shape.heads * shape.width);
            auto z = m.make(33, rows.rows(), shape.heads * shape.width);
            if (fused) {
                m.b.attention(m.out(z), queries, m.in(k), m.in(v), shape, rows);
                return m.read(z);
            }
            auto pattern = m.vector(34, shape.heads * (25 + 1 + 1600));
            m.b.scores(pattern.data(), queries, m.in(k), shape, rows);
            auto const scores = pattern.to_host();
            m.b.softmax(pattern.data(), shape, rows);
            m.b.mix(m.out(z), std::as_const(pattern).data(), m.in(v), shape, rows);
            auto found = m.read(z);
            for (auto const& part : {scores, pattern.to_host()})
                found.insert(found.end(), part.begin(), part.end());
            return found;
        };
        same_as_reference<B>(tolerance, [&](auto const& m) { return patterns(m, false); });
        auto const fused = patterns(on<B>{}, true);
        auto parts = patterns(on<B>{}, false);
        parts.resize(fused.size());
        CHECK(fused == parts);

        // Rows beside a clean run: three of example 2, one of example 0; the first two have keys of their own.
        auto const beside = [&](auto const& m, int how) {
            auto const width = shape.kv_heads * shape.width;
            auto const k = m.make(31, rows.rows(), width), v = m.make(32, rows.rows(), width);
            auto const own_k = m.make(35, 5, width + skew), own_v = m.make(36, 5, width);
            auto const q = m.make(30, rows.rows(), shape.heads * shape.width + skew);
            auto const queries = m.in(q).column_range(skew, shape.heads * shape.width),
                       own_keys = m.in(own_k).column_range(skew, width);
            auto const queried = m.list(std::vector<eg::attention_row>{
                {7, 0, 2, 1, 0, 3}, {45, 3, 2, 39, 0, 3}, {35, 1, 2, 29, 0, 0}, {4, 2, 0, 4, 3, 2}});
            auto const positions = m.list(std::vector<std::uint32_t>{1, 30, 39, 0, 4});
            auto z = m.make(37, 4, shape.heads * shape.width);
            if (how == 0) {
                m.b.attention_rows(m.out(z), queries, queried, m.in(k), m.in(v), own_keys, m.in(own_v), positions,
                                   shape, rows);
                return m.read(z);
            }
            auto lines = m.make(38, 4 * shape.heads, 43);
            m.b.score_rows(m.out(lines), queries, queried, m.in(k), own_keys, positions, shape, rows);
            m.b.softmax_rows(m.out(lines));
            m.b.mix_rows(m.out(z), m.in(lines), queried, m.in(v), m.in(own_v), positions, shape, rows);
            auto found = m.read(z);
            auto const read = m.read(lines);
            found.insert(found.end(), read.begin(), read.end());
            return found;
        };
        same_as_reference<B>(tolerance, [&](auto const& m) { return beside(m, 1); });
        auto const rows_fused = beside(on<B>{}, 0);
        auto rows_parts = beside(on<B>{}, 1);
        rows_parts.resize(rows_fused.size());
        CHECK(rows_fused == rows_parts);
        // The row without keys of its own is row 35 of the whole batch's attention, to the bit.
        auto const wide = static_cast<std::ptrdiff_t>(shape.heads * shape.width);
        CHECK(std::vector<double>(rows_fused.begin() + wide, rows_fused.begin() + 2 * wide) ==
              std::vector<double>(fused.begin() + 35 * wide, fused.begin() + 36 * wide));
    }
}

/// Rows that go to experts, each to three of seven.
template <class B>
void experts(double tolerance) {
    std::vector<std::int32_t> const places{3, 0, 8, 1, 9, 14, 2, 13, 4, 12, 5, 6, 11, 7, 10};
    same_as_reference<B>(0, [&](auto const& m) {
        auto chosen = m.list(places);
        m.b.largest_columns(chosen, m.in(m.make(60, 5, 9)).column_range(2, 7));
        auto const found = chosen.to_host();
        return std::vector<double>(found.begin(), found.end());
    });
    for (bool const among_chosen : {false, true})
        same_as_reference<B>(tolerance, [&](auto const& m) {
            auto const logits = m.make(60, 5, 7), in = m.make(62, 15, 33);
            auto chosen = m.list(places);
            m.b.largest_columns(chosen, m.in(logits));
            auto weights = m.make(61, 5, 3), out = m.make(63, 5, 33);
            m.b.expert_weights(m.out(weights), m.in(logits), chosen, among_chosen);
            m.b.sum_rows(m.out(out), m.in(in), m.in(weights), m.list(places));
            auto found = m.read(out);
            auto const read = m.read(weights);
            found.insert(found.end(), read.begin(), read.end());
            return found;
        });
}

/// What users give to `edit` and `when`: named, and marked for both sides.
struct turned {
    double by = 2;
    ENGRAFT_HOST_DEVICE void operator()(auto row, eg::row_place const& at) const {
        for (auto& x : row)
            x = x * x - static_cast<std::decay_t<decltype(x)>>(by * static_cast<double>(at.head + at.position));
        row *= 2;
    }
};
struct first_is_positive {
    ENGRAFT_HOST_DEVICE bool operator()(auto row) const { return row[0] > 0; }
};

template <class B>
void slices(double tolerance) {
    std::vector<eg::row_slice> const places{{.to = 3, .from = 40, .width = 7, .position = 2, .head = 1},
                                            {.to = 64, .from = 0, .width = 7, .example = 1},
                                            {.to = 20, .from = 13, .width = 7, .head = 2},
                                            {.to = 90, .from = 90, .width = 7, .position = 5, .head = 2}};
    for (int which = 0; which < 8; ++which) {
        INFO("operation " << which);
        same_as_reference<B>(tolerance, [&](auto const& m) {
            auto x = m.make(40, 1, 100);
            auto const from = m.make(41, 1, 100), basis = m.make(42, 3, 7), blend = m.make(43, 3, 7);
            using T = typename std::decay_t<decltype(m)>::T;
            auto const per_head = m.list(std::vector<T>{T(0), T(1), T(0.25)});
            auto const list = m.list(places);
            if (which == 0)
                m.b.copy_slices(x.data(), from.data(), list);
            else if (which == 1)
                m.b.fill_slices(x.data(), -std::numeric_limits<double>::infinity(), list);
            else if (which == 2)
                m.b.scale_slices(x.data(), 0.75, list);
            else if (which == 3)
                m.b.add_slices(x.data(), from.data(), -1.5, list);
            else if (which == 4)
                m.b.blend_slices(x.data(), from.data(), list, m.in(blend));
            else if (which == 5)
                m.b.blend_slices(x.data(), from.data(), list, {per_head.data(), 3, 1, 1});
            else if (which == 6)
                m.b.project_slices(x.data(), from.data(), list, m.in(basis));
            else
                m.b.edit_slices(x.data(), 1, list, turned{});
            auto found = m.read(x);
            for (auto const& s : m.b.select_slices(from.data(), 1, list, first_is_positive{}).to_host())
                found.push_back(static_cast<double>(s.to));
            return found;
        });
    }
}

} // namespace operations
