#include <xtensor/xmath.hpp>

#include "catch.hpp"
#include "random_models.hpp"

#include <engraft/io/xtensor.hpp>

TEST_CASE("an activation becomes an xtensor of its hook point's shape") {
    auto const run = random_model<eg::reference>(1).run(random_prompts(2, {3, 4}), eg::capture(eg::z, eg::pattern));
    auto const z = eg::to_xtensor(run[eg::z].whole(1));
    static_assert(std::is_same_v<decltype(z), xt::xtensor<double, 3> const>);
    CHECK((z.shape(0) == 7 && z.shape(1) == 4 && z.shape(2) == 8));
    auto const slice = run[eg::z].slice(1, 1, 2, 3); // example 1, position 2: row 5
    for (std::size_t i = 0; i < 8; ++i)
        CHECK(z(5, 3, i) == slice[i]);
    // Every line of a pattern sums to 1: 4 heads x 7 query positions.
    CHECK(xt::sum(eg::to_xtensor(run[eg::pattern].whole(0)))() == Approx(28));
}

TEST_CASE("a metric of a sweep becomes an xarray with the sweep's axes") {
    eg::sweep_result found({{"layer", 2}, {"head", 3}}, 4, {eg::probability({1, 2, 3, 4}), eg::accuracy({1, 2, 3, 4})});
    for (std::size_t entry = 0; entry < 6; ++entry)
        for (std::size_t e = 0; e < 4; ++e) {
            found.set(0, entry, e, static_cast<double>(entry * 10 + e));
            found.set(1, entry, e, -1);
        }
    auto const p = eg::to_xtensor(found, "probability");
    REQUIRE((p.dimension() == 3 && p.shape(0) == 2 && p.shape(1) == 3 && p.shape(2) == 4));
    CHECK(p(0, 0, 3) == 3);
    CHECK(p(1, 2, 0) == 50);
    CHECK(p(1, 0, 2) == 32);
    CHECK(eg::to_xtensor(found, "accuracy")(1, 2, 3) == -1);
    CHECK_THROWS_AS(eg::to_xtensor(found, "logit"), eg::bad_input);
}
