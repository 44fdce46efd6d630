#include "catch.hpp"

#include <engraft/backend/cpu/cpu.hpp>
#include <engraft/backend/reference/reference.hpp>
#include <engraft/core/random.hpp>

namespace eg = engraft;

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
