#include "catch.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <engraft/backend/cpu/adjoint.hpp>
#include <engraft/backend/cpu/adjoint_rows.hpp>
#include <engraft/backend/reference/adjoint_rows.hpp>
#include <engraft/core/random.hpp>

// Attention in both directions and with hidden keys, against loops that know nothing of either backend.
namespace eg = engraft;

namespace {

using host = eg::host_memory;
using cpu = eg::cpu<eg::fp32>;

template <class T>
struct table {
    std::size_t rows, columns;
    std::vector<T> numbers;

    table(std::size_t r, std::size_t c, std::uint64_t seed = 0) : rows(r), columns(c), numbers(r * c) {
        eg::random draw(seed);
        for (auto& x : numbers)
            x = seed == 0 ? T(0) : static_cast<T>(static_cast<float>(2 * draw.uniform() - 1));
    }
    eg::matrix<T> all() { return {numbers.data(), rows, columns, columns}; }
    eg::matrix<T const> all() const { return {numbers.data(), rows, columns, columns}; }
    T* row(std::size_t r) { return numbers.data() + r * columns; }
    T const* row(std::size_t r) const { return numbers.data() + r * columns; }
};

template <class E>
auto list_of(std::vector<E> const& all) {
    return eg::vector_tensor<E, host>::from_host(all, eg::extents<eg::dynamic>(all.size()));
}

struct kind {
    bool bidirectional, hides;
    double softcap;
};

template <class F>
void each_kind(F const& f) {
    for (auto const& k : {kind{true, false, 0}, kind{true, true, 0}, kind{false, true, 0}, kind{true, true, 0.7},
                          kind{false, true, 0.7}}) {
        CAPTURE(k.bidirectional, k.hides, k.softcap);
        f(k);
    }
}

// In causal attention the first query of the first example sees no key, and the second example has none that is shown.
std::vector<std::size_t> const lengths{150, 1, 17, 33};
std::vector<std::uint32_t> const hidden{0, 3, 4, 70, 149, 150, 151, 167};

eg::attention_shape shape_of(kind const& k) {
    return {.heads = 6,
            .kv_heads = 2,
            .width = 20,
            .scale = 0.8,
            .softcap = k.softcap,
            .bidirectional = k.bidirectional,
            .hidden = k.hides ? std::span<std::uint32_t const>(hidden) : std::span<std::uint32_t const>()};
}

struct gradients {
    std::vector<double> z, dq, dk, dv;
};

/// z, and the derivative of the sum of z dz.
gradients plain(eg::attention_shape const& shape, eg::ragged const& rows, table<double> const& q,
                table<double> const& k, table<double> const& v, table<double> const& dz) {
    gradients g{std::vector<double>(q.numbers.size()), std::vector<double>(q.numbers.size()),
                std::vector<double>(k.numbers.size()), std::vector<double>(v.numbers.size())};
    std::size_t const width = shape.width;
    for (std::size_t e = 0; e < rows.examples(); ++e)
        for (std::size_t h = 0; h < shape.heads; ++h)
            for (std::size_t s = 0; s < rows.length(e); ++s) {
                std::size_t const query = rows.begin(e) + s, of_q = h * width, of_k = h / 3 * width;
                std::vector<double> p(rows.length(e)), slope(p), dp(p);
                double sum = 0, along = 0;
                for (std::size_t t = 0; t < rows.length(e); ++t) {
                    std::size_t const key = rows.begin(e) + t;
                    if ((!shape.bidirectional && t > s) ||
                        std::find(shape.hidden.begin(), shape.hidden.end(), key) != shape.hidden.end())
                        continue;
                    double score = 0;
                    for (std::size_t i = 0; i < width; ++i)
                        score += q.row(query)[of_q + i] * k.row(key)[of_k + i] * shape.scale;
                    double const c = shape.softcap, capped = c > 0 ? c * std::tanh(score / c) : score;
                    slope[t] = c > 0 ? 1 - (capped / c) * (capped / c) : 1;
                    sum += p[t] = std::exp(capped);
                }
                for (std::size_t t = 0; t < p.size() && sum > 0; ++t) {
                    p[t] /= sum;
                    for (std::size_t i = 0; i < width; ++i)
                        dp[t] += dz.row(query)[of_q + i] * v.row(rows.begin(e) + t)[of_k + i];
                    along += p[t] * dp[t];
                }
                for (std::size_t t = 0; t < p.size(); ++t)
                    for (std::size_t i = 0; i < width; ++i) {
                        std::size_t const key = (rows.begin(e) + t) * k.columns + of_k + i,
                                          at = query * q.columns + of_q + i;
                        double const ds = p[t] * (dp[t] - along) * slope[t] * shape.scale;
                        g.z[at] += p[t] * v.numbers[key];
                        g.dq[at] += ds * k.numbers[key];
                        g.dk[key] += ds * q.numbers[at];
                        g.dv[key] += p[t] * dz.numbers[at];
                    }
            }
    return g;
}

template <class T>
table<T> as(table<double> const& from) {
    table<T> to(from.rows, from.columns);
    std::copy(from.numbers.begin(), from.numbers.end(), to.numbers.begin());
    return to;
}

template <class T>
double apart(std::vector<double> const& exact, table<T> const& found) {
    double largest = 0;
    for (std::size_t i = 0; i < exact.size(); ++i)
        largest = std::isnan(found.numbers[i]) ? 1 : std::max(largest, std::abs(exact[i] - double(found.numbers[i])));
    return largest;
}

template <class B>
void agrees(B const& b, double tolerance) {
    using T = typename B::value_type;
    eg::ragged const rows(lengths);
    each_kind([&](kind const& what) {
        auto const shape = shape_of(what);
        std::size_t const wide = 120, narrow = 40;
        table<double> const q(rows.rows(), wide, 1), k(rows.rows(), narrow, 2), v(k.rows, narrow, 3),
            dz(q.rows, wide, 4);
        auto const exact = plain(shape, rows, q, k, v, dz);
        auto const tq = as<T>(q), tk = as<T>(k), tv = as<T>(v), tdz = as<T>(dz);
        table<T> z(q.rows, wide, 5), by_parts(q.rows, wide, 6);
        b.attention(z.all(), tq.all(), tk.all(), tv.all(), shape, rows);
        CHECK(apart(exact.z, z) < tolerance);

        std::size_t size = 0;
        for (auto const n : lengths)
            size += shape.heads * n * n;
        std::vector<T> p(size), dp(size);
        b.scores(p.data(), tq.all(), tk.all(), shape, rows);
        b.softmax(p.data(), shape, rows);
        b.mix(by_parts.all(), p.data(), tv.all(), shape, rows);
        CHECK((by_parts.numbers == z.numbers));

        eg::adjoints<B> const a(b);
        for (bool const parts : {false, true}) {
            CAPTURE(parts);
            table<T> dq(q.rows, wide, 7), dk(k.rows, narrow, 8), dv(k.rows, narrow, 9);
            if (parts) {
                a.mix(dp.data(), dv.all(), tdz.all(), p.data(), tv.all(), shape, rows);
                a.softmax(dp.data(), p.data(), shape, rows);
                a.scores(dq.all(), dk.all(), dp.data(), tq.all(), tk.all(), shape, rows);
            } else {
                a.attention(dq.all(), dk.all(), dv.all(), tdz.all(), tq.all(), tk.all(), tv.all(), shape, rows);
            }
            CHECK(apart(exact.dq, dq) < tolerance);
            CHECK(apart(exact.dk, dk) < tolerance * 10);
            CHECK(apart(exact.dv, dv) < tolerance * 10);
        }
    });
}

/// Cases beside a clean run are whole examples, forwards and backwards: own rows at some positions of each.
template <class B>
void beside(B const& b, double tolerance) {
    using T = typename B::value_type;
    eg::ragged const rows(lengths);
    struct one {
        std::uint32_t example;
        std::vector<std::uint32_t> own, queried; ///< positions; those that are asked for are own ones
    };
    std::vector<one> const cases{{0, {2, 3, 70, 140}, {2, 70, 140}},
                                 {0, {149}, {149}},
                                 {2, {0, 5, 6}, {6}},
                                 {3, {0, 1, 2, 3, 30}, {0, 1, 2, 3, 30}}};
    each_kind([&](kind const& what) {
        auto const shape = shape_of(what);
        std::size_t const wide = 120, narrow = 40;
        table<T> const clean_k(rows.rows(), narrow, 2), clean_v(rows.rows(), narrow, 3);
        std::vector<std::uint32_t> positions;
        std::vector<eg::attention_row> queried;
        for (auto const& c : cases) {
            auto const first = static_cast<std::uint32_t>(positions.size());
            for (auto const p : c.own) {
                auto const row = static_cast<std::uint32_t>(positions.size());
                if (std::find(c.queried.begin(), c.queried.end(), p) != c.queried.end())
                    queried.push_back({row, row, c.example, p, first, static_cast<std::uint32_t>(c.own.size())});
                positions.push_back(p);
            }
        }
        auto const own = positions.size();
        table<T> const q(own, wide, 4), own_k(own, narrow, 5), own_v(own, narrow, 6), dz(own, wide, 7);
        table<T> z(own, wide), by_lines(own, wide), dq(own, wide, 8), dk(own, narrow, 9), dv(own, narrow, 10);
        auto const asked = list_of(queried);
        auto const at = list_of(positions);
        b.attention_rows(z.all(), q.all(), asked, clean_k.all(), clean_v.all(), own_k.all(), own_v.all(), at, shape,
                         rows);
        table<T> lines(queried.size() * shape.heads, rows.longest() + 3);
        b.score_rows(lines.all(), q.all(), asked, clean_k.all(), own_k.all(), at, shape, rows);
        b.softmax_rows(lines.all());
        b.mix_rows(by_lines.all(), lines.all(), asked, clean_v.all(), own_v.all(), at, shape, rows);
        CHECK((by_lines.numbers == z.numbers));
        eg::attention_rows_adjoint(b, dq.all(), dk.all(), dv.all(), dz.all(), q.all(), asked, clean_k.all(),
                                   clean_v.all(), own_k.all(), own_v.all(), at, shape, rows);

        for (std::size_t c = 0, first = 0; c < cases.size(); first += cases[c++].own.size()) {
            auto const n = rows.length(cases[c].example), begin = rows.begin(cases[c].example);
            table<T> all_q(n, wide, 9), k(n, narrow), v(n, narrow), all_z(n, wide), all_dz(n, wide), to_q(n, wide),
                to_k(n, narrow), to_v(n, narrow);
            std::copy_n(clean_k.row(begin), n * narrow, k.row(0));
            std::copy_n(clean_v.row(begin), n * narrow, v.row(0));
            auto const asks = [&](std::uint32_t p) {
                return std::find(cases[c].queried.begin(), cases[c].queried.end(), p) != cases[c].queried.end();
            };
            for (std::size_t o = 0; o < cases[c].own.size(); ++o) {
                auto const p = cases[c].own[o];
                std::copy_n(own_k.row(first + o), narrow, k.row(p));
                std::copy_n(own_v.row(first + o), narrow, v.row(p));
                std::copy_n(q.row(first + o), wide, all_q.row(p));
                if (asks(p))
                    std::copy_n(dz.row(first + o), wide, all_dz.row(p));
            }
            std::vector<std::uint32_t> of_example;
            for (auto const row : shape.hidden_of(rows, cases[c].example))
                of_example.push_back(static_cast<std::uint32_t>(row - begin));
            auto alone = shape;
            alone.hidden = of_example;
            b.attention(all_z.all(), all_q.all(), k.all(), v.all(), alone, eg::ragged({n}));
            eg::adjoints<B>(b).attention(to_q.all(), to_k.all(), to_v.all(), all_dz.all(), all_q.all(), k.all(),
                                         v.all(), alone, eg::ragged({n}));
            auto const far = [&](T const* x, T const* y, std::size_t width) {
                double largest = 0;
                for (std::size_t i = 0; i < width; ++i)
                    largest = std::max(largest, std::abs(double(x[i]) - double(y[i])));
                return largest;
            };
            for (std::size_t o = 0; o < cases[c].own.size(); ++o) {
                auto const p = cases[c].own[o];
                if (asks(p)) {
                    CHECK(std::equal(z.row(first + o), z.row(first + o) + wide, all_z.row(p))); // to the bit
                    CHECK(far(dq.row(first + o), to_q.row(p), wide) <= tolerance);
                }
                CHECK(far(dk.row(first + o), to_k.row(p), narrow) <= tolerance);
                CHECK(far(dv.row(first + o), to_v.row(p), narrow) <= tolerance);
            }
        }
    });
}

} // namespace

TEST_CASE("attention in both directions and with hidden keys is the formula's, forwards and backwards") {
    agrees(eg::reference{}, 1e-13);
    agrees(cpu(2), 5e-6);
}

TEST_CASE("cases beside a clean run see both directions and no hidden key") {
    beside(eg::reference{}, 1e-13);
    beside(cpu(2), 1e-5);
}

TEST_CASE("neither threads nor hidden rows change a bit of attention in both directions") {
    eg::ragged const rows(lengths);
    each_kind([&](kind const& what) {
        auto const shape = shape_of(what);
        table<float> const q(rows.rows(), 120, 1), dz(rows.rows(), 120, 4);
        table<float> k(rows.rows(), 40, 2), v(rows.rows(), 40, 3);
        auto const all = [&](int threads) {
            table<float> z(rows.rows(), 120), dq(z), dk(rows.rows(), 40), dv(dk);
            cpu(threads).attention(z.all(), q.all(), k.all(), v.all(), shape, rows);
            eg::adjoints<cpu>(cpu(threads))
                .attention(dq.all(), dk.all(), dv.all(), dz.all(), q.all(), k.all(), v.all(), shape, rows);
            z.numbers.insert(z.numbers.end(), dq.numbers.begin(), dq.numbers.end());
            z.numbers.insert(z.numbers.end(), dk.numbers.begin(), dk.numbers.end());
            z.numbers.insert(z.numbers.end(), dv.numbers.begin(), dv.numbers.end());
            return z.numbers;
        };
        auto const before = all(1);
        CHECK((all(3) == before));
        for (auto const row : shape.hidden) {
            std::fill_n(k.row(row), 40, std::numeric_limits<float>::quiet_NaN());
            std::fill_n(v.row(row), 40, std::numeric_limits<float>::infinity());
        }
        CHECK((all(2) == before));
    });
}
