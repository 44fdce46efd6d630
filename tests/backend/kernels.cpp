#include "catch.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

#include <engraft/backend/cpu/cpu.hpp>
#include <engraft/backend/cpu/kernels.hpp>
#include <engraft/backend/cpu/parallel.hpp>
#include <engraft/core/random.hpp>

namespace eg = engraft;
using eg::detail::cpu_kernels;

namespace {

struct numbers {
    std::size_t rows, columns;
    std::vector<float> all;

    numbers(std::uint64_t seed, std::size_t r, std::size_t c, double size = 4) : rows(r), columns(c), all(r * c) {
        eg::random draw(seed);
        for (auto& x : all)
            x = static_cast<float>(size * (2 * draw.uniform() - 1));
    }
    eg::matrix<float> m() { return {all.data(), rows, columns, columns}; }
    eg::matrix<float const> m() const { return {all.data(), rows, columns, columns}; }
};

/// What make(kernels) gives for each instruction set of this processor: the same bits wherever products are fused.
template <class Make>
std::vector<float> same_of_all(Make const& make, double tolerance) {
    auto const all = eg::detail::all_kernels();
    auto const widest = make(*all.back());
    for (auto const* set : all) {
        INFO(set->name);
        auto const found = make(*set);
        REQUIRE(found.size() == widest.size());
        for (std::size_t i = 0; i < found.size(); ++i) {
            CAPTURE(i, found[i], widest[i]);
            if (set != all[0])
                REQUIRE(std::bit_cast<std::uint32_t>(found[i]) == std::bit_cast<std::uint32_t>(widest[i]));
            else
                REQUIRE(std::abs(found[i] - widest[i]) <= tolerance * (1 + std::abs(widest[i])));
        }
    }
    return widest;
}

constexpr std::size_t widths[] = {1, 15, 16, 53, 576};

} // namespace

TEST_CASE("kernels of all instruction sets give the same bits, forwards") {
    for (std::size_t const n : widths) {
        CAPTURE(n);
        numbers const x(1, 3, n), y(2, 3, n), gain(3, 1, n), bias(4, 1, n);
        auto const in_place = [&](auto const& f) {
            same_of_all(
                [&](cpu_kernels const& k) {
                    auto to = x;
                    f(k, to.m());
                    return to.all;
                },
                1e-5);
        };
        in_place([&](auto& k, auto to) { k.rms_norm(to, x.m(), gain.all.data(), 1e-5); });
        if (n > 1)
            in_place([&](auto& k, auto to) { k.layer_norm(to, x.m(), gain.all.data(), bias.all.data(), 1e-5); });
        in_place([&](auto& k, auto to) { k.add(to, y.m()); });
        in_place([&](auto& k, auto to) { k.add_bias(to, bias.all.data()); });
        in_place([&](auto& k, auto to) { k.add_difference(to, y.m(), x.m(), 1); });
        in_place([&](auto& k, auto to) { k.scale(to, 0.3f); });
        in_place([&](auto& k, auto to) { k.softcap(to, 2.5f); });
        for (auto const kind : {eg::mlp::gated_silu, eg::mlp::gelu, eg::mlp::gelu_tanh, eg::mlp::gated_gelu_tanh,
                                eg::mlp::relu}) {
            in_place([&](auto& k, auto to) { k.activate(to, kind); });
            in_place([&](auto& k, auto to) { k.gated(to, y.m(), kind); });
            in_place([&](auto& k, auto to) { k.activate_back(to, y.m(), kind); });
        }
        in_place([&](auto& k, auto to) { k.rms_norm_back(to, y.m(), x.m(), gain.all.data(), 1e-5, true); });
        if (n > 1)
            in_place([&](auto& k, auto to) { k.layer_norm_back(to, y.m(), x.m(), gain.all.data(), 1e-5, false); });
        in_place([&](auto& k, auto to) { k.softcap_back(to, y.m(), 9); });
        in_place([&](auto& k, auto to) { k.scale_slice(to.data, n, 0.7f); });
        in_place([&](auto& k, auto to) { k.add_slice(to.data, y.all.data(), n, 0.7f); });
        in_place([&](auto& k, auto to) { k.blend_slice(to.data, y.all.data(), n, gain.all.data(), true); });
        in_place([&](auto& k, auto to) { k.project_slice(to.data, y.all.data(), n, gain.m()); });
        in_place([&](auto& k, auto to) { k.softmax_seed(to.data, y.all.data(), n, 3.5f, -0.25f); });
        same_of_all(
            [&](cpu_kernels const& k) { return std::vector{static_cast<float>(k.log_sum_exp(x.all.data(), n))}; },
            1e-6);
    }
}

TEST_CASE("kernels agree with the formulas to fp32 rounding") {
    constexpr std::size_t n = 53;
    numbers const x(1, 1, n), gain(3, 1, n), bias(4, 1, n);
    double squares = 0, mean = 0, variance = 0;
    for (float const e : x.all)
        squares += double(e) * e, mean += double(e) / n;
    for (float const e : x.all)
        variance += (e - mean) * (e - mean) / n;
    for (auto const* k : eg::detail::all_kernels()) {
        INFO(k->name);
        numbers rms(0, 1, n), layer(0, 1, n);
        k->rms_norm(rms.m(), x.m(), gain.all.data(), 1e-5);
        k->layer_norm(layer.m(), x.m(), gain.all.data(), bias.all.data(), 1e-5);
        double sum = 0;
        for (std::size_t i = 0; i < n; ++i) {
            CHECK(rms.all[i] == Approx(x.all[i] / std::sqrt(squares / n + 1e-5) * gain.all[i]).margin(1e-6));
            CHECK(layer.all[i] ==
                  Approx((x.all[i] - mean) / std::sqrt(variance + 1e-5) * gain.all[i] + bias.all[i]).margin(2e-6));
            sum += std::exp(double(x.all[i]));
        }
        CHECK(k->log_sum_exp(x.all.data(), n) == Approx(std::log(sum)).margin(1e-6));

        // Softmax down the keys, each lane over its own, and its derivative.
        constexpr std::size_t keys = 150;
        numbers scores(5, keys, 16), slopes(6, keys, 16);
        auto const before = scores.all, back = slopes.all;
        eg::detail::attention_lanes lanes;
        for (int l = 0; l < 16; ++l) {
            lanes.first[static_cast<std::size_t>(l)] = l > 8 ? 3 * l : 0;
            lanes.last[static_cast<std::size_t>(l)] = 60 + 5 * l;
        }
        std::array<float, 16> largest, factors;
        largest.fill(-HUGE_VALF);
        k->finish_scores(scores.all.data(), 16, 0, 70, lanes, 0.5f, 0, largest.data()); // some keys at a time
        k->finish_scores(scores.all.data(), 16, 70, keys, lanes, 0.5f, 0, largest.data());
        for (std::size_t l = 0; l < 16; ++l) {
            float most = -HUGE_VALF;
            for (std::size_t j = 0; j < keys; ++j)
                most = std::max(most, scores.all[j * 16 + l]);
            CHECK(largest[l] == most);
        }
        auto parts = scores.all;
        k->exponentials(parts.data(), 16, 0, keys, largest.data(), factors.data());
        k->scale_lanes(parts.data(), 16, 0, 70, factors.data());
        k->scale_lanes(parts.data(), 16, 70, keys, factors.data());
        k->softmax(scores.all.data(), 16, 0, keys);
        CHECK(parts == scores.all); // to the bit
        k->softmax_back(slopes.all.data(), scores.all.data(), nullptr, 16, 0, keys, 0.5f, 0);
        for (std::size_t l = 0; l < 16; ++l) {
            auto const seen = [&](std::size_t j) { return int(j) >= lanes.first[l] && int(j) <= lanes.last[l]; };
            double total = 0, dot = 0;
            for (std::size_t j = 0; j < keys; ++j)
                total += seen(j) ? std::exp(0.5 * before[j * 16 + l]) : 0;
            auto const p = [&](std::size_t j) { return seen(j) ? std::exp(0.5 * before[j * 16 + l]) / total : 0; };
            for (std::size_t j = 0; j < keys; ++j)
                dot += p(j) * back[j * 16 + l];
            for (std::size_t j = 0; j < keys; ++j) {
                CHECK(scores.all[j * 16 + l] == Approx(p(j)).margin(1e-7));
                CHECK(slopes.all[j * 16 + l] == Approx(0.5 * p(j) * (back[j * 16 + l] - dot)).margin(1e-7));
            }
        }
    }
}

TEST_CASE("NaN stays NaN, and exponentials of large and small numbers are right") {
    float const nan = std::nanf(""), infinity = HUGE_VALF;
    for (auto const* k : eg::detail::all_kernels()) {
        INFO(k->name);
        std::vector<float> row(20, 1.0f);
        row[17] = nan;
        CHECK(std::isnan(k->log_sum_exp(row.data(), row.size())));
        k->activate({row.data(), 1, 20, 20}, eg::mlp::gated_silu);
        CHECK(std::isnan(row[17]));
        CHECK(!std::isnan(row[16]));
        float const from[4] = {-infinity, -200, 0, 80};
        float to[4] = {};
        k->softmax_seed(to, from, 4, 0, 1);
        CHECK(to[0] == 0);
        CHECK(to[1] == 0);
        CHECK(to[2] == 1);
        CHECK(to[3] == Approx(std::exp(80.0)).epsilon(1e-6));
        float line[2] = {-infinity, 3};
        CHECK(k->log_sum_exp(line, 2) == 3);
    }
}

TEST_CASE("a pool of threads does every task once, lets an exception out, and goes on") {
    for (int round = 0; round < 200; ++round) {
        std::vector<std::atomic<int>> done(57);
        eg::detail::parallel_for(1 + round % 5, done.size(), [&](std::size_t i) { ++done[i]; });
        for (auto const& d : done)
            REQUIRE(d == 1);
    }
    CHECK_THROWS_AS(eg::detail::parallel_for(3, 40,
                                             [](std::size_t i) {
                                                 if (i == 17)
                                                     throw std::runtime_error("17");
                                             }),
                    std::runtime_error);
    // Tasks inside of tasks, and tasks of several threads at once, are done by whoever asks.
    std::atomic<int> count = 0;
    std::vector<std::thread> users;
    for (int t = 0; t < 4; ++t)
        users.emplace_back([&] {
            for (int i = 0; i < 50; ++i)
                eg::detail::parallel_for(
                    2, 8, [&](std::size_t) { eg::detail::parallel_for(2, 3, [&](std::size_t) { ++count; }); });
        });
    for (auto& t : users)
        t.join();
    CHECK(count == 4 * 50 * 8 * 3);
}

TEST_CASE("a child of fork() computes with threads of its own") {
    auto const count_all = [] {
        std::atomic<int> count = 0;
        eg::detail::parallel_for(3, 40, [&](std::size_t) { ++count; });
        return count.load();
    };
    REQUIRE(count_all() == 40);
    auto const child = ::fork();
    if (child == 0) {
        ::alarm(20); // a child that waits for its parent's threads would wait for ever
        ::_exit(count_all() == 40 && count_all() == 40 ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(count_all() == 40);
}

TEST_CASE("a product of no rows is none, on any number of threads") {
    for (int const threads : {1, 2, 5}) {
        eg::cpu<eg::fp32> const backend(threads);
        auto const map = backend.make_linear(
            eg::matrix_tensor<float, eg::host_memory>(eg::extents<eg::dynamic, eg::dynamic>(40, 20)), {});
        float nothing = 7;
        backend.linear({&nothing, 0, 40, 40}, {&nothing, 0, 20, 20}, map);
        CHECK(nothing == 7);
    }
}
