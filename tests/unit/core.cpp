#include <cmath>
#include <limits>
#include <set>

#include "catch.hpp"

#include <engraft/core/numeric.hpp>
#include <engraft/core/ragged.hpp>
#include <engraft/core/random.hpp>
#include <engraft/core/tensor.hpp>

namespace eg = engraft;

TEST_CASE("extents keep what the type fixes and take the rest in order") {
    constexpr eg::extents<eg::dynamic, 9, 64> z(53);
    static_assert(z.size() == 53 * 9 * 64 && z.row_size() == 9 * 64 && z.dynamic_rank == 1);
    CHECK(eg::to_string(z) == "53 x 9 x 64");
    constexpr eg::extents<eg::dynamic, 2, eg::dynamic> mixed(3, 5);
    CHECK((mixed[0] == 3 && mixed[1] == 2 && mixed[2] == 5));
    CHECK(eg::extents<4, 5>().size() == 20);
    CHECK(eg::extents<eg::dynamic>().size() == 0);
}

TEST_CASE("a tensor owns its elements and a view finds them in row-major order") {
    std::vector<float> const numbers{0, 1, 2, 3, 4, 5};
    auto t = eg::tensor<float, eg::host_memory, eg::extents<eg::dynamic, 3>>::from_host(numbers,
                                                                                        eg::extents<eg::dynamic, 3>(2));
    CHECK(t.view()(1, 2) == 5);
    t.view()(0, 1) = 7;
    CHECK(t.to_host() == std::vector<float>{0, 7, 2, 3, 4, 5});
    auto const moved = std::move(t);
    CHECK(moved.size() == 6);
    auto const m = eg::as_matrix(moved);
    CHECK((m.rows == 2 && m.columns == 3 && m.row_range(1, 1).column_range(1, 2).data[0] == 4));
}

TEST_CASE("a tensor larger than memory's addresses is refused and not wrapped around") {
    using huge = eg::tensor<double, eg::host_memory, eg::extents<eg::dynamic, eg::dynamic>>;
    auto const half = std::numeric_limits<std::size_t>::max() / 2;
    CHECK_THROWS_AS(huge(eg::extents<eg::dynamic, eg::dynamic>(half, 3)), std::bad_alloc);
}

TEST_CASE("half precision bits have the values of IEEE 754") {
    CHECK(eg::from_float16(0x3c00) == 1.0f);
    CHECK(eg::from_float16(0xc000) == -2.0f);
    CHECK(eg::from_float16(0x0001) == 0x1p-24f);
    CHECK(eg::from_float16(0x03ff) == 1023 * 0x1p-24f);
    CHECK(eg::from_float16(0x7bff) == 65504.0f);
    CHECK(eg::from_float16(0x7c00) == std::numeric_limits<float>::infinity());
    CHECK(std::isnan(eg::from_float16(0x7e00)));
    CHECK(std::signbit(eg::from_float16(0x8000)));
    CHECK(eg::from_bfloat16(0x3f80) == 1.0f);
    CHECK(eg::from_bfloat16(0xc2f7) == -123.5f);
}

TEST_CASE("random numbers are Philox 4x32-10's published ones") {
    using block = std::array<std::uint32_t, 4>;
    CHECK(eg::random::block(0, 0, 0) == block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    CHECK(eg::random::block(~0ull, ~0ull, ~0ull) == block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    CHECK(eg::random::block(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88) ==
          block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
    eg::random r(0);
    CHECK(r.bits() == 0xe169c58d6627e8d5);
}

TEST_CASE("random draws are in range, different where they must be, and the same for the same seed") {
    eg::random r(7), again(7), other(7, 1);
    auto const drawn = r.sample(26, 7);
    CHECK(drawn == again.sample(26, 7));
    CHECK(drawn != other.sample(26, 7));
    CHECK(std::set(drawn.begin(), drawn.end()).size() == 7);
    CHECK(*std::max_element(drawn.begin(), drawn.end()) < 26);
    double sum = 0, squares = 0;
    for (int i = 0; i < 20000; ++i) {
        double const x = r.normal(), u = r.uniform();
        CHECK_FALSE((u < 0 || u >= 1));
        sum += x;
        squares += x * x;
    }
    CHECK(std::abs(sum / 20000) < 0.03);
    CHECK(std::abs(squares / 20000 - 1) < 0.05);
    CHECK_THROWS_AS(r.below(0), eg::bad_input);
    CHECK_THROWS_AS(r.sample(3, 4), eg::bad_input);
}

TEST_CASE("ragged rows count positions from either end and refuse others") {
    eg::ragged const rows({3, 1, 5});
    CHECK((rows.examples() == 3 && rows.rows() == 9 && rows.begin(2) == 4 && rows.longest() == 5));
    CHECK(rows.position(2, -1) == 4);
    CHECK(rows.position(0, 2) == 2);
    CHECK_THROWS_WITH(rows.position(1, 1), Catch::Matchers::ContainsSubstring("example 1 has 1 positions"));
    CHECK_THROWS_AS(rows.position(0, -4), eg::bad_position);
    CHECK_THROWS_AS(eg::ragged(std::vector<std::size_t>{}), eg::bad_input);
    CHECK_THROWS_WITH(eg::ragged(std::vector<std::size_t>{2, 0}), Catch::Matchers::ContainsSubstring("example 1"));
}
