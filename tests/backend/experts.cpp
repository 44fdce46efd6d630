#include "catch.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <engraft/backend/cpu/adjoint.hpp>
#include <engraft/backend/expert_rows.hpp>
#include <engraft/backend/reference/adjoint.hpp>
#include <engraft/core/random.hpp>

// A mixture of experts by the operations of a backend, against loops that go through the rows one by one.
namespace eg = engraft;

namespace {

using host = eg::host_memory;
using cpu = eg::cpu<eg::fp32>;
constexpr std::size_t width = 20, neurons = 12, experts = 6;

std::vector<double> drawn(std::uint64_t seed, std::size_t n) {
    eg::random draw(seed);
    std::vector<double> all(n);
    for (auto& x : all)
        x = static_cast<float>(2 * draw.uniform() - 1);
    return all;
}

template <class T>
struct table {
    std::size_t rows, columns;
    std::vector<T> numbers;

    table(std::size_t r, std::size_t c) : rows(r), columns(c), numbers(r * c) {}
    table(std::size_t r, std::size_t c, std::vector<double> const& from) : table(r, c) {
        std::copy(from.begin(), from.end(), numbers.begin());
    }
    eg::matrix<T> all() { return {numbers.data(), rows, columns, columns}; }
    eg::matrix<T const> in() const { return {numbers.data(), rows, columns, columns}; }
};

template <class E>
auto list_of(std::vector<E> const& all) {
    return eg::vector_tensor<E, host>::from_host(all, eg::extents<eg::dynamic>(all.size()));
}

struct found {
    std::vector<std::int32_t> chosen;
    std::vector<double> weights, out; ///< of rows
    std::vector<double> dx, dlogits;  ///< where the gradient of `out` is dout
};

std::vector<double> const x_of(std::size_t rows) { return drawn(1, rows * width); }
std::vector<double> const map_in = drawn(3, experts*neurons*width), map_out = drawn(4, experts*width*neurons);

/// Rows one after the other: each of its experts is relu(x A^T) B^T.
found plain(std::size_t rows, std::size_t k, bool among) {
    auto const x = x_of(rows), logits = drawn(2, rows * experts), dout = drawn(5, rows * width);
    found f;
    f.dx.resize(rows * width), f.dlogits.resize(rows * experts);
    for (std::size_t r = 0; r < rows; ++r) {
        std::vector<std::size_t> order(experts);
        for (std::size_t e = 0; e < experts; ++e)
            order[e] = e;
        auto const logit = [&](std::size_t e) { return logits[r * experts + e]; };
        std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return logit(a) > logit(b); });
        std::vector<double> p(experts), out(width), dp(experts);
        double sum = 0;
        for (std::size_t i = 0; i < (among ? k : experts); ++i)
            sum += p[order[i]] = std::exp(logit(order[i]));
        for (auto& share : p)
            share /= sum;
        for (std::size_t i = 0; i < k; ++i) {
            auto const e = order[i];
            std::vector<double> inside(neurons), of_expert(width), dinside(neurons);
            for (std::size_t n = 0; n < neurons; ++n) {
                for (std::size_t c = 0; c < width; ++c)
                    inside[n] += x[r * width + c] * map_in[(e * neurons + n) * width + c];
                inside[n] = std::max(inside[n], 0.0);
                for (std::size_t c = 0; c < width; ++c) {
                    of_expert[c] += inside[n] * map_out[(e * width + c) * neurons + n];
                    dinside[n] += p[e] * dout[r * width + c] * map_out[(e * width + c) * neurons + n];
                }
                for (std::size_t c = 0; c < width && inside[n] > 0; ++c)
                    f.dx[r * width + c] += dinside[n] * map_in[(e * neurons + n) * width + c];
            }
            for (std::size_t c = 0; c < width; ++c) {
                out[c] += p[e] * of_expert[c];
                dp[e] += dout[r * width + c] * of_expert[c];
            }
            f.chosen.push_back(static_cast<std::int32_t>(e));
            f.weights.push_back(p[e]);
        }
        double along = 0;
        for (std::size_t e = 0; e < experts; ++e)
            along += p[e] * dp[e];
        for (std::size_t e = 0; e < experts; ++e)
            f.dlogits[r * experts + e] = p[e] * (dp[e] - along);
        f.out.insert(f.out.end(), out.begin(), out.end());
    }
    return f;
}

/// The rows [first, first + rows) of them, forwards and backwards.
template <class B>
found routed(B const& b, std::size_t first, std::size_t rows, std::size_t k, bool among) {
    using T = typename B::value_type;
    auto const part = [&](std::uint64_t seed, std::size_t columns) {
        auto const all = drawn(seed, (first + rows) * columns);
        return table<T>(rows, columns, {all.begin() + static_cast<std::ptrdiff_t>(first * columns), all.end()});
    };
    auto const x = part(1, width), logits = part(2, experts), dout = part(5, width);
    auto chosen = list_of(std::vector<std::int32_t>(rows * k));
    table<T> weights(rows, k), out(rows, width);
    b.largest_columns(chosen, logits.in());
    b.expert_weights(weights.all(), logits.in(), chosen, among);
    eg::expert_rows const by({chosen.data(), chosen.size()}, experts, k);
    auto const places = list_of(by.places);
    table<T> gathered(rows * k, width), inside(rows * k, neurons), of_experts(rows * k, width), din(of_experts),
        dinside(inside), dgathered(gathered), dweights(weights), dlogits(rows, experts), dx(rows, width);
    b.gather_rows(gathered.all(), x.in(), list_of(by.rows));
    std::vector<typename B::linear_map> first_maps, second_maps;
    auto const map = [&](std::vector<double> const& all, std::size_t e, std::size_t o, std::size_t i) {
        std::vector<T> mine(all.begin() + static_cast<std::ptrdiff_t>(e * o * i),
                            all.begin() + static_cast<std::ptrdiff_t>((e + 1) * o * i));
        return b.make_linear(eg::matrix_tensor<T, host>::from_host(mine, eg::extents<eg::dynamic, eg::dynamic>(o, i)),
                             {});
    };
    auto const each_expert = [&](auto const& f) {
        for (std::size_t e = 0; e < experts; ++e)
            if (auto const n = by.begins[e + 1] - by.begins[e]; n > 0)
                f(e, by.begins[e], n);
    };
    for (std::size_t e = 0; e < experts; ++e) {
        first_maps.push_back(map(map_in, e, neurons, width));
        second_maps.push_back(map(map_out, e, width, neurons));
    }
    each_expert([&](std::size_t e, std::size_t begin, std::size_t n) {
        b.linear(inside.all().row_range(begin, n), gathered.in().row_range(begin, n), first_maps[e]);
    });
    auto const before = inside;
    b.activate(inside.all(), eg::mlp::relu);
    each_expert([&](std::size_t e, std::size_t begin, std::size_t n) {
        b.linear(of_experts.all().row_range(begin, n), inside.in().row_range(begin, n), second_maps[e]);
    });
    b.sum_rows(out.all(), of_experts.in(), weights.in(), places);

    eg::adjoints<B> const a(b);
    a.sum_rows(din.all(), dweights.all(), dout.in(), of_experts.in(), weights.in(), places);
    each_expert([&](std::size_t e, std::size_t begin, std::size_t n) {
        a.linear(dinside.all().row_range(begin, n), din.in().row_range(begin, n), second_maps[e], false);
    });
    a.activate(dinside.all(), before.in(), eg::mlp::relu);
    each_expert([&](std::size_t e, std::size_t begin, std::size_t n) {
        a.linear(dgathered.all().row_range(begin, n), dinside.in().row_range(begin, n), first_maps[e], false);
    });
    a.gather_rows(dx.all(), dgathered.in(), places);
    a.expert_weights(dlogits.all(), dweights.in(), logits.in(), chosen, among);
    auto const doubles = [](table<T> const& t) { return std::vector<double>(t.numbers.begin(), t.numbers.end()); };
    return {chosen.to_host(), doubles(weights), doubles(out), doubles(dx), doubles(dlogits)};
}

void close(std::vector<double> const& exact, std::vector<double> const& found, double tolerance) {
    REQUIRE(exact.size() == found.size());
    double largest = 0;
    for (std::size_t i = 0; i < exact.size(); ++i)
        largest = std::max(largest, std::abs(exact[i] - found[i]));
    CHECK(largest < tolerance);
}

template <class B>
void agrees(B const& b, double tolerance) {
    for (std::size_t const k : {1u, 2u, 6u})
        for (bool const among : {false, true}) {
            CAPTURE(B::name(), k, among);
            auto const exact = plain(50, k, among), all = routed(b, 0, 50, k, among);
            CHECK(all.chosen == exact.chosen);
            close(exact.weights, all.weights, tolerance);
            close(exact.out, all.out, tolerance);
            close(exact.dx, all.dx, tolerance);
            close(exact.dlogits, all.dlogits, tolerance);
            // A row's bits do not depend on who shares its experts.
            for (std::size_t const first : {17u, 3u, 49u}) {
                auto const some = routed(b, first, first == 3 ? 8 : 1, k, among);
                auto const same = [&](auto const& part, auto const& whole, std::size_t columns) {
                    return std::equal(part.begin(), part.end(),
                                      whole.begin() + static_cast<std::ptrdiff_t>(first * columns));
                };
                CHECK(same(some.chosen, all.chosen, k));
                CHECK(same(some.weights, all.weights, k));
                CHECK(same(some.out, all.out, width));
                CHECK(same(some.dx, all.dx, width));
                CHECK(same(some.dlogits, all.dlogits, experts));
            }
        }
}

} // namespace

TEST_CASE("rows that go to experts together are what each is alone, forwards and backwards") {
    agrees(eg::reference{}, 1e-13);
    agrees(cpu(1), 2e-5);
    agrees(cpu(3), 2e-5);
}

TEST_CASE("of equal logits the first is chosen, and NaN before all, each column once") {
    double const nan = std::numeric_limits<double>::quiet_NaN(), none = -std::numeric_limits<double>::infinity();
    table<double> const logits(3, 4, {1, 3, 3, 2, 0, nan, nan, 9, none, none, 5, none});
    auto chosen = list_of(std::vector<std::int32_t>(9));
    eg::reference{}.largest_columns(chosen, logits.in());
    CHECK(chosen.to_host() == std::vector<std::int32_t>{1, 2, 3, 1, 2, 3, 2, 0, 1});
    table<double> weights(1, 3);
    eg::reference{}.expert_weights(weights.all(), logits.in().row_range(2, 1),
                                   list_of(std::vector<std::int32_t>{2, 0, 1}), false);
    CHECK(weights.numbers == std::vector<double>{1, 0, 0});
}

TEST_CASE("rows are put together by their expert, in their order") {
    std::vector<std::int32_t> const chosen{2, 0, 0, 2, 3, 2};
    eg::expert_rows const by(chosen, 4, 2);
    CHECK(by.begins == std::vector<std::size_t>{0, 2, 2, 5, 6});
    CHECK(by.rows == std::vector<std::int32_t>{0, 1, 0, 1, 2, 2});
    CHECK(by.places == std::vector<std::int32_t>{2, 0, 1, 3, 5, 4});
    for (std::int32_t const wrong : {4, -1})
        CHECK_THROWS_WITH(eg::expert_rows(std::vector<std::int32_t>{0, wrong}, 4, 1),
                          Catch::Matchers::ContainsSubstring("engraft [experts.choice]: expert " +
                                                             std::to_string(wrong) + " was chosen of 4"));
}

TEST_CASE("a norm without gain is that with gains of 1 and biases of 0, to the bit") {
    auto const x = drawn(7, 3 * 21);
    table<double> const exact_in(3, 21, x);
    table<float> const in(3, 21, x);
    auto const bits = [&](auto const& t) {
        using T = std::decay_t<decltype(t.numbers[0])>;
        using B = std::conditional_t<std::is_same_v<T, float>, cpu, eg::reference>;
        auto const ones = list_of(std::vector<T>(21, T(1))), zeros = list_of(std::vector<T>(21, T(0))),
                   twos = list_of(std::vector<T>(21, T(2)));
        table<T> rms(3, 21), layer(3, 21), double_rms(3, 21), double_layer(3, 21);
        B const b{};
        b.rms_norm(rms.all(), t.in(), ones, 1e-5);
        b.layer_norm(layer.all(), t.in(), ones, zeros, 1e-5);
        b.rms_norm(double_rms.all(), t.in(), twos, 1e-5);
        b.layer_norm(double_layer.all(), t.in(), twos, zeros, 1e-5);
        for (std::size_t i = 0; i < rms.numbers.size(); ++i) { // a gain of 2 rounds nothing either
            CHECK(double_rms.numbers[i] == 2 * rms.numbers[i]);
            CHECK(double_layer.numbers[i] == 2 * layer.numbers[i]);
        }
        return std::pair(std::vector<double>(rms.numbers.begin(), rms.numbers.end()),
                         std::vector<double>(layer.numbers.begin(), layer.numbers.end()));
    };
    std::vector<double> rms, layer;
    for (std::size_t r = 0; r < 3; ++r) {
        double squares = 0, mean = 0, variance = 0;
        for (std::size_t c = 0; c < 21; ++c)
            squares += x[r * 21 + c] * x[r * 21 + c] / 21, mean += x[r * 21 + c] / 21;
        for (std::size_t c = 0; c < 21; ++c)
            variance += (x[r * 21 + c] - mean) * (x[r * 21 + c] - mean) / 21;
        for (std::size_t c = 0; c < 21; ++c) {
            rms.push_back(x[r * 21 + c] / std::sqrt(squares + 1e-5));
            layer.push_back((x[r * 21 + c] - mean) / std::sqrt(variance + 1e-5));
        }
    }
    auto const exact = bits(exact_in), found = bits(in);
    close(rms, exact.first, 1e-14);
    close(layer, exact.second, 1e-14);
    close(rms, found.first, 1e-6);
    close(layer, found.second, 1e-6);
}
