#include <algorithm>
#include <cmath>

#include "catch.hpp"

#include <engraft/backend/cpu/adjoint.hpp>
#include <engraft/backend/cpu/adjoint_rows.hpp>
#include <engraft/backend/reference/adjoint_rows.hpp>
#include <engraft/core/random.hpp>

namespace eg = engraft;

namespace {

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
    void copy(std::size_t to, table const& from, std::size_t row) {
        std::copy_n(from.numbers.begin() + static_cast<std::ptrdiff_t>(row * columns), columns,
                    numbers.begin() + static_cast<std::ptrdiff_t>(to * columns));
    }
};

/// Cases that see a clean run before their own rows, against whole examples that have the same keys and values.
template <class B>
void compare(B const& backend, double tolerance) {
    using T = typename B::value_type;
    using host = eg::host_memory;
    eg::ragged const clean_rows({5, 9, 7});
    struct one {
        std::uint32_t example, first;
    };
    std::vector<one> const cases{{0, 4}, {0, 0}, {1, 3}, {1, 3}, {1, 8}, {2, 5}}; // some of them of one example
    for (double const softcap : {0.0, 0.7})
        for (std::size_t const window : {std::size_t(0), std::size_t(4)}) {
            eg::attention_shape const shape{
                .heads = 6, .kv_heads = 2, .width = 5, .scale = 0.8, .softcap = softcap, .window = window};
            CAPTURE(softcap, window);
            constexpr std::size_t wide = 30, narrow = 10;
            table<T> clean_k(21, narrow, 1), clean_v(21, narrow, 2);
            std::vector<eg::attention_row> queried;
            std::vector<std::uint32_t> positions;
            std::vector<std::size_t> lengths;
            for (auto const& c : cases) {
                auto const n = static_cast<std::uint32_t>(clean_rows.length(c.example));
                auto const begin = static_cast<std::uint32_t>(positions.size());
                lengths.push_back(n);
                for (auto p = c.first; p < n; ++p) {
                    auto const row = static_cast<std::uint32_t>(positions.size());
                    positions.push_back(p);
                    queried.push_back({row, row, c.example, p, begin, n - c.first});
                }
            }
            auto const own = positions.size();
            table<T> own_k(own, narrow, 3), own_v(own, narrow, 4), q(own, wide, 5), dz(own, wide, 6);
            table<T> dq(own, wide, 7), dk(own, narrow, 8), dv(own, narrow, 9); // what they held is overwritten
            eg::attention_rows_adjoint(
                backend, dq.all(), dk.all(), dv.all(), dz.all(), q.all(),
                eg::vector_tensor<eg::attention_row, host>::from_host(queried, eg::extents<eg::dynamic>(own)),
                clean_k.all(), clean_v.all(), own_k.all(), own_v.all(),
                eg::vector_tensor<std::uint32_t, host>::from_host(positions, eg::extents<eg::dynamic>(own)), shape,
                clean_rows);

            eg::ragged const whole(lengths);
            table<T> k(whole.rows(), narrow), v(k), all_q(whole.rows(), wide), all_dz(all_q), to_q(all_q), to_k(k),
                to_v(k);
            for (std::size_t c = 0, o = 0; c < cases.size(); ++c)
                for (std::size_t p = 0; p < lengths[c]; ++p) {
                    auto const row = whole.begin(c) + p;
                    if (p < cases[c].first) {
                        k.copy(row, clean_k, clean_rows.begin(cases[c].example) + p);
                        v.copy(row, clean_v, clean_rows.begin(cases[c].example) + p);
                    } else {
                        k.copy(row, own_k, o);
                        v.copy(row, own_v, o);
                        all_q.copy(row, q, o);
                        all_dz.copy(row, dz, o++);
                    }
                }
            eg::adjoints<B>(backend).attention(to_q.all(), to_k.all(), to_v.all(), all_dz.all(), all_q.all(), k.all(),
                                               v.all(), shape, whole);
            double largest = 0;
            auto const differ = [&](table<T> const& a, std::size_t i, table<T> const& b, std::size_t j) {
                for (std::size_t x = 0; x < a.columns; ++x)
                    largest = std::max(
                        largest, std::abs(double(a.numbers[i * a.columns + x]) - double(b.numbers[j * b.columns + x])));
            };
            for (std::size_t c = 0, o = 0; c < cases.size(); ++c)
                for (std::size_t p = cases[c].first; p < lengths[c]; ++p, ++o) {
                    differ(dq, o, to_q, whole.begin(c) + p);
                    differ(dk, o, to_k, whole.begin(c) + p);
                    differ(dv, o, to_v, whole.begin(c) + p);
                }
            CHECK(largest <= tolerance);
        }
}

} // namespace

TEST_CASE("attention of cases beside a clean run, backwards, is that of whole examples") {
    compare(eg::reference{}, 1e-13);
    compare(eg::cpu<eg::fp32>(2), 1e-5);
}
