// Which rows of one case a plan computes, by hand. No weights, no backend.

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
    eg::detail::case_planner planner(windowed, eg::shape_of_attention<windowed>);
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
