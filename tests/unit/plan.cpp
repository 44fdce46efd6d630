// Which rows of one case a plan computes, by hand. No weights, no backend, but for what takes values from a run.

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "catch.hpp"

#include <engraft/engraft.hpp>

namespace eg = engraft;

namespace {

inline constexpr eg::description windowed{.name = "windowed",
                                          .family = eg::family::mistral,
                                          .layers = 3,
                                          .d_model = 8,
                                          .heads = 2,
                                          .kv_heads = 2,
                                          .d_head = 4,
                                          .d_mlp = 8,
                                          .vocab = 9,
                                          .window = 2};

/// One letter per row, a line per layer: `.` is the clean run's; `k` gives keys only; `a` attends; `m` only its MLP is
/// made again; `s` neither.
std::vector<std::string> drawn(eg::footprint const& touched, std::size_t length, std::size_t read_at) {
    eg::detail::wanted_rows const wanted{{read_at}, {}};
    eg::detail::case_planner planner(eg::facts_of_block<windowed>());
    auto const todo = planner.plan(touched, 0, length, wanted);
    std::vector<std::string> lines;
    if (!todo.empty())
        lines.assign(windowed.layers, std::string(length, '.'));
    todo.each([&](std::size_t layer, std::size_t p, eg::work w) {
        bool const onward = has(w, eg::work::onward);
        lines[layer][p] = has(w, eg::work::attention) ? 'a' : has(w, eg::work::neurons) ? 'm' : onward ? 's' : 'k';
    });
    return lines;
}

eg::footprint of(auto const& policy, std::size_t length) {
    return eg::footprint_of<windowed>(policy, eg::ragged({length}));
}

} // namespace

TEST_CASE("a footprint has a slice for each head, and for each key that is blocked", "[plan]") {
    auto const slices = [](eg::footprint const& touched) {
        return touched.slices(0, [](int, std::size_t layer, std::size_t) { return layer > 0; });
    };
    CHECK(slices(of(eg::scale(eg::z, eg::at({1, 4}), 2), 6)) == 2 * 2 * 2);
    CHECK(slices(of(eg::knockout(eg::everywhere, eg::at({1, 4}), eg::at(0)), 6)) == 2 * 2 * 2);
    CHECK(slices(of(eg::knockout(eg::head(1), eg::at(4), eg::at({0, 2, 3})), 6)) == 2 * 3);
}

TEST_CASE("footprints know a policy's own values apart", "[plan]") {
    eg::model<windowed, eg::reference> const model(eg::random_weights<windowed, eg::reference>(1));
    auto const run = model.run(eg::batch({{1, 2, 3}, {4, 5, 6}}), eg::capture(eg::z, eg::resid_pre, eg::resid_post));
    std::set<std::uint64_t> met;
    auto const is_new = [&](auto const& policy) {
        auto const value = [&] {
            eg::hasher h;
            eg::footprint_of<windowed>(policy, run.rows()).add_to(h);
            return h.value();
        };
        CHECK(value() == value());
        CHECK(met.insert(value()).second);
    };
    auto const last = eg::layer(1) & eg::at(-1);
    std::vector<double> const one{1, 0, 0, 0}, other{0, 1, 0, 0};
    for (double const x : {0.25, 0.75}) {
        is_new(eg::scale(eg::z, last, x));
        is_new(eg::ablate(eg::z, last, x));
        is_new(eg::mask(eg::z, last, {x}, run));
        is_new(eg::mask(eg::z, last, {x}, eg::picked(eg::z, run, {0, 1})));
        is_new(eg::mask(eg::z, last, {x}, eg::picked(eg::z, run, {1, 0})));
        is_new(eg::mask_directions(eg::z, last, {one}, {x}, run));
        is_new(eg::mask_directions(eg::z, last, {other}, {x}, run));
        is_new(eg::steer(eg::z, last, one, x));
        is_new(eg::steer(eg::z, last, other, x));
    }
    is_new(eg::subspace(eg::z, last, {one}, run));
    is_new(eg::subspace(eg::z, last, {other}, run));
    is_new(eg::ablate(eg::z, last, eg::resample{run, 1}));
    is_new(eg::ablate(eg::z, last, eg::resample{run, 2}));
    is_new(eg::patch(eg::resid_post, last, run));
    is_new(eg::patch(eg::resid_post, last, run, eg::resid_pre));
    is_new(eg::knockout(eg::layer(1), eg::at(-1), eg::at(0)));
    is_new(eg::knockout(eg::layer(1), eg::at(-1), eg::at(1)));
}

TEST_CASE("chunks that are unlike take no more memory than the larger one", "[plan]") {
    using eg::work;
    auto const chunk_of = [](std::vector<std::pair<work, std::uint32_t>> const& rows) {
        eg::case_work todo;
        std::uint32_t length = 0;
        for (auto const& [all, count] : rows)
            length += count;
        todo.start(windowed.layers, 0, length);
        std::size_t p = 0;
        for (auto const& [all, count] : rows)
            for (std::uint32_t i = 0; i < count; ++i)
                todo(1, p++) = all;
        return todo;
    };
    auto const attends = work::stream | work::keys | work::query | work::attention | work::onward | work::results;
    auto const only_keys = work::stream | work::keys;
    auto const thinks = work::stream | work::onward | work::neurons;
    eg::detail::engine_tables<float, eg::host_memory> tables;
    double most = 0;
    auto const use = [&](eg::case_work const& todo) {
        eg::detail::chunk_rows chunk;
        chunk.layers.resize(windowed.layers);
        chunk.add({0, 0}, todo, {0});
        eg::detail::extra_tables const extra{true, true, 9};
        eg::detail::chunk_size size(windowed, extra);
        size.add(todo);
        most = std::max(most, size.bytes(sizeof(float)) - size.bytes(0)); // without the lists of rows
        tables.expect(chunk, {windowed, extra});
        using enum eg::detail::chunk_table;
        auto const shaped = [&](eg::detail::chunk_table t, std::size_t rows, std::size_t columns) {
            tables[t].shaped(rows, columns);
        };
        for (auto const& l : chunk.layers) { // as the engine uses them
            auto const rows = [&](eg::site_rows of) { return l[of].size(); };
            using r = eg::site_rows;
            shaped(stream_too, rows(r::stream), 8), shaped(stream, rows(r::stream), 8);
            shaped(normalized, rows(r::first_norm), 8), shaped(q, rows(r::query), 8);
            shaped(k, rows(r::keys), 8), shaped(v, rows(r::keys), 8);
            if (rows(r::query) != rows(r::first_norm))
                shaped(gathered, rows(r::query), 8);
            shaped(lines, rows(r::attention), 2 * 9);
            shaped(z, rows(r::z), 8), shaped(attn_sum, rows(r::z), 8);
            shaped(results, rows(r::results), 16), shaped(before, rows(r::results), 16);
            if (rows(r::z) != rows(r::onward))
                shaped(attn_out, rows(r::onward), 8);
            shaped(mlp_sum, rows(r::neurons), 8), shaped(normalized, rows(r::neurons), 8);
            if (rows(r::neurons) != rows(r::onward))
                shaped(mlp_out, rows(r::onward), 8);
            shaped(gate, rows(r::neurons), 8), shaped(up, rows(r::neurons), 8);
        }
        shaped(last, 1, 8);
        CHECK(double(tables.bytes()) <= 1.04 * most);
        CHECK(double(tables.bytes()) > 0.3 * most);
    };
    use(chunk_of({{attends, 60}}));
    auto const first = tables.bytes();
    use(chunk_of({{attends, 50}}));
    CHECK(tables.bytes() == first); // what fits stays
    use(chunk_of({{thinks, 300}}));
    use(chunk_of({{only_keys, 200}, {attends, 2}}));
    use(chunk_of({{thinks, 250}}));
}

TEST_CASE("a plan computes what is reached and read, and no more", "[plan]") {
    using lines = std::vector<std::string>;
    auto const stream = [](int layer, long p) { return eg::ablate(eg::resid_pre, eg::layer(layer) & eg::at(p)); };

    // A query sees its own position and the one before: what is changed at position 1 reaches 4 in three layers.
    CHECK(drawn(of(stream(0, 1), 6), 6, 4) == lines{".ka...", "..ka..", "...ka."});
    CHECK(drawn(of(stream(0, 1), 6), 6, 5).empty());
    CHECK(drawn(of(stream(0, 1), 6), 6, 0).empty());
    CHECK(drawn(of(stream(2, 3), 6), 6, 3) == lines{"......", "......", "...a.."});
    CHECK(drawn(of(stream(2, 3), 6), 6, 4) == lines{"......", "......", "...ka."});
    CHECK(drawn(of(stream(2, 3), 6), 6, 5).empty());

    // Attention whose z is replaced whole is not computed; where it is scaled, or one head is replaced, it is.
    auto const z = [](auto where) { return eg::ablate(eg::z, eg::layer(1) & eg::at(2) & where); };
    CHECK(drawn(of(stream(0, 2) | z(eg::everywhere), 6), 6, 2) == lines{"..a...", "..m...", "..a..."});
    CHECK(drawn(of(stream(0, 2) | z(eg::head(1)), 6), 6, 2) == lines{"..a...", "..a...", "..a..."});
    // A head that is excepted is not replaced, in its own layer and at its own position only.
    auto const without = [](int layer, long p) {
        return eg::ablate(eg::z, (eg::layer(1) & eg::at(2)) - (eg::nodes({{layer, 1}}) & eg::at(p)));
    };
    CHECK(drawn(of(stream(0, 2) | without(1, 2), 6), 6, 2) == lines{"..a...", "..a...", "..a..."});
    CHECK(drawn(of(stream(0, 2) | without(0, 2), 6), 6, 2) == lines{"..a...", "..m...", "..a..."});
    CHECK(drawn(of(stream(0, 2) | without(1, 3), 6), 6, 2) == lines{"..a...", "..m...", "..a..."});
    auto const hash = [&](auto const& policy) {
        eg::hasher h;
        of(policy, 6).add_to(h);
        return h.value();
    };
    CHECK(hash(without(1, 2)) == hash(without(1, 2)));
    CHECK(hash(without(1, 2)) != hash(without(0, 2)));
    CHECK(hash(without(1, 2)) != hash(without(1, 3)));
    auto const scaled = eg::scale(eg::z, eg::layer(1) & eg::at(2), 2);
    CHECK(drawn(of(stream(0, 2) | scaled, 6), 6, 2) == lines{"..a...", "..a...", "..a..."});
    CHECK(drawn(of(scaled, 6), 6, 2) == lines{"......", "..m...", "..a..."});

    // What is hidden is no reason to compute, unless a policy may show it.
    auto const key = eg::ablate(eg::k, eg::layer(1) & eg::at(4));
    auto const blocked = eg::knockout(eg::layer(1), eg::at(2), eg::at(1));
    CHECK(drawn(of(key, 6), 6, 3).empty());
    CHECK(drawn(of(key | blocked, 6), 6, 2) == lines{"......", "..a...", "..a..."});
    CHECK(drawn(of(key | eg::scale(eg::pattern, eg::layer(1) & eg::at(2), 2), 6), 6, 2) ==
          lines{"......", "..a.k.", "..a..."});
}
