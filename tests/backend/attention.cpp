#include "catch.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <engraft/backend/cpu/adjoint.hpp>
#include <engraft/backend/reference/adjoint.hpp>
#include <engraft/core/random.hpp>

namespace eg = engraft;

namespace {

using cpu = eg::cpu<eg::fp32>;
using host = eg::host_memory;

template <class T>
struct table {
    std::size_t rows, columns;
    std::vector<T> numbers;

    table(std::size_t r, std::size_t c, std::uint64_t seed = 0) : rows(r), columns(c), numbers(r * c) {
        eg::random draw(seed);
        for (auto& x : numbers)
            x = seed == 0 ? T(0) : static_cast<T>(2 * draw.uniform() - 1);
    }
    eg::matrix<T> all() { return {numbers.data(), rows, columns, columns}; }
    eg::matrix<T const> all() const { return {numbers.data(), rows, columns, columns}; }
    eg::matrix<T const> part(std::size_t first, std::size_t count) const { return all().row_range(first, count); }
};

template <class E>
auto list_of(std::vector<E> const& all) {
    return eg::vector_tensor<E, host>::from_host(all, eg::extents<eg::dynamic>(all.size()));
}

eg::attention_shape shape_of(std::size_t width, std::size_t window, double softcap) {
    return {.heads = 6, .kv_heads = 2, .width = width, .scale = 0.8, .softcap = softcap, .window = window};
}

template <class B>
table<typename B::value_type> attention(B const& b, eg::attention_shape const& shape, eg::ragged const& rows) {
    using T = typename B::value_type;
    table<T> const q(rows.rows(), shape.heads * shape.width, 1), k(rows.rows(), shape.kv_heads * shape.width, 2),
        v(k.rows, k.columns, 3);
    table<T> z(q.rows, q.columns);
    b.attention(z.all(), q.all(), k.all(), v.all(), shape, rows);
    return z;
}

template <class F>
void each_shape(F const& f) {
    for (std::size_t const width : {5u, 16u, 64u, 80u})
        for (std::size_t const window : {0u, 70u})
            for (double const softcap : {0.0, 0.7}) {
                CAPTURE(width, window, softcap);
                f(shape_of(width, window, softcap));
            }
}

} // namespace

TEST_CASE("attention over prompts of any length agrees with the reference") {
    eg::ragged const rows({530, 1, 17, 129});
    each_shape([&](eg::attention_shape const& shape) {
        auto const exact = attention(eg::reference{}, shape, rows);
        auto const found = attention(cpu(2), shape, rows);
        double largest = 0;
        for (std::size_t i = 0; i < exact.numbers.size(); ++i)
            largest = std::max(largest, std::abs(exact.numbers[i] - double(found.numbers[i])));
        CHECK(largest < 2e-6);
    });
}

TEST_CASE("attention in three steps has the bits of attention in one, and so has each prompt by itself") {
    eg::ragged const rows({530, 1, 17, 129});
    each_shape([&](eg::attention_shape const& shape) {
        table<float> const q(rows.rows(), shape.heads * shape.width, 1),
            k(rows.rows(), shape.kv_heads * shape.width, 2), v(k.rows, k.columns, 3);
        auto const z = attention(cpu(2), shape, rows);
        std::size_t size = 0;
        for (std::size_t e = 0; e < rows.examples(); ++e)
            size += shape.heads * rows.length(e) * rows.length(e);
        std::vector<float> pattern(size);
        table<float> by_pattern(z.rows, z.columns);
        cpu const b(2);
        b.scores(pattern.data(), q.all(), k.all(), shape, rows);
        b.softmax(pattern.data(), shape, rows);
        b.mix(by_pattern.all(), pattern.data(), v.all(), shape, rows);
        CHECK((by_pattern.numbers == z.numbers));
        for (std::size_t e = 0; e < rows.examples(); ++e) {
            eg::ragged const one({rows.length(e)});
            auto const begin = rows.begin(e), count = rows.length(e);
            table<float> alone(count, z.columns);
            cpu(1).attention(alone.all(), q.part(begin, count), k.part(begin, count), v.part(begin, count), shape, one);
            CHECK(std::equal(alone.numbers.begin(), alone.numbers.end(),
                             z.numbers.begin() + static_cast<std::ptrdiff_t>(begin * z.columns)));
        }
    });
}

TEST_CASE("rows beside a clean run have the bits of whole examples, wherever their case's own rows stand") {
    eg::ragged const rows({200, 40});
    each_shape([&](eg::attention_shape const& shape) {
        std::size_t const wide = shape.heads * shape.width, narrow = shape.kv_heads * shape.width;
        table<float> const clean_k(rows.rows(), narrow, 2), clean_v(rows.rows(), narrow, 3);
        // Cases of random places; some have a suffix, some one row, some have rows that nobody asks for.
        eg::random draw(7);
        std::vector<std::vector<std::uint32_t>> own;
        std::vector<std::uint32_t> example;
        for (std::uint32_t c = 0; c < 12; ++c) {
            example.push_back(c < 9 ? 0 : 1);
            auto const n = static_cast<std::uint32_t>(rows.length(example.back()));
            std::vector<std::uint32_t> places;
            if (c % 3 == 0)
                places.push_back(n - 1);
            else if (c % 3 == 1)
                for (auto p = static_cast<std::uint32_t>(draw.below(n)); p < n; ++p)
                    places.push_back(p);
            else
                for (std::uint32_t p = 0; p < n; ++p)
                    if (draw.uniform() < 0.2)
                        places.push_back(p);
            own.push_back(places);
        }
        std::vector<std::uint32_t> positions;
        std::vector<eg::attention_row> queried;
        for (std::size_t c = 0; c < own.size(); ++c) {
            auto const first = static_cast<std::uint32_t>(positions.size());
            for (auto const p : own[c]) {
                auto const row = static_cast<std::uint32_t>(positions.size());
                if (p % 4 != 1)
                    queried.push_back({row, row, example[c], p, first, static_cast<std::uint32_t>(own[c].size())});
                positions.push_back(p);
            }
        }
        auto const count = positions.size();
        table<float> const q(count, wide, 4), own_k(count, narrow, 5), own_v(count, narrow, 6);
        table<float> z(count, wide), by_lines(count, wide);
        cpu const b(2);
        auto const asked = list_of(queried);
        auto const at = list_of(positions);
        b.attention_rows(z.all(), q.all(), asked, clean_k.all(), clean_v.all(), own_k.all(), own_v.all(), at, shape,
                         rows);
        table<float> lines(queried.size() * shape.heads, rows.longest() + 3);
        b.score_rows(lines.all(), q.all(), asked, clean_k.all(), own_k.all(), at, shape, rows);
        b.softmax_rows(lines.all());
        b.mix_rows(by_lines.all(), lines.all(), asked, clean_v.all(), own_v.all(), at, shape, rows);
        CHECK((by_lines.numbers == z.numbers));

        for (std::size_t c = 0, first = 0; c < own.size(); first += own[c++].size()) {
            auto const e = example[c];
            std::size_t const n = rows.length(e);
            table<float> all_q(n, wide, 9), k(n, narrow), v(n, narrow), all_z(n, wide);
            std::copy_n(clean_k.part(rows.begin(e), n).data, n * narrow, k.numbers.data());
            std::copy_n(clean_v.part(rows.begin(e), n).data, n * narrow, v.numbers.data());
            for (std::size_t o = 0; o < own[c].size(); ++o) {
                std::copy_n(own_k.part(first + o, 1).data, narrow, k.numbers.data() + own[c][o] * narrow);
                std::copy_n(own_v.part(first + o, 1).data, narrow, v.numbers.data() + own[c][o] * narrow);
                std::copy_n(q.part(first + o, 1).data, wide, all_q.numbers.data() + own[c][o] * wide);
            }
            b.attention(all_z.all(), all_q.all(), k.all(), v.all(), shape, eg::ragged({n}));
            for (std::size_t o = 0; o < own[c].size(); ++o)
                if (own[c][o] % 4 != 1)
                    REQUIRE(std::equal(z.part(first + o, 1).data, z.part(first + o, 1).data + wide,
                                       all_z.numbers.data() + own[c][o] * wide));
        }
    });
}

TEST_CASE("keys that a row does not see can't change it, even if they are NaN") {
    auto const shape = shape_of(16, 0, 0);
    eg::ragged const rows({50});
    table<float> const q(50, 96, 1);
    table<float> k(50, 32, 2), v(50, 32, 3), z(50, 96), changed(50, 96);
    cpu const b(2);
    b.attention(z.all(), q.all(), k.all(), v.all(), shape, rows);
    std::fill_n(k.numbers.data() + 30 * 32, 32, std::numeric_limits<float>::quiet_NaN());
    std::fill_n(v.numbers.data() + 30 * 32, 32, std::numeric_limits<float>::infinity());
    b.attention(changed.all(), q.all(), k.all(), v.all(), shape, rows);
    CHECK(std::equal(z.numbers.begin(), z.numbers.begin() + 30 * 96, changed.numbers.begin()));
    CHECK(std::isnan(changed.numbers[30 * 96]));
}

TEST_CASE("attention backwards over prompts of any length agrees with the reference, in one step and in three") {
    eg::ragged const rows({600, 1, 17, 129});
    for (std::size_t const window : {0u, 70u})
        for (double const softcap : {0.0, 0.7}) {
            CAPTURE(window, softcap);
            auto const shape = shape_of(20, window, softcap);
            auto const back = [&](auto const& b, bool steps) {
                using B = std::remove_cvref_t<decltype(b)>;
                using T = typename B::value_type;
                std::size_t const wide = shape.heads * shape.width, narrow = shape.kv_heads * shape.width;
                table<T> const q(rows.rows(), wide, 1), k(rows.rows(), narrow, 2), v(rows.rows(), narrow, 3),
                    dz(rows.rows(), wide, 4);
                table<T> dq(rows.rows(), wide, 5), dk(rows.rows(), narrow, 6), dv(rows.rows(), narrow, 7);
                eg::adjoints<B> const a(b);
                if (steps) {
                    std::size_t size = 0;
                    for (std::size_t e = 0; e < rows.examples(); ++e)
                        size += shape.heads * rows.length(e) * rows.length(e);
                    std::vector<T> p(size), dp(size);
                    b.scores(p.data(), q.all(), k.all(), shape, rows);
                    b.softmax(p.data(), shape, rows);
                    a.mix(dp.data(), dv.all(), dz.all(), p.data(), v.all(), shape, rows);
                    a.softmax(dp.data(), p.data(), shape, rows);
                    a.scores(dq.all(), dk.all(), dp.data(), q.all(), k.all(), shape, rows);
                } else {
                    a.attention(dq.all(), dk.all(), dv.all(), dz.all(), q.all(), k.all(), v.all(), shape, rows);
                }
                std::vector<double> all(dq.numbers.begin(), dq.numbers.end());
                all.insert(all.end(), dk.numbers.begin(), dk.numbers.end());
                all.insert(all.end(), dv.numbers.begin(), dv.numbers.end());
                return all;
            };
            auto const exact = back(eg::reference{}, false);
            CHECK((back(cpu(1), false) == back(cpu(3), false)));
            for (bool const steps : {false, true}) {
                auto const found = back(cpu(2), steps);
                double largest = 0;
                for (std::size_t i = 0; i < exact.size(); ++i)
                    largest = std::max(largest, std::abs(exact[i] - found[i]));
                CHECK(largest < 2e-5);
            }
        }
}
