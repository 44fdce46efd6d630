#pragma once

// Laws of sweeps: what is computed beside a clean run is what whole runs give, to the bit. One source of this folder
// for a few families each; which policies act where is drawn when it runs, so that few compositions are compiled.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <string>

#include "catch.hpp"
#include "law/properties.hpp"

namespace sweeps {

using properties::dice;

/// One entry of a table: a policy is made of it by drawing again from its seed.
struct entry {
    std::uint64_t seed;
    std::uint32_t active; ///< a bit for each part of the composition that does anything
};

struct positive_first {
    ENGRAFT_HOST_DEVICE bool operator()(auto row) const { return row[0] > 0; }
};
struct square_less_one {
    ENGRAFT_HOST_DEVICE void operator()(auto row) const {
        for (auto& x : row)
            x = x * x - 1;
    }
};
inline constexpr positive_first first_is_positive{};
inline constexpr square_less_one turned{};

/// Draws places; of a part that does nothing, no layer.
template <eg::description const& D>
class places {
public:
    places(std::uint64_t seed, std::uint32_t active, std::vector<std::size_t> const& lengths)
        : draw(seed), active_(active), lengths_(lengths) {}

    bool next() { return active_ >> part_++ & 1; }
    auto stream() { // every draw is a statement of its own, so that their order is one
        auto const l = layers();
        return l & rows();
    }
    auto heads() {
        auto const l = layers();
        auto const h = eg::heads(draw.some(D.heads));
        return l & h & rows();
    }
    auto kv_heads() {
        auto const l = layers();
        auto const h = eg::kv_heads(draw.some(D.kv_heads));
        return l & h & rows();
    }
    /// Of a site outside of the blocks.
    auto once() {
        auto each = draw.places(lengths_);
        if (!next())
            each = eg::at_each(std::vector<std::vector<long>>(lengths_.size()));
        auto const some = anywhere();
        return some & each;
    }
    /// A query position behind the first of each example, and one that it no longer sees.
    auto edge() {
        std::vector<std::vector<long>> from, to;
        for (auto n : lengths_) {
            auto const query = static_cast<long>(draw.below(n));
            from.push_back({}), to.push_back({});
            if (query > 0) {
                from.back().push_back(query);
                to.back().push_back(static_cast<long>(draw.below(static_cast<std::size_t>(query))));
            }
        }
        return std::pair(eg::at_each(from), eg::at_each(to));
    }

    dice draw;

private:
    auto rows() {
        auto const some = anywhere();
        auto const each = draw.places(lengths_);
        return some & each;
    }
    auto layers() {
        auto chosen = draw.some(D.layers);
        if (!next())
            chosen.clear();
        return eg::layers(chosen);
    }
    auto anywhere() {
        std::vector<std::size_t> chosen;
        for (int e : draw.some(static_cast<int>(lengths_.size())))
            chosen.push_back(static_cast<std::size_t>(e));
        return eg::examples(chosen);
    }

    std::uint32_t active_;
    int part_ = 0;
    std::vector<std::size_t> const& lengths_;
};

template <bool Exists, class Make>
auto only_if(auto const& source, Make const& make) {
    if constexpr (Exists)
        return make(source);
    else
        return eg::identity;
}

/// Another run's value at any site, and z held and attention blocked at some places.
struct exchanged {
    static constexpr int parts = 24, held = 22;
    static constexpr std::uint32_t copying = 0x7fffff; ///< all but blocked attention take a run's values

    template <eg::description const& D>
    static auto policy(entry const& e, auto const& s) {
        auto const patched = [](auto site, auto where, auto const& source) {
            return eg::may_not_fire(eg::patch(site, std::move(where), source));
        };
        auto active = e.active;
        if (active >> held & 1)
            active &= ~(std::uint32_t(1) << 0); // not both held and written to
        places<D> at(e.seed, active, s.lengths);
        auto const z = patched(eg::z, at.heads(), s.noise);
        auto const embed = patched(eg::embed, at.once(), s.noise);
        auto const resid_pre = patched(eg::resid_pre, at.stream(), s.noise);
        auto const normalized1 = patched(eg::normalized1, at.stream(), s.noise);
        auto const q = patched(eg::q, at.heads(), s.noise);
        auto const k = patched(eg::k, at.kv_heads(), s.noise);
        auto const v = patched(eg::v, at.kv_heads(), s.noise);
        auto const scores = patched(eg::scores, at.heads(), s.noise);
        auto const pattern = patched(eg::pattern, at.heads(), s.noise);
        auto const result = patched(eg::result, at.heads(), s.noise);
        auto const attn_out = patched(eg::attn_out, at.stream(), s.noise);
        auto const normalized2 = patched(eg::normalized2, at.stream(), s.noise);
        auto const mlp_pre = patched(eg::mlp_pre, at.stream(), s.noise);
        auto const mlp_post = patched(eg::mlp_post, at.stream(), s.noise);
        auto const mlp_out = patched(eg::mlp_out, at.stream(), s.noise);
        auto const resid_post = patched(eg::resid_post, at.stream(), s.noise);
        auto const final_normalized = patched(eg::final_normalized, at.once(), s.noise);
        auto const logits = patched(eg::logits, at.once(), s.noise);
        auto const rotated = only_if<D.position == eg::position::rope>(s.noise, [&](auto const& noise) {
            auto const rot_q = patched(eg::rot_q, at.heads(), noise);
            return rot_q | patched(eg::rot_k, at.kv_heads(), noise);
        });
        auto const learned = only_if<D.position == eg::position::learned>(s.noise, [&](auto const& noise) {
            at.next();
            return patched(eg::pos_embed, at.once(), noise);
        });
        auto const resid_mid = only_if<D.residual == eg::residual::sequential>(
            s.noise, [&](auto const& noise) { return patched(eg::resid_mid, at.stream(), noise); });
        auto const mlp_gate = only_if<eg::is_gated(D.mlp)>(
            s.noise, [&](auto const& noise) { return patched(eg::mlp_gate, at.stream(), noise); });
        if constexpr (D.residual == eg::residual::parallel)
            at.next();
        if constexpr (!eg::is_gated(D.mlp))
            at.next();
        auto const frozen = eg::may_not_fire(eg::freeze(eg::z, at.stream(), s.clean));
        auto const edge = at.edge();
        std::vector<int> layers;
        if (at.next())
            layers = at.draw.some(D.layers);
        auto const blocked = eg::may_not_fire(
            eg::knockout(eg::layers(layers) & eg::heads(at.draw.some(D.heads)), edge.first, edge.second));
        return embed | learned | resid_pre | normalized1 | q | k | v | rotated | scores | blocked | pattern | z |
               frozen | result | attn_out | resid_mid | normalized2 | mlp_gate | mlp_pre | mlp_post | mlp_out |
               resid_post | final_normalized | logits;
    }
};

/// All that is made of the activation itself, and other donors than a run's same place.
struct altered {
    static constexpr int parts = 14;
    static constexpr std::uint32_t copying = 0;

    template <eg::description const& D>
    static auto policy(entry const& e, auto const& s) {
        auto const maybe = [](auto policy) { return eg::may_not_fire(std::move(policy)); };
        places<D> at(e.seed, e.active, s.lengths);
        std::vector<double> direction(static_cast<std::size_t>(D.d_model)), of_head(static_cast<std::size_t>(D.d_head));
        direction[1] = 2, direction[4] = -1;
        of_head[0] = 0.6, of_head[1] = 0.8;
        auto const resid_pre = maybe(eg::steer(eg::resid_pre, at.stream(), direction, 1.5));
        auto const normalized1 = maybe(eg::scale(eg::normalized1, at.stream(), 0.5));
        auto const q = maybe(eg::edit(eg::q, at.heads(), turned));
        auto const k = maybe(eg::ablate(eg::k, at.kv_heads()));
        auto const v = maybe(eg::ablate(eg::v, at.kv_heads(), 0.25));
        auto const means = maybe(eg::ablate(eg::z, at.heads(), s.means));
        auto const part = maybe(eg::subspace(eg::z, at.heads() & eg::when(first_is_positive), {of_head}, s.noise));
        auto const resampled = maybe(eg::ablate(eg::z, at.stream(), eg::resample{s.others, 5}));
        auto const attn_out = maybe(eg::swap(eg::attn_out, at.stream(), s.abroad));
        auto const mlp_pre = maybe(eg::mask(eg::mlp_pre, at.stream(), {0.5}, s.noise));
        auto const mlp_post = maybe(eg::edit(eg::mlp_post, at.stream() & eg::when(first_is_positive), turned));
        auto const once = eg::scale(eg::mlp_out, at.stream(), 2), again = eg::scale(eg::mlp_out, at.stream(), -1);
        auto const mlp_out = maybe(eg::all_of(std::vector{once, again}));
        auto const resid_post = maybe(eg::patch(eg::resid_post, at.stream() - eg::at(0), s.noise, eg::resid_pre));
        return resid_pre | normalized1 | q | k | v | means | part | resampled | attn_out | mlp_pre | mlp_post |
               mlp_out | resid_post;
    }
};

/// Few sites, for families that differ elsewhere.
struct plain {
    static constexpr int parts = 4;
    static constexpr std::uint32_t copying = 0xf;

    template <eg::description const& D>
    static auto policy(entry const& e, auto const& s) {
        places<D> at(e.seed, e.active, s.lengths);
        auto const resid_pre = eg::may_not_fire(eg::patch(eg::resid_pre, at.stream(), s.noise));
        auto const v = eg::may_not_fire(eg::patch(eg::v, at.kv_heads(), s.noise));
        auto const z = eg::may_not_fire(eg::patch(eg::z, at.heads(), s.noise));
        auto const mlp_out = eg::may_not_fire(eg::patch(eg::mlp_out, at.stream(), s.noise));
        return resid_pre | v | z | mlp_out;
    }
};

/// The runs that values are taken from, all with every site.
template <eg::description const& D, class B>
struct setting {
    static auto everything() {
        auto const ends = eg::capture(eg::embed, eg::final_normalized, eg::logits) | eg::capture(eg::block_sites<D>);
        if constexpr (D.position == eg::position::learned)
            return ends | eg::capture(eg::pos_embed);
        else
            return ends;
    }
    using run_type = decltype(std::declval<eg::model<D, B>>().run(std::declval<eg::batch>(), everything()));

    std::vector<std::size_t> lengths;
    eg::model<D, B> model;
    eg::batch prompts;
    run_type clean, noise, abroad, others;
    decltype(eg::mean(std::declval<run_type>(), eg::z)) means;
    std::vector<long> read_at{};
    std::vector<eg::token> tokens{}, less{};
};

template <eg::description const& D, class B>
setting<D, B> draw_setting(std::uint64_t seed, B const& backend) {
    dice draw(seed);
    auto lengths = draw.lengths();
    lengths.push_back(1 + draw.below(9)); // resampling needs another one
    auto const count = lengths.size();
    eg::model<D, B> const model(eg::random_weights<D, B>(seed, backend), backend),
        foreign(eg::random_weights<D, B>(seed + 1000000, backend), backend);
    auto const everything = setting<D, B>::everything();
    auto const prompts = draw.prompts(lengths, D.vocab), noise = draw.prompts(lengths, D.vocab),
               longer = draw.prompts(std::vector<std::size_t>(count, 10), D.vocab);
    auto const others = model.run(longer, everything);
    setting<D, B> s{std::move(lengths),
                    model,
                    prompts,
                    model.run(prompts, everything),
                    model.run(noise, everything),
                    foreign.run(noise, everything),
                    others,
                    eg::mean(others, eg::z)};
    for (std::size_t e = 0; e < count; ++e) {
        auto const n = s.lengths[e];
        s.read_at.push_back(draw.below(3) == 0 ? static_cast<long>(draw.below(n)) : -1);
        s.tokens.push_back(static_cast<eg::token>(draw.below(static_cast<std::size_t>(D.vocab))));
        s.less.push_back(static_cast<eg::token>(draw.below(static_cast<std::size_t>(D.vocab))));
    }
    return s;
}

inline bool same_bits(std::vector<double> const& a, std::vector<double> const& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

/// Every logit by itself, and each kind of metric.
template <eg::description const& D, class B>
std::vector<eg::metric> metrics_of(setting<D, B> const& s) {
    std::vector<eg::metric> all{eg::probability(s.tokens), eg::log_probability(s.tokens),
                                eg::accuracy(s.tokens),    eg::logit(s.tokens),
                                eg::kl_to_clean(),         eg::logit_difference(s.tokens, s.less)};
    for (std::size_t i = 0; i < static_cast<std::size_t>(D.vocab); ++i)
        all.push_back(eg::reading("logit " + std::to_string(i), [i](auto row, std::size_t) { return row[i]; }));
    return all;
}

/// What whole runs give, in the order of a sweep's results. The divergence by a formula of its own.
template <eg::description const& D, class B>
class by_whole_runs {
public:
    explicit by_whole_runs(setting<D, B> const& s) : s_(s), clean_(rows_of(s.clean)) {}

    std::map<std::string, std::vector<double>> values;

    template <class Policy>
    void add(Policy const& policy) {
        add_run(s_.model.run(s_.prompts, policy));
    }
    void add_run(auto const& run) {
        auto const logits = run.logits_at(eg::role{"read", s_.read_at, {}});
        auto const append = [&](std::string const& name, std::vector<double> const& more) {
            auto& all = values[name];
            all.insert(all.end(), more.begin(), more.end());
        };
        auto const of = logits.of(s_.tokens), less = logits.of(s_.less), p = logits.probability(s_.tokens);
        auto const top = logits.top();
        auto const rows = rows_of(run);
        std::vector<double> difference, right, divergence;
        for (std::size_t e = 0; e < of.size(); ++e) {
            difference.push_back(of[e] - less[e]);
            right.push_back(top[e] == s_.tokens[e]);
            auto const a = log_softmax(clean_[e]), b = log_softmax(rows[e]);
            double sum = 0;
            for (std::size_t i = 0; i < a.size(); ++i)
                sum += std::exp(a[i]) * (a[i] - b[i]);
            divergence.push_back(sum);
        }
        append("probability", p);
        append("logit", of);
        append("logit_difference", difference);
        append("accuracy", right);
        append("kl_to_clean", divergence);
        for (std::size_t i = 0; i < static_cast<std::size_t>(D.vocab); ++i) {
            std::vector<double> one;
            for (auto const& row : rows)
                one.push_back(row[i]);
            append("logit " + std::to_string(i), one);
        }
    }

private:
    std::vector<std::vector<double>> rows_of(auto const& run) const {
        auto const all = run.logits_at(eg::role{"read", s_.read_at, {}}).values().to_host();
        std::vector<std::vector<double>> rows;
        for (std::size_t e = 0; e < s_.lengths.size(); ++e)
            rows.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(e) * D.vocab,
                              all.begin() + static_cast<std::ptrdiff_t>(e + 1) * D.vocab);
        return rows;
    }
    static std::vector<double> log_softmax(std::vector<double> x) {
        double sum = 0, largest = *std::max_element(x.begin(), x.end());
        for (double const e : x)
            sum += std::exp(e - largest);
        for (auto& e : x)
            e -= largest + std::log(sum);
        return x;
    }

    setting<D, B> const& s_;
    std::vector<std::vector<double>> clean_;
};

/// A sweep's numbers are those of whole runs: every logit to the bit, and what is made of logits too, but for the
/// logarithms, which the two compute in different ways.
inline void check_same(eg::sweep_result const& found, std::map<std::string, std::vector<double>> const& whole) {
    for (auto const& [name, values] : whole) {
        INFO(name);
        if (name == "kl_to_clean") {
            auto const& ours = found.of(name);
            REQUIRE(ours.size() == values.size());
            for (std::size_t i = 0; i < values.size(); ++i)
                CHECK(ours[i] == Approx(values[i]).epsilon(1e-9).margin(1e-9));
        } else {
            CHECK(same_bits(found.of(name), values));
        }
    }
    auto const& p = found.of("probability");
    auto const& logs = found.of("log_probability");
    for (std::size_t i = 0; i < p.size(); ++i)
        CHECK(std::exp(logs[i]) == Approx(p[i]).epsilon(1e-12).margin(1e-300));
}

inline void check_plan(eg::sweep_result const& found) {
    CHECK(found.planned.flops.linear == found.counted.linear);
    CHECK(found.planned.flops.attention == found.counted.attention);
    CHECK(found.planned.flops.readings == found.counted.readings);
}

struct tally {
    std::size_t cases = 0, changed = 0, chunks = 0, idle = 0, recomputed = 0;
};

/// Random entries of one composition over a random batch of a random model.
template <class Parts, eg::description const& D, class B>
void check_model(std::uint64_t seed, std::size_t count, B const& backend, tally& sum) {
    INFO("model " << std::string_view(D.name) << " on " << B::name() << ", seed " << seed);
    auto const s = draw_setting<D>(seed, backend);
    dice draw(seed + 7);
    eg::table<entry> table{{{"entry", count}}, {{seed, 0}}};
    while (table.entries.size() < count) {
        std::uint32_t active = 0;
        for (std::size_t i = 0; i <= draw.below(4); ++i)
            active |= std::uint32_t(1) << draw.below(Parts::parts);
        table.entries.push_back({seed * 1000 + table.entries.size(), active});
    }
    auto const policy_of = [&](entry const& e) { return Parts::template policy<D>(e, s); };
    auto const metrics = metrics_of(s);
    auto const found = eg::sweep(s.model, s.clean, table, policy_of, metrics, {.read_at = s.read_at});
    check_plan(found);

    by_whole_runs<D, B> whole(s), clean(s);
    for (auto const& e : table.entries)
        whole.add(policy_of(e));
    check_same(found, whole.values);
    clean.add_run(s.clean);
    for (auto const& [name, values] : clean.values)
        if (name != "kl_to_clean")
            CHECK(same_bits(found.clean(name), values));
    CHECK(found.clean("kl_to_clean") == std::vector<double>(s.lengths.size()));

    // In smaller chunks: the same bits.
    for (double memory = found.planned.memory / 5;; memory *= 1.5)
        try {
            auto const parts =
                eg::sweep(s.model, s.clean, table, policy_of, metrics, {.memory = memory, .read_at = s.read_at});
            CHECK(parts.planned.memory <= memory);
            CHECK(parts.planned.flops == found.planned.flops);
            check_plan(parts);
            for (auto const& m : metrics)
                CHECK(same_bits(parts.of(m.name), found.of(m.name)));
            sum.chunks += parts.planned.chunks;
            break;
        } catch (eg::bad_input const& e) {
            REQUIRE(std::string(e.what()).find("[sweep.memory]") != std::string::npos);
            REQUIRE(memory <= found.planned.memory);
        }

    // Patched with its own values nothing changes, though all of it is computed again.
    if constexpr (Parts::copying != 0) {
        auto same = s;
        same.noise = s.clean;
        auto own = table;
        for (auto& e : own.entries)
            e.active &= Parts::copying;
        auto const nothing =
            eg::sweep(s.model, s.clean, own, [&](entry const& e) { return Parts::template policy<D>(e, same); },
                      metrics, {.read_at = s.read_at});
        for (auto const& m : metrics)
            for (std::size_t i = 0; i < nothing.of(m.name).size(); ++i)
                CHECK(nothing.of(m.name)[i] == nothing.clean(m.name)[i % s.lengths.size()]);
        sum.recomputed += nothing.counted.total() > 0;
    }

    // A few entries of the logits by themselves are the same.
    auto const few = eg::sweep(s.model, s.clean, table, policy_of,
                               {eg::logit(s.tokens), eg::logit_difference(s.tokens, s.less)}, {.read_at = s.read_at});
    check_plan(few);
    for (auto const* name : {"logit", "logit_difference"})
        CHECK(few.of(name) == found.of(name));

    auto const examples = s.lengths.size();
    sum.cases += count * examples;
    for (std::size_t i = 0; i < found.of().size(); ++i)
        sum.changed += found.of()[i] != found.clean()[i % examples];
    sum.idle += found.planned.cases - found.planned.live;
}

template <class Parts, eg::description const& D, class B>
void check_models(std::uint64_t first, int count, std::size_t entries, B const& backend = B{}) {
    tally sum;
    for (std::uint64_t seed = first; seed < first + static_cast<std::uint64_t>(count); ++seed)
        check_model<Parts, D>(seed, entries, backend, sum);
    INFO(sum.cases << " cases, " << sum.changed << " changed, " << sum.idle << " without work, " << sum.chunks
                   << " chunks of " << count << " sweeps");
    CHECK(sum.changed > sum.cases / 4);
    CHECK(sum.changed <= sum.cases - sum.idle);
    CHECK(sum.idle > sum.cases / 20);
    CHECK(sum.chunks > 2 * static_cast<std::size_t>(count));
    CHECK(sum.recomputed == (Parts::copying != 0 ? static_cast<std::size_t>(count) : 0));
    INFO("on " << B::name());
}

} // namespace sweeps
