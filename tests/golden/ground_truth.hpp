#pragma once

// Compares a small model with what is known of it: a folder with config.json, model.safetensors, cases.json and
// expected.safetensors. Of a HookedTransformer these say which tokens have which answers, what each site holds, what is
// left of the accuracy without a head, which heads look where, and which edges a compiled program runs through.
//
// cases.json: `answer_positions`, the positions P whose logits are read; `answer_entries` [from, to), the logits that
// compete there; `rule`, {"kind": "argmax"} or {"kind": "value", "tolerance": t}: the entry `from` is a number;
// `accuracy_on_tokens`; `circuit_logits`, a text with the name of the list of edges that these were made with.
//
// expected.safetensors, with n inputs of `len` tokens, V outputs:
//   tokens [n, len], answers [n, P] (negative: none), logits [n, P, V]
//   act_tokens [m, T], act_logits [m, T, V], blocks.L.SITE [m, T, ...], pattern [m, heads, T, T]
//   ablate_z [layers, heads]: accuracy with that head's z zero everywhere; ablate_z_logits [layers, heads, some, P, V]
//   first_start [n], previous_token_score, induction_score [layers, heads]
//   corrupt_tokens [n, len], circuit_logits [n, P, V]

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <ostream>
#include <regex>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/hana/for_each.hpp>
#include <nlohmann/json.hpp>

#include <engraft/engraft.hpp>

namespace ground_truth {

namespace eg = engraft;
using nlohmann::json;
using numbers = std::vector<double>;
using prompts = std::vector<std::vector<eg::token>>;

/// Largest difference, as a share of the largest number of the expected tensor, or of 1 where all are smaller.
template <class Backend>
inline constexpr double tolerance = std::is_same_v<typename Backend::value_type, double> ? 1e-9 : 1e-4;

/// The smallest change of a logit that counts as an effect of an edge.
template <class Backend>
inline constexpr double effect = std::is_same_v<typename Backend::value_type, double> ? 1e-6 : 1e-3;

template <eg::description const& D, class Backend>
class checker {
public:
    checker(std::filesystem::path const& folder, Backend const& backend, std::ostream& lines)
        : lines_(lines), expected_(folder / "expected.safetensors"), model_(eg::load<D, Backend>(folder, backend)) {
        std::ifstream file(folder / "cases.json");
        if (!file)
            throw eg::bad_file((folder / "cases.json").string(), "can't be opened");
        cases_ = json::parse(file);
        positions_ = cases_.at("answer_positions").template get<std::vector<int>>();
        auto const entries = cases_.at("answer_entries").template get<std::vector<std::size_t>>();
        from_ = entries.at(0), to_ = entries.at(1);
        auto const& rule = cases_.at("rule");
        by_value_ = rule.at("kind") == "value";
        if (by_value_)
            value_tolerance_ = rule.at("tolerance").template get<double>();
        tokens_ = read_prompts("tokens");
        answers_ = expected_.read<double>("answers");
        if (from_ >= to_ || to_ > vocab || answers_.size() != tokens_.size() * positions_.size())
            throw eg::bad_file((folder / "cases.json").string(), "its answers do not fit the model or the tokens");
    }

    bool run() {
        answers();
        activations();
        ablations();
        if (expected_.contains("first_start"))
            induction();
        if (expected_.contains("corrupt_tokens"))
            circuit();
        return passed_;
    }

private:
    static constexpr std::size_t vocab = static_cast<std::size_t>(eg::output_vocab(D));

    prompts read_prompts(std::string const& name) const {
        auto const shape = expected_.shape(name);
        auto const all = expected_.read<std::int64_t>(name);
        prompts read;
        for (std::size_t i = 0; i < shape.at(0); ++i)
            read.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(i * shape.at(1)),
                              all.begin() + static_cast<std::ptrdiff_t>((i + 1) * shape.at(1)));
        return read;
    }

    /// [examples, P, V] of a run.
    template <class Run>
    numbers logits_of(Run const& run) const {
        std::size_t const n = run.rows().examples(), places = positions_.size();
        numbers all(n * places * vocab);
        for (std::size_t p = 0; p < places; ++p) {
            auto const some = run.logits_at(positions_[p]).values().to_host();
            for (std::size_t e = 0; e < n; ++e)
                std::copy_n(some.begin() + static_cast<std::ptrdiff_t>(e * vocab), vocab,
                            all.begin() + static_cast<std::ptrdiff_t>((e * places + p) * vocab));
        }
        return all;
    }

    /// Whether the logits of one row give the answer, and whether rounding could decide that.
    struct judgement {
        bool right, close;
    };
    judgement judge(std::span<double const> row, double answer) const {
        double const rounding = tolerance<Backend> * std::max(1.0, largest_logit_);
        if (by_value_) {
            double const off = std::abs(row[from_] - answer) - value_tolerance_;
            return {off <= 0, std::abs(off) <= rounding};
        }
        auto const entries = row.subspan(from_, to_ - from_);
        auto const best = std::max_element(entries.begin(), entries.end());
        double second = -std::numeric_limits<double>::infinity();
        for (auto at = entries.begin(); at != entries.end(); ++at)
            if (at != best)
                second = std::max(second, *at);
        return {static_cast<double>(from_) + static_cast<double>(best - entries.begin()) == answer,
                *best - second <= rounding};
    }

    /// What the model says, and how often it is right.
    void answers() {
        auto const theirs = expected_.read<double>("logits");
        for (double x : theirs)
            largest_logit_ = std::max(largest_logit_, std::abs(x));
        auto const ours = logits_of(model_.run(eg::batch(tokens_)));
        compare("logits", ours, theirs);
        std::size_t right = 0, close = 0, asked = 0;
        for (std::size_t i = 0; i < answers_.size(); ++i) {
            if (answers_[i] < 0)
                continue;
            auto const found = judge(std::span(ours).subspan(i * vocab, vocab), answers_[i]);
            ++asked, right += found.right, close += found.close;
        }
        compare_share("accuracy", cases_.at("accuracy_on_tokens").template get<double>(), right, close, asked);
    }

    void activations() {
        auto const some = read_prompts("act_tokens");
        auto const run = model_.run(eg::batch(some), eg::capture(eg::block_sites<D>));
        compare("act_logits", run.logits().values().to_host(), expected_.read<double>("act_logits"), &some);
        boost::hana::for_each(eg::block_sites<D>, [&](auto site) {
            for (int layer = 0; layer < D.layers; ++layer) {
                auto const name = "blocks." + std::to_string(layer) + "." + decltype(site)::name;
                if (expected_.contains(name))
                    compare(name, eg::to_host(run[site].whole(layer)), expected_.read<double>(name),
                            decltype(site)::kind == eg::site_kind::pattern ? nullptr : &some);
            }
        });
    }

    /// Without each head: of some inputs all logits, by whole runs; of all of them the accuracy, as one sweep in which
    /// each pair of an input and a position is an example.
    void ablations() {
        auto const theirs = expected_.read<double>("ablate_z_logits");
        auto const some = expected_.shape("ablate_z_logits").at(2);
        eg::batch const first(prompts(tokens_.begin(), tokens_.begin() + static_cast<std::ptrdiff_t>(some)));
        numbers logits;
        for (auto const& n : eg::each_head<D>().entries) {
            auto const of_head = logits_of(model_.run(first, eg::ablate(eg::z, eg::nodes({n}))));
            logits.insert(logits.end(), of_head.begin(), of_head.end());
        }
        compare("ablate_z_logits", logits, theirs);

        prompts repeated;
        std::vector<long> read_at;
        numbers answers;
        for (std::size_t i = 0; i < answers_.size(); ++i)
            if (answers_[i] >= 0) {
                repeated.push_back(tokens_[i / positions_.size()]);
                read_at.push_back(positions_[i % positions_.size()]);
                answers.push_back(answers_[i]);
            }
        auto const clean = model_.run(eg::batch(repeated), eg::capture_for_sweeps<D>());
        auto const found =
            eg::sweep(model_, clean, eg::each_head<D>(), [](eg::node n) { return eg::ablate(eg::z, eg::nodes({n})); },
                      {eg::reading("right", [&](auto row, std::size_t e) { return judge(row, answers[e]).right; }),
                       eg::reading("close", [&](auto row, std::size_t e) { return judge(row, answers[e]).close; })},
                      {.read_at = read_at});
        auto const shares = expected_.read<double>("ablate_z");
        for (std::size_t i = 0; i < shares.size(); ++i) {
            double right = 0, close = 0;
            for (std::size_t e = 0; e < answers.size(); ++e) {
                right += found.of("right")[i * answers.size() + e];
                close += found.of("close")[i * answers.size() + e];
            }
            compare_share("accuracy without head " + std::to_string(i / D.heads) + "." + std::to_string(i % D.heads),
                          shares[i], static_cast<std::size_t>(right), static_cast<std::size_t>(close), answers.size());
        }
    }

    /// How much each head looks at the token before, where cases.json says that it does; and, from each token but the
    /// last of the second occurrence of a part of the text, at what followed it in the first one.
    void induction() {
        auto const starts = expected_.read<std::int64_t>("first_start");
        auto const run = model_.run(eg::batch(tokens_), eg::capture(eg::pattern));
        auto const [from, to] = queries_of_previous();
        numbers previous, induced;
        for (auto const& n : eg::each_head<D>().entries) {
            double at_previous = 0, at_next = 0;
            std::size_t of_previous = 0, of_next = 0;
            for (std::size_t e = 0; e < tokens_.size(); ++e) {
                auto const& text = tokens_[e];
                auto const seen = [&](std::size_t query, std::size_t key) {
                    return static_cast<double>(run[eg::pattern].slice(n.layer, e, static_cast<long>(query),
                                                                      static_cast<std::size_t>(n.head))[key]);
                };
                auto const first = static_cast<std::size_t>(starts[e]);
                auto const again = static_cast<std::size_t>(
                    std::find(text.begin() + static_cast<std::ptrdiff_t>(first) + 1, text.end(), text[first]) -
                    text.begin());
                for (auto q = from; q <= std::min(to, text.size() - 1); ++q)
                    at_previous += seen(q, q - 1), ++of_previous;
                for (std::size_t i = 0; again + i + 1 < text.size() && text[again + i + 1] == text[first + i + 1]; ++i)
                    at_next += seen(again + i, first + i + 1), ++of_next;
            }
            previous.push_back(at_previous / static_cast<double>(of_previous));
            induced.push_back(at_next / static_cast<double>(of_next));
        }
        compare("previous_token_score", previous, expected_.read<double>("previous_token_score"));
        compare("induction_score", induced, expected_.read<double>("induction_score"));
    }

    /// "... queries 1..27 ..."; all without such words
    std::pair<std::size_t, std::size_t> queries_of_previous() const {
        std::smatch found;
        auto const text = cases_.at("known").dump();
        if (std::regex_search(text, found, std::regex("queries ([0-9]+)\\.\\.([0-9]+)")))
            return {std::stoul(found[1]), std::stoul(found[2])};
        return {1, std::numeric_limits<std::size_t>::max()};
    }

    /// The listed edges are those that have an effect, one by one and in a greedy search, and the model with all others
    /// cut is the model.
    void circuit() {
        std::set<std::string> listed;
        for (auto const& name : edges_listed())
            listed.insert(name);
        auto const all = eg::each_edge<D>(eg::input_edges::included);
        std::vector<eg::edge> others;
        for (auto const& e : all.entries)
            if (!listed.contains(name_of(e)))
                others.push_back(e);
        if (others.size() + listed.size() != all.entries.size())
            throw eg::bad_input("cases.json lists edges that this model does not have");

        auto const corrupt = model_.run(eg::batch(read_prompts("corrupt_tokens")), kept_of_noise());
        compare("circuit_logits, all but " + std::to_string(listed.size()) + " of " +
                    std::to_string(all.entries.size()) + " edges cut",
                logits_of(model_.run(eg::batch(tokens_), eg::rewire(others, model_, corrupt))),
                expected_.read<double>("circuit_logits"));

        std::set<std::string> found;
        auto const clean = model_.run(eg::batch(tokens_), eg::capture_for_sweeps<D>());
        auto const usual = logits_of(clean);
        for (std::size_t p = 0; p < positions_.size(); ++p) {
            auto const change = eg::reading("change", [&](std::span<double const> row, std::size_t e) {
                double largest = 0;
                for (std::size_t i = from_; i < to_; ++i)
                    largest = std::max(largest, std::abs(row[i] - usual[(e * positions_.size() + p) * vocab + i]));
                return largest;
            });
            auto const changes = eg::edge_patching(model_, clean, corrupt, all, {change},
                                                   {.read_at = std::vector<long>(tokens_.size(), positions_[p])});
            for (std::size_t i = 0; i < changes.of().size(); ++i)
                if (changes.of()[i] > effect<Backend>)
                    found.insert(name_of(all.entries[i / tokens_.size()]));
        }
        compare_edges("edge patching", listed, found);
        if (vocab > 1)
            search(all.entries, listed);
        else
            lines_ << "# acdc: one output has no distribution that cut edges could change\n";
    }

    /// Each pair of an input and a position is an example.
    void search(std::vector<eg::edge> const& candidates, std::set<std::string> const& listed) {
        auto const corrupt = read_prompts("corrupt_tokens");
        prompts ours, theirs;
        std::vector<long> read_at;
        for (std::size_t e = 0; e < tokens_.size(); ++e)
            for (auto const position : positions_) {
                ours.push_back(tokens_[e]);
                theirs.push_back(corrupt[e]);
                read_at.push_back(position);
            }
        eg::batch const batch(ours);
        auto const noise = model_.run(eg::batch(theirs), kept_of_noise());
        std::set<std::string> found;
        for (auto const& e :
             eg::acdc(model_, batch, noise, candidates, {.threshold = effect<Backend> / 10, .read_at = read_at}).kept)
            found.insert(name_of(e));
        compare_edges("acdc", listed, found);
    }

    static auto kept_of_noise() {
        if constexpr (D.mlp == eg::mlp::none)
            return eg::capture(eg::embed, eg::z);
        else
            return eg::capture(eg::embed, eg::z, eg::mlp_out);
    }

    /// The list that `circuit_logits` names, an array or an object with them as keys, as names of this library.
    std::vector<std::string> edges_listed() const {
        auto const text = cases_.at("circuit_logits").template get<std::string>();
        json const* list = nullptr;
        auto const search = [&](auto const& self, json const& in, std::string const& key) -> void {
            if (text.find(key) != text.npos && !key.empty() && in.is_object() && in.contains("edges"))
                list = &in.at("edges");
            if (in.is_object())
                for (auto const& [inner, value] : in.items())
                    self(self, value, inner);
        };
        search(search, cases_.at("known"), "");
        if (!list)
            throw eg::bad_input("cases.json has no list of edges that 'circuit_logits' names");
        std::vector<std::string> names;
        for (auto const& [key, value] : list->items())
            names.push_back(translated(list->is_array() ? value.template get<std::string>() : key));
        return names;
    }

    /// "Resid Start->A0.1.Q", "MLP 0->Resid End": the names of auto-circuit.
    static std::string translated(std::string const& name) {
        auto const arrow = name.find("->");
        auto from = name.substr(0, arrow), to = name.substr(arrow + 2);
        if (from == "Resid Start")
            from = "input";
        else if (from.starts_with("MLP "))
            from = from.substr(4) + ".mlp";
        else
            from = from.substr(1);
        if (to == "Resid End")
            return from + " -> logits";
        if (to.starts_with("MLP "))
            return from + " -> " + to.substr(4) + ".mlp";
        auto const head = to.find('.'), input = to.rfind('.');
        return from + " -> " + to.substr(1, head) + static_cast<char>(std::tolower(to.back())) +
               to.substr(head + 1, input - head - 1);
    }

    /// of: whose rows are compared; those of padding are not.
    template <class T>
    void compare(std::string const& name, std::vector<T> const& ours, numbers const& theirs,
                 prompts const* of = nullptr) {
        double largest = 0, difference = 0;
        for (auto x : theirs)
            largest = std::max(largest, std::abs(x));
        bool good = ours.size() == theirs.size();
        auto const length = of ? of->front().size() : 1;
        auto const width = of ? theirs.size() / (of->size() * length) : 1;
        for (std::size_t i = 0; good && i < ours.size(); ++i) {
            if (of && D.pad_token >= 0 && (*of)[i / width / length][i / width % length] == D.pad_token)
                continue;
            double const d = std::abs(static_cast<double>(ours[i]) - theirs[i]);
            good = std::isfinite(d);
            difference = good ? std::max(difference, d) : d;
        }
        good = good && difference <= tolerance<Backend> * std::max(1.0, largest);
        say(name, "differ by " + text(difference) + " of at most " + text(largest), good);
    }

    /// close: how many of them rounding may have decided
    void compare_share(std::string const& name, double theirs, std::size_t right, std::size_t close, std::size_t of) {
        double const ours = static_cast<double>(right) / static_cast<double>(of);
        double const apart = std::abs(ours - theirs) * static_cast<double>(of);
        bool const equal = apart < 1e-6 * static_cast<double>(of), tied = apart <= static_cast<double>(close) + 1e-6;
        say(name,
            text(ours) + ", known " + text(theirs) +
                (equal ? ""
                       : "; " + std::to_string(close) + " of " + std::to_string(of) +
                             " are closer than the tolerance of logits"),
            equal || tied);
    }

    void compare_edges(std::string const& how, std::set<std::string> const& listed,
                       std::set<std::string> const& found) {
        std::string differ;
        for (auto const& e : listed)
            if (!found.contains(e))
                differ += ", not " + e;
        for (auto const& e : found)
            if (!listed.contains(e))
                differ += ", also " + e;
        say(how, "finds " + std::to_string(found.size()) + " edges of " + std::to_string(listed.size()) + differ,
            differ.empty());
    }

    static std::string text(double x) {
        std::ostringstream out;
        out << x;
        return out.str();
    }

    void say(std::string const& claim, std::string const& what, bool good) {
        passed_ = passed_ && good;
        lines_ << claim << ": " << what << (good ? "" : " FAILED") << '\n';
    }

    std::ostream& lines_;
    eg::checkpoint expected_;
    eg::model<D, Backend> model_;
    json cases_;
    std::vector<int> positions_;
    std::size_t from_ = 0, to_ = 0;
    bool by_value_ = false;
    double value_tolerance_ = 0, largest_logit_ = 0;
    prompts tokens_;
    numbers answers_;
    bool passed_ = true;
};

/// A line for each claim: what is known, and what came out.
template <eg::description const& D, class Backend>
bool check(std::filesystem::path const& folder, Backend const& backend, std::ostream& lines) {
    lines << "# " << Backend::name() << ", " << folder.filename().string() << '\n';
    return checker<D, Backend>(folder, backend, lines).run();
}

} // namespace ground_truth
