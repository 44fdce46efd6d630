#pragma once

// Compares every site of a model folder with the numbers of another implementation: config.json, model.safetensors and
// expected.safetensors as data/README.md describes them.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <numeric>
#include <ostream>
#include <set>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/hana/for_each.hpp>

#include <engraft/engraft.hpp>

namespace parity {

namespace eg = engraft;

/// Largest d = |ours - theirs| allowed, as a share of m = max |theirs| over the tensor: the expected numbers are fp32.
template <class Backend>
inline constexpr double tolerance = std::is_same_v<typename Backend::value_type, double> ? 5e-6 : 1e-5;

/// The prompts of an expected.safetensors.
inline std::vector<std::vector<eg::token>> prompts_of(eg::checkpoint const& expected) {
    auto const tokens = expected.read<std::int64_t>("tokens");
    std::vector<std::vector<eg::token>> prompts;
    auto next = tokens.begin();
    for (auto length : expected.read<std::int64_t>("lengths")) {
        prompts.emplace_back(next, next + length);
        next += length;
    }
    return prompts;
}

/// Compares captured activations of consecutive prompts, from row `first_row` of the expected tensors on.
template <eg::description const& D, class Backend>
class comparison {
public:
    comparison(eg::checkpoint const& expected, std::ostream& lines) : expected_(expected), lines_(lines) {}

    bool passed() const { return passed_; }

    /// Sites of the model that the expected numbers do not have.
    std::set<std::string> const& left_out() const { return left_out_; }

    template <class Run>
    void compare(Run const& run, std::size_t first_prompt, std::size_t first_row) {
        compare_site(run, eg::embed, first_row);
        if constexpr (eg::has_site<D, eg::sites::pos_embed>)
            compare_site(run, eg::pos_embed, first_row);
        boost::hana::for_each(eg::block_sites<D>, [&](auto site) {
            if constexpr (decltype(site)::kind == eg::site_kind::pattern)
                compare_patterns(run, site, first_prompt);
            else
                compare_site(run, site, first_row);
        });
        if constexpr (eg::has_site<D, eg::sites::router_logits>)
            compare_choices(run, first_row);
        compare_site(run, eg::final_normalized, first_row);
        compare_site(run, eg::logits, first_row);
        auto const logits = run.logits().values().to_host();
        report("logits_on_demand", 0, logits, expected_.read<double>("logits"),
               first_row * static_cast<std::size_t>(eg::output_vocab(D)));
    }

private:
    template <class Run, eg::site S>
    void compare_site(Run const& run, S, std::size_t first_row) {
        if (!expected_.contains(S::name)) {
            left_out_.insert(S::name);
            return;
        }
        auto const theirs = expected_.read<double>(S::name);
        auto const layers = layers_with<S>();
        for (std::size_t i = 0; i < layers.size(); ++i) {
            auto const ours = host(run[S{}].whole(layers[i]));
            auto const row_size = ours.size() / run.rows().rows();
            report(S::name, layers[i], ours, theirs, i * theirs.size() / layers.size() + first_row * row_size);
        }
    }

    /// The layers that a site's tensor has: of what is inside MLPs only those with such an MLP.
    template <eg::site S>
    static std::vector<int> layers_with() {
        constexpr bool of_experts = S::kind == eg::site_kind::router || S::kind == eg::site_kind::expert_weight ||
                                    S::kind == eg::site_kind::expert_contribution;
        std::vector<int> layers;
        for (int layer = 0; layer < eg::hook_point<D, S>::layers; ++layer)
            if ((!of_experts || eg::has_experts(D, layer)) &&
                (S::kind != eg::site_kind::neuron || eg::has_plain_mlp(D, layer)))
                layers.push_back(layer);
        return layers;
    }

    /// Which experts each row goes to, in order: those with the largest router logits.
    template <class Run>
    void compare_choices(Run const& run, std::size_t first_row) {
        if (!expected_.contains("expert_index"))
            return;
        auto const theirs = expected_.read<std::int64_t>("expert_index");
        auto const layers = layers_with<eg::sites::router_logits>();
        std::size_t const rows = run.rows().rows(), chosen = D.experts_per_token;
        for (std::size_t i = 0; i < layers.size(); ++i) {
            auto const logits = host(run[eg::router_logits].whole(layers[i]));
            bool good = true;
            for (std::size_t r = 0; r < rows; ++r) {
                auto const of_row = logits.begin() + static_cast<std::ptrdiff_t>(r * D.experts);
                std::vector<std::int64_t> order(D.experts);
                std::iota(order.begin(), order.end(), 0);
                std::ranges::sort(order, [&](auto a, auto b) { return of_row[a] > of_row[b]; });
                for (std::size_t k = 0; k < chosen; ++k)
                    good = good && order[k] == theirs[i * theirs.size() / layers.size() + (first_row + r) * chosen + k];
            }
            passed_ = passed_ && good;
            lines_ << "expert_index " << layers[i] << (good ? " equal" : " differs FAILED") << '\n';
        }
    }

    template <class Run, eg::site S>
    void compare_patterns(Run const& run, S, std::size_t first_prompt) {
        for (int layer = 0; layer < D.layers; ++layer) {
            auto const ours = host(run[S{}].whole(layer));
            auto next = ours.begin();
            for (std::size_t e = 0; e < run.rows().examples(); ++e) {
                auto const name = std::string(S::name) + "." + std::to_string(first_prompt + e);
                auto const size = static_cast<std::ptrdiff_t>(D.heads * run.rows().length(e) * run.rows().length(e));
                if (expected_.contains(name))
                    report(name, layer, {next, next + size}, expected_.read<double>(name),
                           static_cast<std::size_t>(layer * size));
                else
                    left_out_.insert(S::name);
                next += size;
            }
        }
    }

    template <class View>
    static auto host(View v) {
        std::vector<typename Backend::value_type> elements(v.size());
        Backend::memory_type::to_host(elements.data(), v.data(), elements.size() * sizeof(elements[0]));
        return elements;
    }

    void report(std::string const& name, int layer, std::vector<typename Backend::value_type> const& ours,
                std::vector<double> const& theirs, std::size_t first) {
        double largest = 0, difference = 0;
        for (auto x : theirs)
            if (std::isfinite(x))
                largest = std::max(largest, std::abs(x));
        bool comparable = first + ours.size() <= theirs.size();
        for (std::size_t i = 0; comparable && i < ours.size(); ++i) {
            auto const a = static_cast<double>(ours[i]), b = theirs[first + i];
            if (a == b && a == -std::numeric_limits<double>::infinity()) // the score of a key that is not visible
                continue;
            double const d = std::abs(a - b);
            comparable = std::isfinite(d);
            difference = comparable ? std::max(difference, d) : d;
        }
        bool const good = comparable && difference <= tolerance<Backend> * largest;
        passed_ = passed_ && good;
        lines_ << name << ' ' << layer << ' ' << difference << ' ' << (largest > 0 ? difference / largest : difference)
               << (good ? "" : " FAILED") << '\n';
    }

    eg::checkpoint const& expected_;
    std::ostream& lines_;
    std::set<std::string> left_out_;
    bool passed_ = true;
};

/// One line per site and layer, `site layer max_abs rel`, for all prompts in one batch and for each alone.
template <eg::description const& D, class Backend>
bool check(std::filesystem::path const& folder, Backend const& backend, std::ostream& lines) {
    auto const model = eg::load<D, Backend>(folder, backend);
    eg::checkpoint const expected(folder / "expected.safetensors");
    auto const prompts = prompts_of(expected);
    auto const everything = [] {
        auto const all = eg::capture(eg::block_sites<D>) | eg::capture(eg::embed, eg::final_normalized, eg::logits);
        if constexpr (eg::has_site<D, eg::sites::pos_embed>)
            return all | eg::capture(eg::pos_embed);
        else
            return all;
    }();
    comparison<D, Backend> compared(expected, lines);
    lines << "# " << Backend::name() << ", " << prompts.size() << " prompts in one batch\n";
    compared.compare(model.run(prompts, everything), 0, 0);
    std::size_t row = 0;
    for (std::size_t i = 0; i < prompts.size(); ++i) {
        lines << "# " << Backend::name() << ", prompt " << i << " alone\n";
        compared.compare(model.run(std::vector<std::vector<eg::token>>{prompts[i]}, everything), i, row);
        row += prompts[i].size();
    }
    for (auto const& site : compared.left_out())
        lines << "# " << Backend::name() << ", not compared: " << site << '\n';
    return compared.passed();
}

/// The same with the lines as text, for a test to show.
template <eg::description const& D, class Backend>
std::pair<bool, std::string> check(std::filesystem::path const& folder, Backend const& backend) {
    std::ostringstream lines;
    bool const passed = check<D>(folder, backend, lines);
    return {passed, lines.str()};
}

} // namespace parity
