#include "catch.hpp"

#include <cmath>
#include <cstdlib>

#include <engraft/backend/adapted.hpp>
#include <engraft/backend/cpu/adjoint.hpp>
#include <engraft/backend/cpu/kernels.hpp>
#include <engraft/backend/reference/reference.hpp>
#include <engraft/core/random.hpp>

namespace eg = engraft;

static_assert(eg::computes_entries<eg::cpu<eg::fp32>> && eg::computes_entries<eg::adapted<eg::cpu<eg::fp32>>>);

namespace {

using table = eg::matrix_tensor<float, eg::host_memory>;

table random_table(std::uint64_t seed, std::size_t rows, std::size_t columns) {
    eg::random r(seed);
    std::vector<float> numbers(rows * columns);
    for (auto& x : numbers)
        x = static_cast<float>(r.uniform() - 0.5);
    return table::from_host(numbers, table::extents_type(rows, columns));
}

std::vector<float> product(eg::cpu<eg::fp32> const& backend, table const& in, std::size_t first, std::size_t count,
                           eg::cpu<eg::fp32>::linear_map const& map) {
    table out(table::extents_type(count, map.out()));
    backend.linear(as_matrix(out), as_matrix(in).row_range(first, count), map);
    return out.to_host();
}

} // namespace

TEST_CASE("a row's product is the same to the bit whatever the rows beside it, where it stands, and the threads") {
    eg::cpu<eg::fp32> const one(1), two(2);
    constexpr std::size_t rows = 600;
    for (auto [in, out] : {std::pair<std::size_t, std::size_t>{8, 5}, {128, 755}, {192, 128}, {1536, 576}}) {
        auto const x = random_table(in, rows, in);
        auto const map = one.make_linear(random_table(out, out, in), {});
        auto const all = product(one, x, 0, rows, map);
        REQUIRE(product(two, x, 0, rows, map) == all);
        for (std::size_t first : {0u, 3u, 250u})
            for (std::size_t count : {1u, 2u, 3u, 4u, 5u, 7u, 8u, 9u, 12u, 13u, 25u, 53u, 64u, 255u, 257u, 333u}) {
                INFO(in << " -> " << out << ", rows " << first << " to " << first + count);
                auto const begin = all.begin() + static_cast<std::ptrdiff_t>(first * out);
                REQUIRE(product(two, x, first, count, map) ==
                        std::vector<float>(begin, begin + static_cast<std::ptrdiff_t>(count * out)));
            }
    }
}

TEST_CASE("a linear map with a bias is the reference's to fp32 rounding") {
    eg::reference const exact;
    eg::cpu<eg::fp32> const fast(2);
    auto const x = random_table(1, 37, 96), w = random_table(2, 41, 96), b = random_table(3, 1, 41);
    auto const widened = [](table const& t) {
        auto const numbers = t.to_host();
        return eg::matrix_tensor<double, eg::host_memory>::from_host(
            std::vector<double>(numbers.begin(), numbers.end()), t.shape());
    };
    auto const bias = b.to_host();
    auto const map =
        fast.make_linear(random_table(2, 41, 96),
                         eg::vector_tensor<float, eg::host_memory>::from_host(bias, eg::extents<eg::dynamic>(41)));
    auto const exact_map =
        exact.make_linear(widened(w), eg::vector_tensor<double, eg::host_memory>::from_host(
                                          std::vector<double>(bias.begin(), bias.end()), eg::extents<eg::dynamic>(41)));
    auto const ours = product(fast, x, 0, 37, map);
    eg::matrix_tensor<double, eg::host_memory> theirs(eg::extents<eg::dynamic, eg::dynamic>(37, 41));
    auto const wide = widened(x);
    exact.linear(eg::as_matrix(theirs), eg::as_matrix(wide), exact_map);
    auto const expected = theirs.to_host();
    for (std::size_t i = 0; i < expected.size(); ++i)
        CHECK(double(ours[i]) == Approx(expected[i]).margin(3e-6));
}

TEST_CASE("tiles of every instruction set that this processor has make each number by one chain of additions") {
    constexpr std::size_t most = eg::detail::tile_set::most_rows, inputs = 37, panels = 4, wide = 16 * panels;
    auto const in = random_table(1, most, inputs), w = random_table(2, wide, inputs);
    eg::detail::packed_matrix const packed(random_table(2, wide, inputs), 1);
    auto const check = [&](eg::detail::tile_set const& tiles, double tolerance) {
        for (std::size_t rows = 1; rows <= tiles.rows; ++rows)
            for (bool single : {true, false})
                for (bool go_on : {true, false}) {
                    std::size_t const columns = 16 * (single ? 1 : tiles.panels);
                    std::vector<float> out(rows * wide, 0.25f), expected = out;
                    for (std::size_t r = 0; r < rows; ++r)
                        for (std::size_t c = 0; c < columns; ++c) {
                            float sum = go_on ? 0.25f : 0;
                            for (std::size_t i = 3; i < inputs; ++i)
                                sum = std::fma(in.data()[r * inputs + i], w.data()[c * inputs + i], sum);
                            expected[r * wide + c] = sum;
                        }
                    (single ? tiles.single
                            : tiles.wide)[rows - 1]({in.data() + 3, inputs, 1, packed.at(0, 3), 16, packed.panel_size(),
                                                     inputs - 3, out.data(), wide, go_on});
                    INFO(rows << " rows, " << columns << " columns, begun " << go_on);
                    for (std::size_t i = 0; i < out.size(); ++i)
                        REQUIRE(std::abs(double(out[i]) - double(expected[i])) <= tolerance);
                }
    };
    auto const all = eg::detail::all_kernels();
    check(all[0]->tiles, 1e-6); // fused or not, as the compiler is told
    for (auto const* set : all.subspan(1))
        check(set->tiles, 0);
}

TEST_CASE("single entries, rows of weights, and heads' shares of a product are those of the product, to the bit") {
    eg::cpu<eg::fp32> const backend(2);
    constexpr std::size_t rows = 13, in = 48, out = 41, heads = 3;
    auto const x = random_table(1, rows, in), w = random_table(2, out, in);
    auto const bias = random_table(3, 1, out).to_host();
    auto const map =
        backend.make_linear(random_table(2, out, in),
                            eg::vector_tensor<float, eg::host_memory>::from_host(bias, eg::extents<eg::dynamic>(out)));
    auto const all = product(backend, x, 0, rows, map);
    std::vector<eg::token> columns;
    std::vector<std::int32_t> index;
    for (std::size_t r = 0; r < rows; ++r) {
        columns.push_back(static_cast<eg::token>(r * 7 % out));
        index.push_back(static_cast<std::int32_t>(r * 11 % out));
    }
    auto const entries = backend.map_entries(as_matrix(x), map, columns);
    table picked(table::extents_type(rows, in)), shares(table::extents_type(rows, heads * out));
    backend.gather_weights(
        as_matrix(picked), map,
        eg::vector_tensor<std::int32_t, eg::host_memory>::from_host(index, eg::extents<eg::dynamic>(index.size())));
    auto const plain = backend.make_linear(random_table(2, out, in), {});
    backend.head_results(as_matrix(shares), as_matrix(x), plain, heads);
    for (std::size_t r = 0; r < rows; ++r) {
        CHECK(entries[r] == double(all[r * out + static_cast<std::size_t>(columns[r])]));
        for (std::size_t c = 0; c < in; ++c)
            CHECK(picked.data()[r * in + c] == w.data()[static_cast<std::size_t>(index[r]) * in + c]);
    }
    // A product's chain of additions goes on from one head to the next.
    auto const first = product(backend, x, 0, rows, plain);
    std::vector<float> sum(rows * out);
    for (std::size_t h = 0; h < heads; ++h)
        eg::detail::multiply(2, {sum.data(), rows, out, out}, as_matrix(x).column_range(h * in / heads, in / heads),
                             plain.weight, {.first_input = h * in / heads, .add = h > 0});
    CHECK(sum == first);
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < out; ++c) {
            double of_heads = 0;
            for (std::size_t h = 0; h < heads; ++h)
                of_heads += double(shares.data()[(r * heads + h) * out + c]);
            CHECK(of_heads == Approx(double(first[r * out + c])).margin(1e-5));
        }
}

TEST_CASE("the product back is that of the formula, the same to the bit whatever the rows beside it and the threads") {
    eg::cpu<eg::fp32> const one(1), two(2);
    using adjoint = eg::adjoints<eg::cpu<eg::fp32>>;
    constexpr std::size_t rows = 150;
    for (auto [in, out] : {std::pair<std::size_t, std::size_t>{8, 5}, {20, 33}, {128, 755}, {77, 600}, {576, 192}}) {
        auto const dy = random_table(out, rows, out), w = random_table(in, out, in);
        auto const map = one.make_linear(random_table(in, out, in), {});
        auto const back = [&, in = in](adjoint const& a, std::size_t first, std::size_t count, bool add) {
            auto dx = random_table(4, rows, in);
            a.linear(as_matrix(dx).row_range(0, count), as_matrix(dy).row_range(first, count), map, add);
            auto const all = dx.to_host();
            return std::vector<float>(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count * in));
        };
        auto const before = random_table(4, rows, in).to_host(), numbers = dy.to_host(), weights = w.to_host();
        for (bool add : {false, true}) {
            auto const all = back(adjoint(one), 0, rows, add);
            INFO(out << " -> " << in << (add ? ", added" : ""));
            double difference = 0;
            for (std::size_t r = 0; r < rows; ++r)
                for (std::size_t i = 0; i < in; ++i) {
                    double sum = add ? before[r * in + i] : 0;
                    for (std::size_t o = 0; o < out; ++o)
                        sum += double(numbers[r * out + o]) * double(weights[o * in + i]);
                    difference = std::max(difference, std::abs(sum - double(all[r * in + i])));
                }
            CHECK(difference < 2e-5);
            CHECK(back(adjoint(two), 0, rows, add) == all);
            if (!add)
                for (std::size_t first : {0u, 3u})
                    for (std::size_t count : {1u, 5u, 7u, 50u, 97u}) {
                        auto const begin = all.begin() + static_cast<std::ptrdiff_t>(first * in);
                        CHECK(back(adjoint(two), first, count, false) ==
                              std::vector<float>(begin, begin + static_cast<std::ptrdiff_t>(count * in)));
                    }
        }
        // Some outputs only, and the inputs of a head.
        std::size_t const skipped = out / 3, taken = out - skipped;
        auto part = random_table(1, rows, in);
        adjoint(two).linear_part(as_matrix(part), as_matrix(dy).column_range(skipped, taken), map, skipped);
        double difference = 0;
        for (std::size_t r = 0; r < rows; ++r)
            for (std::size_t i = 0; i < in; ++i) {
                double sum = 0;
                for (std::size_t o = skipped; o < out; ++o)
                    sum += double(numbers[r * out + o]) * double(weights[o * in + i]);
                difference = std::max(difference, std::abs(sum - double(as_matrix(part).data[r * in + i])));
            }
        CHECK(difference < 2e-5);
    }
}
