// Path patching: what its scores do not depend on, and that one which was stopped goes on from its journal: the same
// numbers to the bit, and only the work that is left.

#include <cmath>
#include <cstring>
#include <stdexcept>

#include "catch.hpp"
#include "random_models.hpp"
#include "remembered.hpp"

namespace {

using cpu = eg::cpu<eg::fp32>;

struct stopped : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct setting {
    eg::model<grouped, cpu> model = random_model<cpu>(3);
    eg::batch prompts = random_prompts(4, {6, 4, 5}), others = random_prompts(5, {6, 4, 5});
    decltype(model.run(prompts, eg::capture_for_sweeps<grouped>() | eg::capture(eg::q))) clean =
        model.run(prompts, eg::capture_for_sweeps<grouped>() | eg::capture(eg::q));
    decltype(model.run(others, eg::capture(eg::z))) noise = model.run(others, eg::capture(eg::z));
    eg::role last{"last", {-1, -1, -1}, {}};
    std::vector<eg::metric> metrics{eg::probability({1, 2, 3}), eg::kl_to_clean()};

    eg::sweep_result heads(eg::sweep_options options = {}) const {
        return eg::path_patching(model, clean, noise, last, metrics, std::move(options));
    }
    eg::sweep_result queries(eg::sweep_options options = {}) const {
        return eg::path_patching(model, clean, noise, last, eg::receivers(eg::q, {{1, 2}, {2, 1}}, last), metrics,
                                 std::move(options));
    }
};

void check_same(eg::sweep_result const& a, eg::sweep_result const& b) {
    for (auto const* name : {"probability", "kl_to_clean"})
        CHECK(std::memcmp(a.of(name).data(), b.of(name).data(), a.of(name).size() * sizeof(double)) == 0);
    CHECK(a.planned.flops == b.planned.flops);
    CHECK(a.counted == b.counted);
    CHECK(a.counted == a.planned.flops);
    CHECK(a.planned.live == b.planned.live);
}

/// Runs it until half of the work is done, and once more.
template <class Sweep>
void check_resumed(Sweep const& sweep) {
    auto const whole = sweep(eg::sweep_options{});
    double const few = whole.planned.memory / 4;
    remembered kept;
    eg::sweep_options options{.memory = few, .journal = &kept};
    options.progress = [](double share) {
        if (share > 0.5)
            throw stopped("stopped");
    };
    CHECK_THROWS_AS(sweep(options), stopped);
    auto const before = kept.size();
    REQUIRE(before > 1);

    std::vector<double> shares;
    options.progress = [&](double share) { shares.push_back(share); };
    check_same(sweep(options), whole);
    auto const after = kept.size();
    CHECK(after > before);
    CHECK(shares.back() == 1);
    check_same(sweep(options), whole); // nothing is left to do
    CHECK(kept.size() == after);

    // With chunks of another size, from the same half.
    remembered half;
    for (auto const& [work, list] : kept.records)
        half.records[work].assign(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(before));
    check_same(sweep({.memory = few * 2.3, .journal = &half}), whole);
    CHECK(half.size() > before);
}

} // namespace

TEST_CASE("a sweep that was stopped goes on and has the same bits") {
    setting const s;
    check_resumed([&](eg::sweep_options const& o) { return s.heads(o); });
    check_resumed([&](eg::sweep_options const& o) { return s.queries(o); });
}

TEST_CASE("cases of one head are computed by their own examples' lengths and positions") {
    auto const model = random_model<cpu>(3);
    std::vector<std::size_t> const lengths{6, 8, 8, 8};
    auto const prompts = random_prompts(4, lengths), others = random_prompts(5, lengths);
    auto const clean = model.run(prompts, eg::capture_for_sweeps<grouped>() | eg::capture(eg::q));
    auto const noise = model.run(others, eg::capture(eg::z));
    eg::role const sender{"sender", {3, 3, 5, 2}, {}}, reader{"reader", {5, 5, 5, 5}, {}};
    std::vector<eg::token> const answers{1, 2, 3, 4};
    auto const heads = eg::each_head<grouped>().entries;
    auto const check = [&](eg::sweep_result const& found, auto const& by_runs) {
        std::vector<double> expected;
        for (auto head : heads)
            for (double p : by_runs(head).logits_at(-1).probability(answers))
                expected.push_back(p);
        CHECK(found.of() == expected);
        CHECK(found.planned.flops == found.counted);
    };
    auto const path = eg::path_from_sender(clean, noise, sender);
    check(eg::path_patching(model, clean, noise, sender, {eg::probability(answers)}),
          [&](eg::node head) { return model.run(prompts, path(head)); });
    // What is sent from the reader's own position is read a layer sooner.
    auto const patched = [&](eg::node head) { return eg::patch(eg::z, eg::nodes({head}).at(sender), noise); };
    auto const readers = eg::receivers(eg::v, {{1, 0}, {2, 1}}, reader);
    check(eg::sweep(model, clean, eg::each_head<grouped>(), patched, readers, {eg::probability(answers)}),
          [&](eg::node head) {
              auto const first = model.run(prompts, patched(head) | eg::capture(eg::v));
              return model.run(prompts, eg::patch(eg::v, readers.where, first));
          });
    // What one policy is refused for is known before the others are computed.
    auto const too_far = [&](eg::node head) {
        auto at = sender;
        at.source_positions.assign(lengths.size(), head == heads.back() ? 7 : 5);
        return eg::patch(eg::z, eg::nodes({head}).at(at), noise);
    };
    int computed = 0;
    auto const refused = [&] {
        eg::sweep(model, clean, eg::each_head<grouped>(), too_far, readers, {eg::probability(answers)},
                  {.memory = 3e4, .progress = [&](double) { ++computed; }});
    };
    CHECK_THROWS_AS(refused(), eg::bad_position);
    CHECK(computed == 0);
    // The head that is kept stands at another place of each example.
    auto const all_but = [&](eg::node head) {
        return eg::ablate(eg::resid_pre, eg::layer(0) & eg::at(2)) |
               eg::ablate(eg::z, (eg::layer(1) & eg::at({3, 5})) - eg::nodes({head}).at(sender));
    };
    check(eg::sweep(model, clean, eg::each_head<grouped>(), all_but, {eg::probability(answers)}),
          [&](eg::node head) { return model.run(prompts, all_but(head)); });
}

TEST_CASE("a journal keeps sweeps apart, and is not believed where it can't be right") {
    setting s;
    remembered kept;
    auto const heads = s.heads({.journal = &kept});
    auto const count = kept.size();
    auto const queries = s.queries({.journal = &kept});
    CHECK(kept.records.size() == 2);
    CHECK(queries.of() == s.queries().of());
    CHECK(queries.of() != heads.of());

    // Other answers, positions or prompts are another sweep.
    s.metrics[0] = eg::probability({1, 2, 4});
    CHECK(s.heads({.journal = &kept}).of() == s.heads().of());
    CHECK(kept.records.size() == 3);
    s.metrics[0] = eg::probability({1, 2, 3});
    s.last.positions[2] = -2;
    s.heads({.journal = &kept});
    CHECK(kept.records.size() == 4);
    s.last.positions[2] = -1;
    s.heads({.read_at = {-1, -1, -2}, .journal = &kept});
    CHECK(kept.records.size() == 5);

    // So are a policy's own values, and the weights even where no metric shows them.
    auto const scaled = [&](double factor, auto const& model, auto const& clean) {
        eg::sweep(model, clean, eg::table<double>{{{"factor", 1}}, {factor}},
                  [](double f) { return eg::scale(eg::z, eg::layer(1) & eg::at(-1), f); }, {eg::accuracy({1, 2, 3})},
                  {.journal = &kept});
        return kept.records.size();
    };
    CHECK(scaled(2, s.model, s.clean) == 6);
    CHECK(scaled(3, s.model, s.clean) == 7);
    CHECK(scaled(2, s.model, s.clean) == 7);
    auto const other = random_model<cpu>(8);
    auto const of_other = other.run(s.prompts, eg::capture_for_sweeps<grouped>() | eg::capture(eg::q));
    CHECK(scaled(2, other, of_other) == 8);

    // The values of another run can't be seen beforehand: some cases are computed again, and differ.
    auto const refusal = [&](remembered& j) -> std::string {
        try {
            s.heads({.journal = &j});
        } catch (eg::bad_input const& e) {
            return e.what();
        }
        return "nothing";
    };
    CHECK(refusal(kept) == "nothing");
    auto const noise = s.noise;
    s.noise = s.model.run(random_prompts(6, {6, 4, 5}), eg::capture(eg::z));
    CHECK_THAT(refusal(kept), Catch::Matchers::ContainsSubstring("[sweep.journal]: the journal's number of example"));
    s.noise = noise;

    // Records that are whole and yet no numbers of this sweep.
    auto const work = [&] {
        remembered own;
        s.heads({.journal = &own});
        return own;
    }();
    REQUIRE(work.size() == 1);
    REQUIRE(count == 1);
    for (int damage = 0; damage < 4; ++damage) {
        auto bad = work;
        auto& record = bad.records.begin()->second.front();
        std::uint64_t const beyond = 3 * 4 * 3;
        if (damage == 0)
            record.pop_back();
        else if (damage == 1)
            record.resize(20);
        else if (damage == 2)
            std::memcpy(record.data() + 32, &beyond, sizeof(beyond));
        else
            std::memcpy(record.data() + 32, record.data() + 40, sizeof(beyond)); // one case twice
        CHECK_THAT(refusal(bad), Catch::Matchers::ContainsSubstring("[sweep.journal]: a record of this sweep"));
    }
}

TEST_CASE("a head that reaches no receiver has a score of exactly 0, and costs nothing") {
    setting const s;
    auto const found = s.queries(); // of layers 1 and 2
    auto const change = found.relative_change();
    for (std::size_t i = 0; i < change.size(); ++i) {
        INFO("layer " << i / 4 << ", head " << i % 4);
        if (i < 2 * 4)
            CHECK(change[i] != 0);
        else
            CHECK((change[i] == 0 && !std::signbit(change[i])));
    }
    CHECK(found.planned.live == 2 * 4 * 3);
}

TEST_CASE("scores do not depend on the order of the examples") {
    setting const s;
    auto backwards = s;
    auto const turned = [](eg::batch const& b) {
        std::vector<std::vector<eg::token>> examples;
        for (auto e = b.examples(); e-- > 0;) {
            examples.emplace_back();
            for (std::size_t p = 0; p < b.rows().length(e); ++p)
                examples.back().push_back(b.at(e, p));
        }
        return eg::batch(examples);
    };
    backwards.clean = s.model.run(turned(s.prompts), eg::capture_for_sweeps<grouped>() | eg::capture(eg::q));
    backwards.noise = s.model.run(turned(s.others), eg::capture(eg::z));
    backwards.metrics[0] = eg::probability({3, 2, 1});
    auto const compare = [](eg::sweep_result const& a, eg::sweep_result const& b) {
        auto const forth = a.relative_change(), back = b.relative_change();
        for (std::size_t i = 0; i < forth.size(); ++i) {
            CHECK(std::abs(forth[i] - back[i]) <= 1e-6 * std::abs(forth[i]));
            for (std::size_t e = 0; e < 3; ++e)
                CHECK(a.of()[i * 3 + e] == b.of()[i * 3 + 2 - e]); // of each example to the bit
        }
    };
    compare(s.heads(), backwards.heads());
    compare(s.queries(), backwards.queries());
}
