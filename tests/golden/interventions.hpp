#pragma once

// Does what a case of data/README.md describes, by the library's policies, in whole runs and in sweeps, and compares
// both with the numbers of an independent implementation: case.json and expected.safetensors.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <ostream>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <engraft/engraft.hpp>

namespace interventions {

namespace eg = engraft;
using nlohmann::json;
using numbers = std::vector<double>;

/// Largest difference that a result may have, m being the largest number of the expected tensor.
template <class Backend>
double tolerance(std::string const& name, double m) {
    if constexpr (std::is_same_v<typename Backend::value_type, double>)
        return 1e-10 * std::max(m, 1.0);
    auto const ends = [&](char const* with) { return name.ends_with(with); };
    if (ends("prob"))
        return 5e-6;
    if (ends(".score"))
        return 1e-5;
    if (name.find(".adam.") != name.npos || name.find(".random.") != name.npos)
        return 1e-4;
    if (name == "mean_z" || name.starts_with("grad.") || name.starts_with("attribution."))
        return 5e-5 * m;
    return 5e-5 * std::max(m, 1.0);
}

/// The case as data; throws what the JSON library throws for keys that are missing.
struct description_of_case {
    json values;
    std::vector<std::vector<eg::token>> clean, noise;
    std::vector<eg::token> answer, other;

    explicit description_of_case(std::filesystem::path const& folder) {
        std::ifstream file(folder / "case.json");
        if (!file)
            throw eg::bad_file((folder / "case.json").string(), "can't be opened");
        values = json::parse(file);
        clean = values.at("clean").get<std::vector<std::vector<eg::token>>>();
        noise = values.at("noise").get<std::vector<std::vector<eg::token>>>();
        answer = values.at("answer").get<std::vector<eg::token>>();
        other = values.at("other").get<std::vector<eg::token>>();
    }

    std::string kind() const { return values.at("kind").get<std::string>(); }

    eg::role role(std::string const& name) const {
        return {name, values.at("positions").at(name).get<std::vector<long>>(), {}};
    }

    static std::vector<eg::node> nodes(json const& pairs) {
        std::vector<eg::node> list;
        for (auto const& pair : pairs)
            list.push_back({pair.at(0).get<int>(), pair.at(1).get<int>()});
        return list;
    }
};

/// Sweeps: whether they are compared too; each composition is an engine of its own to compile.
template <eg::description const& D, class Backend, bool Sweeps>
class checker {
public:
    checker(std::filesystem::path const& folder, Backend const& backend, std::ostream& lines)
        : folder_(folder), lines_(lines), case_(folder), expected_(folder / "expected.safetensors"),
          model_(eg::load<D, Backend>(folder / case_.values.at("model").get<std::string>(), backend)),
          clean_(case_.clean), noise_(case_.noise), last_(case_.role("last")) {
        for (auto const* of_the_case : {"clean_tokens", "noise_tokens", "lengths", "mean_tokens", "mean_lengths"})
            compared_.insert(of_the_case);
    }

    bool run() {
        if (case_.kind() == "activation_patching")
            activation_patching();
        else if (case_.kind() == "attention_knockout")
            knockout();
        else if (case_.kind() == "mean_ablation")
            mean_ablation();
        else if (case_.kind() == "cross_model")
            cross_model();
        else if (case_.kind() == "path_patching")
            path_patching();
        else if (case_.kind() == "dcm")
            dcm();
        else if (case_.kind() == "gradients")
            gradients();
        else
            throw eg::bad_input({"this program knows nothing of cases of the kind '", case_.kind(), "'"});
        for (auto const& name : expected_.names())
            if (!compared_.contains(name)) {
                lines_ << name << " not computed FAILED\n";
                passed_ = false;
            }
        return passed_;
    }

private:
    static constexpr char const* by_sweep = "[sweep]";
    using metrics = std::map<std::string, numbers>;

    /// Appends what is read at the last position of each example.
    template <class Run>
    void read(metrics& into, Run const& run) const {
        auto const rows = run.logits_at(last_);
        auto const append = [&](char const* name, numbers const& more) {
            into[name].insert(into[name].end(), more.begin(), more.end());
        };
        auto const logit = rows.of(case_.answer), others = rows.of(case_.other);
        numbers difference;
        for (std::size_t e = 0; e < logit.size(); ++e)
            difference.push_back(logit[e] - others[e]);
        append("prob", rows.probability(case_.answer));
        append("logit", logit);
        append("logit_diff", difference);
    }

    template <class Policy = eg::composed<>>
    void read_under(metrics& into, Policy const& policy = {}) const {
        read(into, model_.run(clean_, policy));
    }

    /// A clean run that sweeps can be computed beside.
    auto run_for_sweeps() const { return model_.run(clean_, eg::capture_for_sweeps<D>() | eg::capture(eg::q)); }

    /// The same as `read_under` each entry's policy, as rows beside a clean run; receivers: of two passes, or none.
    template <class Entry, class PolicyOf, class... Receivers>
    metrics swept(auto const& clean, eg::table<Entry> const& table, PolicyOf const& policy_of,
                  Receivers const&... receivers) const {
        if constexpr (!Sweeps) {
            return {};
        } else {
            auto const found = eg::sweep(model_, clean, table, policy_of, receivers...,
                                         {eg::probability(case_.answer), eg::logit(case_.answer),
                                          eg::logit_difference(case_.answer, case_.other)},
                                         {.read_at = last_.positions});
            return {{"prob", found.of("probability")},
                    {"logit", found.of("logit")},
                    {"logit_diff", found.of("logit_difference")}};
        }
    }

    /// Of some entries of a sweep.
    metrics part_of(metrics const& all, std::size_t first, std::size_t count) const {
        auto const examples = case_.clean.size();
        metrics part;
        for (auto const& [name, values] : all) // of none where there are no sweeps
            part[name].assign(values.begin() + static_cast<std::ptrdiff_t>(first * examples),
                              values.begin() + static_cast<std::ptrdiff_t>((first + count) * examples));
        return part;
    }

    void compare(std::string const& prefix, metrics const& ours, std::string const& how = "") {
        for (auto const& [name, values] : ours)
            compare(prefix + "." + name, values, how);
    }

    /// how: by what, where there are two ways.
    template <class T>
    void compare(std::string const& name, std::vector<T> const& ours, std::string const& how = "") {
        compared_.insert(name);
        auto const theirs = expected_.read<double>(name);
        double largest = 0, difference = 0;
        for (auto x : theirs)
            largest = std::max(largest, std::abs(x));
        bool good = ours.size() == theirs.size();
        for (std::size_t i = 0; good && i < ours.size(); ++i) {
            auto const d = std::abs(static_cast<double>(ours[i]) - theirs[i]);
            good = std::isfinite(d);
            difference = std::max(difference, d);
        }
        good = good && difference <= tolerance<Backend>(name, largest);
        passed_ = passed_ && good;
        lines_ << name << how << ' ' << difference << ' ' << difference / largest << (good ? "" : " FAILED") << '\n';
    }

    void compare_clean() {
        metrics clean;
        read_under(clean);
        compare("clean", clean);
    }

    void activation_patching() {
        auto const noise = model_.run(noise_, eg::capture(eg::z, eg::attn_out, eg::mlp_out, eg::resid_pre));
        compare_clean();
        metrics of_noise, z, attn_out, mlp_out, resid_pre;
        read(of_noise, noise);
        compare("noise", of_noise);
        for (int l = 0; l < D.layers; ++l) {
            for (int h = 0; h < D.heads; ++h)
                read_under(z, eg::patch(eg::z, eg::nodes({{l, h}}).at(last_), noise));
            read_under(attn_out, eg::patch(eg::attn_out, eg::layer(l) & eg::at(last_), noise));
            read_under(mlp_out, eg::patch(eg::mlp_out, eg::layer(l) & eg::at(last_), noise));
            for (auto const& role : case_.values.at("roles"))
                read_under(resid_pre,
                           eg::patch(eg::resid_pre, eg::layer(l) & eg::at(case_.role(role.get<std::string>())), noise));
        }
        compare("z", z);
        compare("attn_out", attn_out);
        compare("mlp_out", mlp_out);
        compare("resid_pre", resid_pre);

        auto const base = run_for_sweeps();
        auto const layers = eg::each_layer<D>();
        compare("z",
                swept(base, eg::each_head<D>(),
                      [&](eg::node n) { return eg::patch(eg::z, eg::nodes({n}).at(last_), noise); }),
                by_sweep);
        compare(
            "attn_out",
            swept(base, layers, [&](int l) { return eg::patch(eg::attn_out, eg::layer(l) & eg::at(last_), noise); }),
            by_sweep);
        compare("mlp_out",
                swept(base, layers, [&](int l) { return eg::patch(eg::mlp_out, eg::layer(l) & eg::at(last_), noise); }),
                by_sweep);
        auto const roles = case_.values.at("roles").get<std::vector<std::string>>();
        eg::table<std::pair<int, std::string>> places{{{"layer", std::size_t(D.layers)}, {"role", roles.size()}}, {}};
        for (int l = 0; l < D.layers; ++l)
            for (auto const& role : roles)
                places.entries.emplace_back(l, role);
        compare("resid_pre",
                swept(base, places,
                      [&](auto const& place) {
                          return eg::patch(eg::resid_pre, eg::layer(place.first) & eg::at(case_.role(place.second)),
                                           noise);
                      }),
                by_sweep);
    }

    void knockout() {
        compare_clean();
        auto const base = run_for_sweeps();
        for (auto const& edge : case_.values.at("edges")) {
            eg::role const from{"from", edge.at("from").get<std::vector<long>>(), {}};
            eg::role const to{"to", edge.at("to").get<std::vector<long>>(), {}};
            metrics found;
            for (int first = 0; first < D.layers; ++first)
                read_under(found, eg::knockout(eg::layers(first, D.layers), eg::at(from), eg::at(to)));
            read_under(found);
            compare(edge.at("name").get<std::string>(), found);

            eg::table<int> firsts{{{"first", std::size_t(D.layers + 1)}}, {}};
            for (int first = 0; first <= D.layers; ++first)
                firsts.entries.push_back(first);
            compare(edge.at("name").get<std::string>(),
                    swept(base, firsts,
                          [&](int first) {
                              return eg::may_not_fire(
                                  eg::knockout(eg::layers(first, D.layers), eg::at(from), eg::at(to)));
                          }),
                    by_sweep);
        }
    }

    void mean_ablation() {
        compare_clean();
        eg::batch const prompts = case_.values.at("mean_prompts").get<std::vector<std::vector<eg::token>>>();
        auto const means = eg::mean_activations(model_, prompts, eg::z, {.at_once = 4});
        numbers all, count(means.distances());
        for (int l = 0; l < D.layers; ++l) {
            auto const layer = eg::to_host(means.view(l));
            all.insert(all.end(), layer.begin(), layer.end());
        }
        compare("mean_z", all);
        for (std::size_t e = 0; e < prompts.rows().examples(); ++e)
            for (std::size_t d = 0; d < prompts.rows().length(e); ++d)
                ++count[d];
        compare("mean_count", count);

        using at_role = decltype(eg::ablate(eg::z, eg::nodes({}).at(last_), means));
        std::vector<at_role> outside;
        std::vector<std::set<long>> of_roles(case_.clean.size());
        for (auto const& [name, heads] : case_.values.at("circuit").items()) {
            auto const role = case_.role(name);
            auto const inside = description_of_case::nodes(heads);
            std::vector<eg::node> others;
            for (int l = 0; l < D.layers; ++l)
                for (int h = 0; h < D.heads; ++h)
                    if (std::find(inside.begin(), inside.end(), eg::node{l, h}) == inside.end())
                        others.push_back({l, h});
            outside.push_back(eg::ablate(eg::z, eg::nodes(others).at(role), means));
            for (std::size_t e = 0; e < of_roles.size(); ++e)
                of_roles[e].insert(role.positions[e]);
        }
        std::vector<std::vector<long>> elsewhere(of_roles.size());
        for (std::size_t e = 0; e < elsewhere.size(); ++e)
            for (long p = 0; p < static_cast<long>(case_.clean[e].size()); ++p)
                if (!of_roles[e].contains(p))
                    elsewhere[e].push_back(p);
        auto const roles_only = eg::all_of(outside);
        ablated("role_positions_only", roles_only);
        auto const all_positions = roles_only | eg::ablate(eg::z, eg::at_each(elsewhere), means);
        ablated("all_positions", all_positions);
        eg::circuit kept;
        std::vector<eg::role> roles;
        for (auto const& [name, heads] : case_.values.at("circuit").items()) {
            kept.groups.push_back({"group at " + name, name, description_of_case::nodes(heads)});
            roles.push_back(case_.role(name));
        }
        auto const measured = [&](eg::batch const& prompts_there, std::vector<eg::role> const& roles_there,
                                  std::vector<eg::token> const& answers, std::vector<eg::token> const& others) {
            return eg::mean_ablation(
                model_, prompts_there, roles_there, means,
                {eg::probability(answers), eg::logit(answers), eg::logit_difference(answers, others)},
                {.sweep = {.read_at = last_of(roles_there)}});
        };
        auto const f = measured(clean_, roles, case_.answer, case_.other);
        auto const of_circuit = [&](eg::sweep_result const& found) {
            return metrics{{"prob", found.of("probability")},
                           {"logit", found.of("logit")},
                           {"logit_diff", found.of("logit_difference")}};
        };
        compare("clean", of_circuit(f.whole()), by_sweep);
        compare("all_positions", of_circuit(f.alone(kept)), " [the run beside]");
        auto const in_order = f.each({kept});
        compare("all_positions", of_circuit(in_order), by_sweep);

        // The order of the examples does not change a score.
        auto const backwards = [](auto list) {
            std::reverse(list.begin(), list.end());
            return list;
        };
        auto turned = roles;
        for (auto& role : turned)
            role.positions = backwards(role.positions);
        auto const in_other_order =
            measured(backwards(case_.clean), turned, backwards(case_.answer), backwards(case_.other)).each({kept});
        auto const difference =
            std::abs(eg::mean_over_examples(in_order)[0] - eg::mean_over_examples(in_other_order)[0]);
        passed_ = passed_ && difference < 1e-6;
        lines_ << "order of the examples " << difference << (difference < 1e-6 ? "" : " FAILED") << '\n';
    }

    /// Of the roles, the positions of the last one: where the numbers are read.
    static std::vector<long> last_of(std::vector<eg::role> const& roles) {
        return std::find_if(roles.begin(), roles.end(), [](eg::role const& r) { return r.name == "last"; })->positions;
    }

    template <class Policy>
    void ablated(std::string const& name, Policy const& policy) {
        auto const run = model_.run(clean_, policy);
        metrics found;
        read(found, run);
        compare(name, found);
        compare(name + ".logits_last", run.logits_at(last_).values().to_host());
    }

    void cross_model() {
        auto const folder = folder_ / case_.values.at("model").get<std::string>();
        auto const adapter = folder_ / case_.values.at("adapter").get<std::string>();
        auto const tuned = eg::load<D, Backend>(folder, eg::lora(adapter), model_.backend())
                               .run(clean_, eg::capture(eg::z, eg::q, eg::k, eg::v));
        auto const base = model_.run(clean_, eg::capture(eg::z));
        metrics of_base, of_tuned;
        read(of_base, base);
        read(of_tuned, tuned);
        compare("base", of_base);
        compare("tuned", of_tuned);

        using group_swap = decltype(eg::swap(eg::z, eg::nodes({}).at(last_), tuned));
        std::vector<group_swap> groups;
        for (auto const& group : case_.values.at("groups")) {
            auto const where = eg::nodes(description_of_case::nodes(group.at("heads")));
            groups.push_back(eg::swap(eg::z, where.at(case_.role(group.at("role"))), tuned));
            metrics found;
            read_under(found, groups.back());
            compare("z." + group.at("name").get<std::string>(), found);
        }
        metrics all;
        read_under(all, eg::all_of(groups));
        compare("z.all", all);
        eg::table<std::vector<group_swap>> choices{{{"choice", groups.size() + 1}}, {}};
        for (auto const& group : groups)
            choices.entries.push_back({group});
        choices.entries.push_back(groups);
        auto const clean = run_for_sweeps();
        auto const of_choices = swept(clean, choices, [](auto const& list) { return eg::all_of(list); });
        for (std::size_t i = 0; i < groups.size(); ++i)
            compare("z." + case_.values.at("groups")[i].at("name").get<std::string>(), part_of(of_choices, i, 1),
                    by_sweep);
        compare("z.all", part_of(of_choices, groups.size(), 1), by_sweep);

        auto const held = eg::freeze(eg::z, eg::positions(0, -1), base);
        for (auto const& input : case_.values.at("inputs")) {
            auto const heads = description_of_case::nodes(input.at("heads"));
            auto const role = case_.role(input.at("role"));
            std::vector<std::vector<long>> before(role.positions.size());
            for (std::size_t e = 0; e < before.size(); ++e)
                for (long p = 0; p < role.positions[e]; ++p)
                    before[e].push_back(p);
            metrics found;
            if (input.at("site") == "q")
                read_under(found, eg::swap(eg::q, eg::nodes(heads).at(role), tuned) | held);
            else if (input.at("site") == "k")
                read_under(found, eg::swap(eg::k, eg::kv_nodes(heads) & eg::at_each(before), tuned) | held);
            else
                read_under(found, eg::swap(eg::v, eg::kv_nodes(heads) & eg::at_each(before), tuned) | held);
            compare("in." + input.at("name").get<std::string>(), found);

            // One composition for the three sites: two of its parts name no head.
            eg::table<std::string> const site{{{"site", 1}}, {input.at("site").get<std::string>()}};
            auto const by_site = [&](std::string const& of) {
                auto const if_at = [&](char const* name) { return of == name ? heads : std::vector<eg::node>{}; };
                return eg::may_not_fire(eg::swap(eg::q, eg::nodes(if_at("q")).at(role), tuned) |
                                        eg::swap(eg::k, eg::kv_nodes(if_at("k")) & eg::at_each(before), tuned) |
                                        eg::swap(eg::v, eg::kv_nodes(if_at("v")) & eg::at_each(before), tuned)) |
                       held;
            };
            compare("in." + input.at("name").get<std::string>(), swept(clean, site, by_site), by_sweep);
        }
    }

    void path_patching() {
        auto const clean = run_for_sweeps();
        auto const noise = model_.run(noise_, eg::capture(eg::z));
        metrics of_clean;
        read(of_clean, clean);
        compare("clean", of_clean);
        for (auto const& step : case_.values.at("steps")) {
            eg::role const role = case_.role(step.at("role"));
            eg::role const there{"there", step.at("noise_positions").get<std::vector<long>>(), {}};
            auto const receivers = description_of_case::nodes(step.at("heads"));
            auto const first_pass = eg::path_from_sender(clean, noise, role.from(there));
            auto const senders = eg::each_head<D>();
            auto const name = step.at("name").get<std::string>();
            metrics found, by_rows;
            for (auto const& sender : senders.entries) {
                auto const first = first_pass(sender);
                if (step.at("site").is_null())
                    read_under(found, first);
                else if (step.at("site") == "q")
                    read_under(found, eg::patch(eg::q, eg::nodes(receivers).at(role),
                                                model_.run(clean_, first | eg::capture(eg::q, eg::at(role)))));
                else
                    read_under(found, eg::patch(eg::v, eg::kv_nodes(receivers).at(role),
                                                model_.run(clean_, first | eg::capture(eg::v, eg::at(role)))));
            }
            if (step.at("site").is_null())
                by_rows = swept(clean, senders, first_pass);
            else if (step.at("site") == "q")
                by_rows = swept(clean, senders, first_pass, eg::receivers(eg::q, receivers, role));
            else
                by_rows = swept(clean, senders, first_pass, eg::receivers(eg::v, receivers, role));
            compare_scored(name, found, of_clean);
            if constexpr (Sweeps)
                compare_scored(name, by_rows, of_clean, by_sweep);
        }
    }

    /// One gradient at a given mask, and five steps of Adam.
    void dcm() {
        auto const source = model_.run(noise_, eg::capture(eg::z));
        for (auto const& setting : case_.values.at("settings")) {
            auto const heads = description_of_case::nodes(setting.at("heads"));
            eg::role const role{"there", setting.at("base_positions").get<std::vector<long>>(),
                                setting.at("source_positions").get<std::vector<long>>()};
            auto const targets = setting.at("targets").get<std::vector<eg::token>>();
            auto const name = setting.at("name").get<std::string>();
            eg::mask_rule const rule{.sparsity = setting.at("lambda").get<double>()};
            auto const examples = static_cast<double>(targets.size());
            double target = 0;
            // The mean logit of the targets and its derivative.
            auto const measure = [&](numbers const& weights) {
                auto const found =
                    eg::gradient(model_, clean_, eg::mask(eg::z, eg::nodes(heads).at(role), weights, source),
                                 eg::identity, eg::logit(targets));
                target = 0;
                for (double const x : found.values())
                    target += x / examples;
                auto of_target = found.template parameters<0>();
                for (auto& x : of_target)
                    x /= examples;
                return of_target;
            };

            eg::trained_mask mask{expected_.read<double>(name + ".random.mask"), {}};
            auto weights = eg::weights_of(rule, mask);
            compare(name + ".random.mask", weights);
            auto of_target = measure(weights);
            compare(name + ".random.target_logit", numbers{target});
            compare(name + ".random.loss", numbers{eg::mask_loss(rule, weights, target)});
            compare(name + ".random.grad", eg::descend(rule, mask, of_target));

            mask = eg::untrained_mask(rule, heads.size());
            std::map<std::string, numbers> all;
            auto const append = [&](char const* of, numbers const& more) {
                all[of].insert(all[of].end(), more.begin(), more.end());
            };
            for (int step = 0; step < 5; ++step) {
                weights = eg::weights_of(rule, mask);
                of_target = measure(weights);
                append("mask_used", weights);
                append("loss", {eg::mask_loss(rule, weights, target)});
                append("grad", eg::descend(rule, mask, of_target));
                append("mask_after", mask.parameters);
            }
            append("mask_final", eg::weights_of(rule, mask));
            compare(name + ".adam", all);
        }
    }

    void gradients() {
        auto const found = eg::gradient(model_, clean_, eg::capture(eg::z, eg::resid_pre, eg::mlp_out),
                                        eg::capture(eg::z, eg::resid_pre, eg::mlp_out),
                                        eg::logit_difference(case_.answer, case_.other), {.read_at = last_.positions});
        auto const noise = model_.run(noise_, eg::capture(eg::z, eg::resid_pre, eg::mlp_out));
        compare("objective", found.values());
        auto const& rows = clean_.rows();
        /// Over the elements of one head of one row: the gradient times what the noise would change.
        auto const attribution = [&](auto s, int layer, std::size_t e, std::size_t p, std::size_t head) {
            auto const slice = [&](auto const& of) { return of[s].slice(layer, e, static_cast<long>(p), head); };
            auto const slope = slice(found), from = slice(found.run()), to = slice(noise);
            double sum = 0;
            for (std::size_t i = 0; i < slope.size(); ++i)
                sum += double(slope[i]) * (double(to[i]) - double(from[i]));
            return sum;
        };
        auto const compare_site = [&](auto s) {
            numbers all, of_rows;
            for (int l = 0; l < D.layers; ++l) {
                auto const layer = eg::to_host(found[s].whole(l));
                all.insert(all.end(), layer.begin(), layer.end());
                for (std::size_t e = 0; e < rows.examples(); ++e)
                    for (std::size_t p = 0; p < rows.length(e); ++p)
                        of_rows.push_back(attribution(s, l, e, p, 0));
            }
            compare(std::string("grad.") + decltype(s)::name, all);
            return of_rows;
        };
        compare("attribution.resid_pre", compare_site(eg::resid_pre));
        compare("attribution.mlp_out", compare_site(eg::mlp_out));
        compare_site(eg::z);
        numbers at_last;
        for (int l = 0; l < D.layers; ++l)
            for (std::size_t h = 0; h < std::size_t(D.heads); ++h)
                for (std::size_t e = 0; e < rows.examples(); ++e)
                    at_last.push_back(attribution(eg::z, l, e, rows.length(e) - 1, h));
        compare("attribution.z_last", at_last);
    }

    void compare_scored(std::string const& name, metrics found, metrics const& of_clean, std::string const& how = "") {
        auto const examples = case_.clean.size();
        numbers score(found["prob"].size() / examples);
        for (std::size_t i = 0; i < found["prob"].size(); ++i) {
            double const before = of_clean.at("prob")[i % examples];
            score[i / examples] += (found["prob"][i] - before) / before / static_cast<double>(examples);
        }
        found["score"] = score;
        compare(name, found, how);
    }

    std::filesystem::path folder_;
    std::ostream& lines_;
    description_of_case case_;
    eg::checkpoint expected_;
    eg::model<D, Backend> model_;
    eg::batch clean_, noise_;
    eg::role last_;
    std::set<std::string> compared_;
    bool passed_ = true;
};

/// One line per tensor and way, `name max_abs rel`.
template <eg::description const& D, class Backend, bool Sweeps = true>
bool check(std::filesystem::path const& folder, Backend const& backend, std::ostream& lines) {
    lines << "# " << Backend::name() << ", " << folder.filename().string() << '\n';
    return checker<D, Backend, Sweeps>(folder, backend, lines).run();
}

} // namespace interventions
