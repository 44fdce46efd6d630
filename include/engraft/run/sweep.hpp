#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <engraft/intervene/capture.hpp>
#include <engraft/intervene/compose.hpp>
#include <engraft/intervene/donor.hpp>
#include <engraft/run/engine.hpp>
#include <engraft/run/metric.hpp>
#include <engraft/run/model.hpp>
#include <engraft/run/table.hpp>

namespace engraft {

namespace detail {
/// What rows of cases take from the clean run; of keys what scores are made of.
template <description D>
using sites_for_sweeps =
    site_list<sites::resid_pre, std::conditional_t<D.position == position::rope, sites::rot_k, sites::k>, sites::v,
              sites::z, sites::attn_out, sites::mlp_out>;

template <site... S>
auto capture_all(site_list<S...>) {
    return capture(S{}...);
}
template <class Clean, site... S>
constexpr bool holds_all(site_list<S...>) {
    return (Clean::template holds<S> && ...);
}

/// Whether a policy says where it acts: what a sweep goes by.
template <description D, class P>
inline constexpr bool has_footprint = requires(P const& p, footprint& all, ragged const& rows) {
    p.template leave_footprint<D>(all, rows, false);
};
template <description D, class... P>
inline constexpr bool has_footprint<D, composed<P...>> = (has_footprint<D, P> && ...);
} // namespace detail

/// What a clean run must have captured so that sweeps can be computed beside it:
///
///     auto const clean = model.run(tokens, capture_for_sweeps<D>());
template <description D>
auto capture_for_sweeps() {
    return detail::capture_all(detail::sites_for_sweeps<D>{});
}

struct sweep_options {
    /// Memory for the rows of a chunk of cases, in bytes. Chunks change no result.
    double memory = 1e9;
    /// Where the metrics are read: one position per example, its last one where none is given.
    std::vector<long> read_at{};
    /// Called with the share of the work that is done, from 0 to 1.
    std::function<void(double)> progress{};
};

/// What a sweep will cost, known before anything is computed.
struct sweep_plan {
    std::size_t cases = 0; ///< entries times examples
    std::size_t live = 0;  ///< cases that can differ from the clean run in what is read
    std::size_t chunks = 0;
    double rows = 0;        ///< rows of layers that are computed
    flop_count flops;       ///< the clean run not included
    double memory = 0;      ///< largest tables of a chunk, in bytes; weights and the clean run's cache not included
    double naive_flops = 0; ///< a whole forward pass for each case and pass, its last logits only

    sweep_plan& operator+=(sweep_plan const& b) {
        cases = std::max(cases, b.cases), live = std::max(live, b.live), chunks += b.chunks, rows += b.rows;
        flops += b.flops, memory = std::max(memory, b.memory), naive_flops += b.naive_flops;
        return *this;
    }
};

inline std::ostream& operator<<(std::ostream& out, sweep_plan const& p) {
    return out << p.cases << " cases, " << p.live << " of which can differ from the clean run; " << p.rows
               << " rows of layers in " << p.chunks << " chunks; " << p.flops.total() / 1e9 << " GFLOP ("
               << p.flops.linear / 1e9 << " linear maps, " << p.flops.attention / 1e9 << " attention, "
               << p.flops.readings / 1e9 << " readings) against " << p.naive_flops / 1e9
               << " for whole forward passes; " << p.memory / 1e6 << " MB";
}

/// Numbers of a sweep, of each metric, with named axes; the last axis is the example.
class sweep_result {
public:
    sweep_result(std::vector<axis> axes, std::size_t examples, std::vector<metric> const& metrics)
        : axes_(std::move(axes)), examples_(examples) {
        axes_.push_back({"example", examples});
        std::size_t size = 1;
        for (auto const& a : axes_)
            size *= a.size;
        for (auto const& m : metrics) {
            names_.push_back(m.name);
            values_.emplace_back(size, std::numeric_limits<double>::quiet_NaN());
            clean_.emplace_back(examples, std::numeric_limits<double>::quiet_NaN());
        }
    }

    std::vector<axis> const& axes() const { return axes_; }
    std::vector<std::string> const& metrics() const { return names_; }

    /// Of every case, row-major in the axes. An example that an entry's policy leaves alone has the clean number.
    /// throws bad_input for a metric that was not asked for
    std::vector<double> const& of(std::string const& metric) const { return values_[number(metric)]; }
    std::vector<double> const& of() const { return values_.front(); }
    /// Of the clean run, per example.
    std::vector<double> const& clean(std::string const& metric) const { return clean_[number(metric)]; }
    std::vector<double> const& clean() const { return clean_.front(); }
    std::vector<double> const& clean(std::size_t metric) const { return clean_[metric]; }

    /// Mean over examples of (value - clean) / clean, per entry: the score of path patching.
    /// source Prakash et al. 2024, section 4.1
    std::vector<double> relative_change() const {
        std::vector<double> change(values_.front().size() / examples_);
        for (std::size_t i = 0; i < values_.front().size(); ++i) {
            double const before = clean_.front()[i % examples_];
            change[i / examples_] += (values_.front()[i] - before) / before / static_cast<double>(examples_);
        }
        return change;
    }

    sweep_plan planned;
    flop_count counted; ///< what the engine did

    void set(std::size_t metric, std::size_t entry, std::size_t example, double value) {
        values_[metric][entry * examples_ + example] = value;
    }
    void set_clean(std::size_t metric, std::size_t example, double value) { clean_[metric][example] = value; }

private:
    std::size_t number(std::string const& metric) const {
        auto const at = std::find(names_.begin(), names_.end(), metric);
        if (at == names_.end())
            throw bad_input({"this sweep has no metric called '", metric, "'"});
        return static_cast<std::size_t>(at - names_.begin());
    }

    std::vector<axis> axes_;
    std::size_t examples_;
    std::vector<std::string> names_;
    std::vector<std::vector<double>> values_, clean_;
};

namespace detail {

/// Metrics of rows of final activations, in tiles of rows whose logits exist for a moment only.
template <description D, class B>
class metric_reader {
public:
    using T = typename B::value_type;
    using memory = typename B::memory_type;
    static constexpr std::size_t tile = 512;

    metric_reader(B const& backend, weights<D, B> const& w, std::vector<metric> const& metrics, std::size_t examples)
        : b_(backend), w_(w), metrics_(metrics) {
        if (metrics.empty())
            throw bad_input("engraft [sweep.metric]: a sweep without a metric reads nothing; give one, such as "
                            "probability(answers)");
        for (auto const& m : metrics) {
            if (std::count_if(metrics.begin(), metrics.end(), [&](metric const& o) { return o.name == m.name; }) > 1)
                throw bad_input(
                    {"engraft [sweep.metric]: two metrics are called ", m.name, "; give one of them another name"});
            if (m.of == metric::kind::functor && !m.f)
                throw bad_input({"engraft [sweep.metric]: ", m.name, " has no function to call"});
            for (auto const* tokens : {&m.tokens, &m.others}) {
                bool const used = tokens == &m.tokens
                                      ? m.of != metric::kind::kl_to_clean && m.of != metric::kind::functor
                                      : m.of == metric::kind::logit_difference;
                if (used && tokens->size() != examples)
                    throw bad_input({"engraft [sweep.metric]: ", m.name, " got ", tokens->size(), " tokens for ",
                                     examples, " examples; each example needs one"});
                for (auto t : *tokens)
                    if (t < 0 || t >= D.vocab)
                        throw bad_input(
                            {"engraft [sweep.metric]: token ", t, " is not in the vocabulary of ", D.vocab});
            }
        }
    }

    bool few() const {
        return std::all_of(metrics_.begin(), metrics_.end(), [](metric const& m) { return m.few(); });
    }
    /// edited: a policy writes to the logits, so that all of them must be there.
    double flops_per_row(bool edited) const {
        double entries = D.vocab;
        if (few() && !edited) {
            entries = 0;
            for (auto const& m : metrics_)
                entries += m.of == metric::kind::logit_difference ? 2 : 1;
        }
        return 2.0 * D.d_model * entries;
    }

    /// use(metric, row, value) for every row; example_of[row] is its example.
    template <class Hooks, class Use>
    void read(matrix<T> rows, std::vector<std::size_t> const& example_of, matrix<T const> clean_rows, Hooks& hooks,
              Use const& use) {
        constexpr bool touched = Hooks::template touched<sites::logits>;
        if (few() && !touched)
            return read_few(rows, example_of, use);
        for (std::size_t first = 0; first < rows.rows; first += touched ? rows.rows : tile) {
            auto const count = touched ? rows.rows : std::min(tile, rows.rows - first);
            auto const logits = logits_.shaped(count, D.vocab);
            to_logits(logits, rows.row_range(first, count));
            if constexpr (touched) {
                using shape = typename hook_point<D, sites::logits>::shape;
                hooks.apply(hook_point<D, sites::logits>(0), view<T, memory, shape>(logits.data, shape(count)));
            }
            std::vector<std::size_t> const examples(example_of.begin() + static_cast<std::ptrdiff_t>(first),
                                                    example_of.begin() + static_cast<std::ptrdiff_t>(first + count));
            for (std::size_t m = 0; m < metrics_.size(); ++m) {
                auto const values = evaluate(metrics_[m], logits, examples, clean_rows);
                for (std::size_t r = 0; r < count; ++r)
                    use(m, first + r, values[r]);
            }
        }
    }

    double flops() const { return flops_; }

    /// Elements of the logits that exist at one time for so many rows.
    double elements(double rows, bool edited) const {
        return few() && !edited ? 0 : (edited ? rows : std::min(rows, static_cast<double>(tile))) * D.vocab;
    }

private:
    void to_logits(matrix<T> out, matrix<T const> in) {
        b_.linear(out, in, w_.unembedding);
        if constexpr (D.final_softcap > 0)
            b_.softcap(out, D.final_softcap);
        flops_ += 2.0 * static_cast<double>(in.rows) * D.d_model * D.vocab;
    }

    std::vector<token> tokens_of(std::vector<token> const& of_examples, std::vector<std::size_t> const& examples) {
        std::vector<token> tokens;
        for (auto e : examples)
            tokens.push_back(of_examples[e]);
        return tokens;
    }

    template <class Use>
    void read_few(matrix<T> rows, std::vector<std::size_t> const& example_of, Use const& use) {
        auto const entries = [&](std::vector<token> const& tokens) {
            auto found = b_.map_entries(rows, w_.unembedding, tokens_of(tokens, example_of));
            flops_ += 2.0 * static_cast<double>(rows.rows) * D.d_model;
            if constexpr (D.final_softcap > 0)
                for (auto& x : found)
                    x = D.final_softcap * std::tanh(x / D.final_softcap);
            return found;
        };
        for (std::size_t m = 0; m < metrics_.size(); ++m) {
            auto values = entries(metrics_[m].tokens);
            if (metrics_[m].of == metric::kind::logit_difference) {
                auto const others = entries(metrics_[m].others);
                for (std::size_t r = 0; r < values.size(); ++r)
                    values[r] -= others[r];
            }
            for (std::size_t r = 0; r < values.size(); ++r)
                use(m, r, values[r]);
        }
    }

    std::vector<double> evaluate(metric const& m, matrix<T> logits, std::vector<std::size_t> const& examples,
                                 matrix<T const> clean_rows) {
        using kind = metric::kind;
        std::vector<double> values(logits.rows);
        if (m.of == kind::accuracy) {
            auto const top = b_.argmax(logits);
            for (std::size_t r = 0; r < values.size(); ++r)
                values[r] = top[r] == m.tokens[examples[r]];
        } else if (m.of == kind::functor || m.of == kind::kl_to_clean) {
            std::vector<T> ours(logits.columns), theirs(logits.columns);
            for (std::size_t r = 0; r < values.size(); ++r) {
                memory::to_host(ours.data(), logits.data + r * logits.stride, ours.size() * sizeof(T));
                if (m.of == kind::functor) {
                    std::vector<double> const row(ours.begin(), ours.end());
                    values[r] = m.f(row, examples[r]);
                } else {
                    auto const clean = clean_logits(clean_rows, examples[r]);
                    values[r] = divergence(ours, clean);
                }
            }
        } else {
            values = b_.elements(logits, tokens_of(m.tokens, examples));
            if (m.of == kind::logit_difference) {
                auto const others = b_.elements(logits, tokens_of(m.others, examples));
                for (std::size_t r = 0; r < values.size(); ++r)
                    values[r] -= others[r];
            } else if (m.of != kind::logit) {
                auto const log_sums = b_.log_sum_exp(logits);
                for (std::size_t r = 0; r < values.size(); ++r)
                    values[r] = m.of == kind::probability ? std::exp(values[r] - log_sums[r]) : values[r] - log_sums[r];
            }
        }
        return values;
    }

    /// The clean run's logits of an example, on the host; made once.
    std::vector<T> const& clean_logits(matrix<T const> clean_rows, std::size_t example) {
        if (clean_logits_.empty())
            clean_logits_.resize(clean_rows.rows);
        auto& found = clean_logits_[example];
        if (found.empty()) {
            workspace<T, memory> space;
            auto const row = space.shaped(1, D.vocab);
            b_.linear(row, clean_rows.row_range(example, 1), w_.unembedding);
            if constexpr (D.final_softcap > 0)
                b_.softcap(row, D.final_softcap);
            found.resize(static_cast<std::size_t>(D.vocab));
            memory::to_host(found.data(), row.data, found.size() * sizeof(T));
        }
        return found;
    }

    static double divergence(std::vector<T> const& ours, std::vector<T> const& clean) {
        auto const log_sum = [](std::vector<T> const& x) {
            double const largest = *std::max_element(x.begin(), x.end());
            double sum = 0;
            for (double const e : x)
                sum += std::exp(e - largest);
            return largest + std::log(sum);
        };
        double const a = log_sum(clean), b = log_sum(ours);
        double sum = 0;
        for (std::size_t i = 0; i < ours.size(); ++i) {
            double const p = static_cast<double>(clean[i]) - a, q = static_cast<double>(ours[i]) - b;
            sum += std::exp(p) * (p - q);
        }
        return sum;
    }

    B const& b_;
    weights<D, B> const& w_;
    std::vector<metric> const& metrics_;
    workspace<T, memory> logits_;
    std::vector<std::vector<T>> clean_logits_;
    double flops_ = 0;
};

struct no_hooks {
    template <site S>
    static constexpr bool touched = false;
    template <site S>
    static constexpr bool written = false;
    void apply(auto const&, auto) {}
};

/// The policies of all entries of a chunk, each bound to its own cases.
template <class Bound>
class entry_hooks {
public:
    template <site S>
    static constexpr bool touched = Bound::template touched<S>;
    template <site S>
    static constexpr bool written = Bound::template written<S>;

    std::vector<Bound> bound;

    void apply(auto const& point, auto all) {
        for (auto& one : bound)
            one.apply(point, all);
    }
};

/// Which rows of an activation go to which of a table.
struct received_rows {
    std::vector<std::int32_t> from, to;
};

/// Also keeps what receivers read: whole rows of one site at the layers of the receivers.
template <class Hooks, description D, class B, site Read>
class collecting_hooks : public Hooks {
public:
    using T = typename B::value_type;
    using memory = typename B::memory_type;
    template <site S>
    static constexpr bool touched = Hooks::template touched<S> || std::is_same_v<S, Read>;

    collecting_hooks(Hooks hooks, B const& backend, std::vector<matrix<T>> tables, std::vector<received_rows> places)
        : Hooks(std::move(hooks)), b_(backend), tables_(std::move(tables)), places_(std::move(places)) {}

    template <site S>
    void apply(hook_point<D, S> const& point, auto all) {
        if constexpr (Hooks::template touched<S>)
            Hooks::apply(point, all);
        if constexpr (std::is_same_v<S, Read>) {
            auto const l = static_cast<std::size_t>(point.layer());
            if (places_[l].to.empty())
                return;
            auto const list = [](std::vector<std::int32_t> const& v) {
                return vector_tensor<std::int32_t, memory>::from_host(v, extents<dynamic>(v.size()));
            };
            b_.copy_rows(tables_[l], list(places_[l].to), as_matrix(all), list(places_[l].from));
        }
    }

private:
    B const& b_;
    std::vector<matrix<T>> tables_;
    std::vector<received_rows> places_;
};

/// Rows of every step of every layer of a growing chunk, and what its tables take.
class chunk_size {
public:
    chunk_size(description const& d, std::size_t longest, bool lines, bool results)
        : d_(d), longest_(longest), lines_(lines), results_(results), layers_(static_cast<std::size_t>(d.layers)) {}

    void add(std::vector<work> const& todo, std::size_t length) {
        for (std::size_t i = 0; i < todo.size(); ++i)
            if (auto const w = todo[i]; w != work::none) {
                auto& l = layers_[i / length];
                l.all += 1;
                l.first_norm += has(w, work::keys | work::query);
                l.keys += has(w, work::keys);
                l.query += has(w, work::query);
                l.attention += has(w, work::attention);
                l.z += has(w, work::attention | work::clean_z);
                l.results += has(w, work::results);
                l.onward += has(w, work::onward);
                l.neurons += has(w, work::neurons);
            }
        last_ += !todo.empty();
    }

    /// Rows that are read when the layers are done.
    double read() const { return last_; }

    /// Elements of all tables: each as large as its largest layer needs.
    double elements() const {
        counts most;
        for (auto const& l : layers_) {
            most.all = std::max(most.all, l.all), most.first_norm = std::max(most.first_norm, l.first_norm);
            most.keys = std::max(most.keys, l.keys), most.query = std::max(most.query, l.query);
            most.attention = std::max(most.attention, l.attention), most.z = std::max(most.z, l.z);
            most.results = std::max(most.results, l.results), most.onward = std::max(most.onward, l.onward);
            most.neurons = std::max(most.neurons, l.neurons);
        }
        double const d = d_.d_model, wide = d_.heads * d_.d_head, narrow = d_.kv_heads * d_.d_head;
        double const streams = 2 * most.all * d;
        double const gathered = 2 * std::max({most.first_norm, most.neurons, most.keys, most.query}) * d;
        double const attention = most.query * wide + 2 * most.keys * narrow + most.z * (wide + d) + most.onward * d;
        double const neurons = most.neurons * (d_.d_mlp * (is_gated(d_.mlp) ? 2 : 1) + d) + most.onward * d;
        double const extra = (lines_ ? most.attention * d_.heads * double(longest_) : 0) +
                             (results_ ? 2 * most.results * d_.heads * d : 0);
        return streams + gathered + attention + neurons + extra + last_ * d;
    }

private:
    struct counts {
        double all = 0, first_norm = 0, keys = 0, query = 0, attention = 0, z = 0, results = 0, onward = 0, neurons = 0;
    };
    description d_;
    std::size_t longest_;
    bool lines_, results_;
    std::vector<counts> layers_;
    double last_ = 0;
};

/// One pass over cases: plans them, cuts them into chunks and runs these.
template <description D, class B, class Clean, class Policy>
class sweep_pass {
public:
    using T = typename B::value_type;

    sweep_pass(model<D, B> const& m, Clean const& clean, std::vector<Policy> const& policies, wanted_rows const* wanted)
        : model_(m), clean_(clean), policies_(policies), wanted_(wanted), planner_(described_, shape_of_attention<D>) {
        for (auto const& p : policies)
            footprints_.push_back(footprint_of<D>(p, clean.rows()));
    }

    /// [layer][position] of a case; empty when it is as the clean run in all that is read.
    std::vector<work> const& todo(sweep_case const& c) {
        return planner_.plan(footprints_[c.entry], c.example, clean_.rows().length(c.example), wanted_[c.example]);
    }

    static constexpr bool edits_logits = touches<Policy, sites::logits>;
    static constexpr bool makes_lines = touches<Policy, sites::scores> || touches<Policy, sites::pattern>;

    chunk_size empty_size() const {
        return chunk_size(D, clean_.rows().longest(), makes_lines, touches<Policy, sites::result>);
    }

    flop_count flops_of_case(std::vector<work> const& work_of_case, std::size_t length, double& rows) const {
        flop_count f;
        for (std::size_t i = 0; i < work_of_case.size(); ++i)
            if (work_of_case[i] != work::none) {
                auto const p = i % length;
                auto const shape = shape_of_attention<D>(static_cast<int>(i / length));
                f += flops_of(D, work_of_case[i], p + 1 - shape.first_visible(p));
                rows += 1;
            }
        return f;
    }

    /// The rows of some cases, by example, then entry.
    chunk_rows rows_of(std::vector<sweep_case> cases, bool reads_logits) {
        std::sort(cases.begin(), cases.end(), [](sweep_case const& a, sweep_case const& b) {
            return a.example != b.example ? a.example < b.example : a.entry < b.entry;
        });
        chunk_rows chunk;
        chunk.layers.resize(static_cast<std::size_t>(D.layers));
        for (auto const& c : cases)
            chunk.add(c, todo(c), clean_.rows().length(c.example),
                      reads_logits ? wanted_[c.example].logits : std::vector<std::size_t>{});
        return chunk;
    }

    /// Policies of the chunk's entries, bound to its rows.
    auto bind(chunk_rows const& chunk) {
        owners_.clear();
        std::vector<std::size_t> entries;
        for (auto const& c : chunk.cases)
            entries.push_back(c.entry);
        sort_unique(entries);
        owners_.resize(entries.size());
        constexpr auto absent = static_cast<std::size_t>(-1);
        for (auto& o : owners_)
            o.assign(clean_.rows().examples(), absent);
        for (std::size_t i = 0; i < chunk.cases.size(); ++i) {
            auto const& c = chunk.cases[i];
            auto const e = std::lower_bound(entries.begin(), entries.end(), c.entry) - entries.begin();
            owners_[static_cast<std::size_t>(e)][c.example] = i;
        }
        using bound = decltype(bind_one(chunk, 0, 0));
        entry_hooks<bound> hooks;
        for (std::size_t i = 0; i < entries.size(); ++i)
            hooks.bound.push_back(bind_one(chunk, entries[i], i));
        return hooks;
    }

private:
    auto bind_one(chunk_rows const& chunk, std::size_t entry, std::size_t number) const {
        sweep_binding<D, B> const run{
            model_.backend(), clean_.rows(), clean_.tokens(), clean_.weights_identity(), chunk, owners_[number], true};
        return bind_all(policies_[entry], run);
    }

    static constexpr description described_ = D;
    model<D, B> const& model_;
    Clean const& clean_;
    std::vector<Policy> const& policies_;
    wanted_rows const* wanted_;
    case_planner planner_;
    std::vector<footprint> footprints_;
    std::vector<std::vector<std::size_t>> owners_;
};

} // namespace detail

/// The receivers' inputs of path patching: the site's values of these heads at a role.
template <site S, class Where>
struct receivers_of {
    Where where;
    std::vector<node> nodes;
    role at;
};

/// receivers(site, nodes, role): q, k, v, rot_q, rot_k or z of these heads; at k, v and rot_k their numbers are those
/// of key/value heads.
template <site S>
auto receivers(S, std::vector<node> list, role at) {
    static_assert(S::kind == site_kind::query_head || S::kind == site_kind::kv_head,
                  "engraft [sweep.receivers]: receivers read q, k, v, rot_q, rot_k or z of single heads; this site is "
                  "none of them");
    constexpr auto kind = S::kind == site_kind::kv_head ? head_kind::kv : head_kind::query;
    using place = where<axes::nodes, axes::in_nodes, role, axes::every, kind>;
    place there{{list}, {}, at, {}};
    return receivers_of<S, place>{std::move(there), std::move(list), std::move(at)};
}

namespace detail {

/// What receivers got in a first pass, as the donor of the second: rows [layer][case] of whole rows of the site.
template <description D, class B, site S>
struct received {
    using is_donor = void;
    std::vector<matrix<typename B::value_type>> const* tables;
    std::vector<std::size_t> const* row_of; ///< of each example, for one entry

    template <description, class, site>
    static constexpr void check() {}
    template <description, site>
    received const& bind(ragged const&, selection const&) const {
        return *this;
    }
    auto const* elements(int layer) const { return (*tables)[static_cast<std::size_t>(layer)].data; }
    std::size_t offset(selection::place const& at, std::size_t head, std::size_t width) const {
        auto const row = (*row_of)[at.example];
        // An example that is no case of this chunk has no row, and none of its slices is used.
        return row == static_cast<std::size_t>(-1) ? 0
                                                   : (row * static_cast<std::size_t>(site_heads<D, S>) + head) * width;
    }
};

/// Everything that a sweep is made of.
template <description D, class B, class Clean, class Policy>
class sweeper {
public:
    using T = typename B::value_type;
    using memory = typename B::memory_type;

    sweeper(model<D, B> const& m, Clean const& clean, std::vector<axis> axes, std::vector<Policy> policies,
            std::vector<metric> metrics, sweep_options options)
        : model_(m), clean_(clean), policies_(std::move(policies)), metrics_(std::move(metrics)),
          options_(std::move(options)), result_(std::move(axes), clean.rows().examples(), metrics_),
          reader_(m.backend(), *m.shared_weights(), metrics_, clean.rows().examples()) {
        if (clean.weights_identity() != m.shared_weights().get() || clean.edited())
            throw bad_input("engraft [sweep.clean]: the clean run must be an unedited run of the model that is swept");
        require_whole(detail::sites_for_sweeps<D>{});
        require_bound();
        auto const& rows = clean.rows();
        if (!options_.read_at.empty() && options_.read_at.size() != rows.examples())
            throw bad_input({"engraft [sweep.read_at]: ", options_.read_at.size(), " positions are given for ",
                             rows.examples(), " examples; each example needs one"});
        for (std::size_t e = 0; e < rows.examples(); ++e) {
            read_at_.push_back(rows.position(e, options_.read_at.empty() ? -1 : options_.read_at[e]));
            logits_wanted_.push_back({{read_at_.back()}, {}});
        }
        read_clean();
    }

    /// One pass.
    sweep_result run() {
        sweep_pass<D, B, Clean, Policy> pass(model_, clean_, policies_, logits_wanted_.data());
        auto const chunks = plan(pass, live_cases(), true);
        engine<D, B, Clean, decltype(pass.bind(chunk_rows{}))> engine(model_.backend(), *model_.shared_weights(),
                                                                      clean_);
        double done = 0;
        for (auto const& cases : chunks) {
            auto const chunk = pass.rows_of(cases, true);
            auto hooks = pass.bind(chunk);
            auto const rows = engine.run(chunk, hooks);
            read(rows, chunk, hooks);
            report(done += static_cast<double>(cases.size()));
        }
        return finish(engine.counted());
    }

    /// What `run` would cost.
    sweep_plan cost() {
        sweep_pass<D, B, Clean, Policy> pass(model_, clean_, policies_, logits_wanted_.data());
        plan(pass, live_cases(), true);
        return result_.planned;
    }

    /// What `run` of two passes would cost.
    template <site S, class Where>
    sweep_plan cost(receivers_of<S, Where> const& to) {
        passes_ = 2;
        auto const layers = layers_of(to);
        auto const wanted = wanted_of(to, layers);
        sweep_pass<D, B, Clean, Policy> first(model_, clean_, policies_, wanted.data());
        auto const chunks = plan(first, live_cases(), false, layers.size() * site_heads<D, S> * site_width<D, S>);
        using patch_operation = copied<received<D, B, S>, any_donor>;
        std::vector<slice_policy<touch::writes, S, Where, patch_operation>> second_policies;
        for (std::size_t i = 0; i < policies_.size(); ++i)
            second_policies.emplace_back(to.where, patch_operation{{nullptr, nullptr}});
        sweep_pass<D, B, Clean, typename decltype(second_policies)::value_type> second(model_, clean_, second_policies,
                                                                                       logits_wanted_.data());
        double second_memory = 0;
        for (auto const& cases : chunks) {
            sweep_plan rest;
            cut(second, cases, true, 0, rest);
            second_memory = std::max(second_memory, rest.memory);
            rest.memory = 0;
            result_.planned += rest;
        }
        result_.planned.memory += second_memory;
        return result_.planned;
    }

    /// Two passes: what the receivers get in the first is patched into the second.
    template <site S, class Where>
    sweep_result run(receivers_of<S, Where> const& to) {
        passes_ = 2; // both have tables at the same time
        auto const layers = layers_of(to);
        auto const wanted = wanted_of(to, layers);
        using second_policy = slice_policy<touch::writes, S, Where, copied<received<D, B, S>, any_donor>>;
        sweep_pass<D, B, Clean, Policy> first(model_, clean_, policies_, wanted.data());
        auto const chunks = plan(first, live_cases(), false, layers.size() * site_heads<D, S> * site_width<D, S>);

        using hooks_type = collecting_hooks<decltype(first.bind(chunk_rows{})), D, B, S>;
        engine<D, B, Clean, hooks_type> first_engine(model_.backend(), *model_.shared_weights(), clean_);
        std::vector<matrix<T>> tables(static_cast<std::size_t>(D.layers));
        std::vector<std::vector<std::size_t>> row_of(policies_.size());
        std::vector<second_policy> second_policies;
        for (auto& rows : row_of)
            second_policies.emplace_back(to.where, copied<received<D, B, S>, any_donor>{{&tables, &rows}});
        sweep_pass<D, B, Clean, second_policy> second(model_, clean_, second_policies, logits_wanted_.data());
        engine<D, B, Clean, decltype(second.bind(chunk_rows{}))> second_engine(model_.backend(),
                                                                               *model_.shared_weights(), clean_);
        double done = 0, second_memory = 0;
        for (auto const& cases : chunks) {
            auto const chunk = first.rows_of(cases, false);
            std::vector<workspace<T, memory>> spaces(tables.size());
            auto places = received_places<S>(chunk, layers, wanted, spaces, tables);
            for (auto& rows : row_of)
                rows.assign(clean_.rows().examples(), static_cast<std::size_t>(-1));
            for (std::size_t i = 0; i < chunk.cases.size(); ++i)
                row_of[chunk.cases[i].entry][chunk.cases[i].example] = i;
            hooks_type hooks(first.bind(chunk), model_.backend(), tables, std::move(places));
            first_engine.run(chunk, hooks);

            // The second pass has rows of its own sizes: its chunk is cut again where it needs more memory.
            sweep_plan rest_plan;
            for (auto const& part : cut(second, cases, true, 0, rest_plan)) {
                auto const rest = second.rows_of(part, true);
                auto patches = second.bind(rest);
                read(second_engine.run(rest, patches), rest, patches);
            }
            second_memory = std::max(second_memory, rest_plan.memory);
            rest_plan.memory = 0;
            result_.planned += rest_plan;
            report(done += static_cast<double>(cases.size()));
        }
        result_.planned.memory += second_memory;
        auto counted = first_engine.counted();
        counted += second_engine.counted();
        return finish(counted);
    }

private:
    template <site S, class Where>
    static std::vector<int> layers_of(receivers_of<S, Where> const& to) {
        std::vector<int> layers;
        for (auto const& n : to.nodes)
            layers.push_back(n.layer);
        sort_unique(layers);
        return layers;
    }

    /// What the first pass is read at, of each example.
    template <site S, class Where>
    std::vector<wanted_rows> wanted_of(receivers_of<S, Where> const& to, std::vector<int> const& layers) const {
        auto const receiving = places_of(to.at, clean_.rows());
        std::vector<wanted_rows> wanted(clean_.rows().examples());
        for (std::size_t e = 0; e < wanted.size(); ++e)
            for (int l : layers)
                wanted[e].sites.push_back({site_index<S>, l, receiving[e].position});
        return wanted;
    }

    /// throws missing_activation when the clean run kept some layers or positions only
    template <site... S>
    void require_whole(site_list<S...>) const {
        for (int l = 0; l < D.layers; ++l)
            (clean_[S{}].whole(l), ...);
    }

    /// All that a run under one of the policies would refuse is refused before anything is computed.
    void require_bound() const {
        cache<D, B, site_list<>> nothing(std::make_shared<ragged const>(clean_.rows()));
        binding<D, B, decltype(nothing)> const run{model_.backend(), clean_.rows(), clean_.tokens(), nothing,
                                                   clean_.weights_identity()};
        for (auto const& p : policies_)
            bind_all(p, run);
    }

    std::vector<sweep_case> live_cases() const {
        std::vector<sweep_case> cases;
        for (std::size_t entry = 0; entry < policies_.size(); ++entry)
            for (std::size_t e = 0; e < clean_.rows().examples(); ++e)
                cases.push_back({entry, e});
        return cases;
    }

    template <class Pass>
    std::vector<std::vector<sweep_case>> plan(Pass& pass, std::vector<sweep_case> const& cases, bool reads_logits,
                                              std::size_t more_elements = 0) {
        auto chunks = cut(pass, cases, reads_logits, more_elements, result_.planned);
        result_.planned.cases = cases.size();
        for (auto const& c : cases)
            result_.planned.naive_flops += passes_ * naive_flops(c.example);
        for (auto const& chunk : chunks)
            total_ += static_cast<double>(chunk.size());
        return chunks;
    }

    /// Cuts cases that have work into chunks that fit into memory. Cases without any get the clean run's numbers.
    /// `plan` gets what they take.
    template <class Pass>
    std::vector<std::vector<sweep_case>> cut(Pass& pass, std::vector<sweep_case> const& cases, bool reads_logits,
                                             std::size_t more_elements, sweep_plan& plan) {
        std::vector<std::vector<sweep_case>> chunks;
        auto size = pass.empty_size();
        double const room = options_.memory / passes_ / sizeof(T);
        auto const elements = [&](chunk_size const& of, double count) {
            return of.elements() + (reads_logits ? reader_.elements(of.read(), Pass::edits_logits) : 0) +
                   count * static_cast<double>(more_elements);
        };
        plan.live = 0;
        for (auto const& c : cases) {
            auto const& todo = pass.todo(c);
            if (todo.empty()) {
                for (std::size_t m = 0; m < metrics_.size(); ++m)
                    result_.set(m, c.entry, c.example, result_.clean(m)[c.example]);
                continue;
            }
            auto const length = clean_.rows().length(c.example);
            ++plan.live;
            plan.flops += pass.flops_of_case(todo, length, plan.rows);
            if (reads_logits)
                plan.flops.readings += reader_.flops_per_row(Pass::edits_logits);
            auto larger = size;
            larger.add(todo, length);
            double const in_chunk = chunks.empty() ? 0 : static_cast<double>(chunks.back().size());
            if (chunks.empty() || elements(larger, in_chunk + 1) > room) {
                auto alone = pass.empty_size();
                alone.add(todo, length);
                double const least = elements(alone, 1);
                if (least > room)
                    throw bad_input({"engraft [sweep.memory]: one case needs ",
                                     std::int64_t(least * passes_ * sizeof(T)), " bytes, more than the ",
                                     std::int64_t(options_.memory), " that are allowed; raise sweep_options::memory"});
                chunks.emplace_back();
                ++plan.chunks;
                size = alone;
            } else {
                size = larger;
            }
            chunks.back().push_back(c);
            plan.memory = std::max(plan.memory, elements(size, static_cast<double>(chunks.back().size())) *
                                                    static_cast<double>(sizeof(T)));
        }
        return chunks;
    }

    /// Tables for what receivers get, filled with the clean run's values, and the rows that the first pass replaces.
    template <site S>
    auto received_places(chunk_rows const& chunk, std::vector<int> const& layers,
                         std::vector<wanted_rows> const& wanted, std::vector<workspace<T, memory>>& spaces,
                         std::vector<matrix<T>>& tables) const {
        static_assert(Clean::template holds<S>,
                      "engraft [cache.site]: the clean run did not keep the receivers' site; add capture(site) to it");
        std::vector<received_rows> places(static_cast<std::size_t>(D.layers));
        for (int layer : layers) {
            auto const l = static_cast<std::size_t>(layer);
            tables[l] = spaces[l].shaped(chunk.cases.size(), site_heads<D, S> * site_width<D, S>);
            std::vector<std::int32_t> all, clean_rows;
            auto const& list = rows_at<S>(chunk.layers[l]);
            for (std::size_t i = 0; i < chunk.cases.size(); ++i) {
                auto const e = chunk.cases[i].example;
                auto const p = wanted[e].sites.front().position;
                all.push_back(static_cast<std::int32_t>(i));
                clean_rows.push_back(static_cast<std::int32_t>(clean_.rows().begin(e) + p));
                if (auto const row = list.find(i, p); row != row_list::missing) {
                    places[l].to.push_back(static_cast<std::int32_t>(i));
                    places[l].from.push_back(static_cast<std::int32_t>(row));
                }
            }
            auto const index = [](std::vector<std::int32_t> const& v) {
                return vector_tensor<std::int32_t, memory>::from_host(v, extents<dynamic>(v.size()));
            };
            model_.backend().copy_rows(tables[l], index(all), as_matrix(clean_[S{}].whole(layer)), index(clean_rows));
        }
        return places;
    }

    void read_clean() {
        auto const& rows = clean_.rows();
        std::vector<std::int32_t> index, all;
        std::vector<std::size_t> examples;
        for (std::size_t e = 0; e < rows.examples(); ++e) {
            index.push_back(static_cast<std::int32_t>(rows.begin(e) + read_at_[e]));
            all.push_back(static_cast<std::int32_t>(e));
            examples.push_back(e);
        }
        auto const list = [](std::vector<std::int32_t> const& v) {
            return vector_tensor<std::int32_t, memory>::from_host(v, extents<dynamic>(v.size()));
        };
        clean_rows_ = clean_space_.shaped(examples.size(), D.d_model);
        model_.backend().copy_rows(clean_rows_, list(all), clean_.final_normalized(), list(index));
        no_hooks none;
        reader_.read(clean_rows_, examples, clean_rows_, none,
                     [&](std::size_t m, std::size_t row, double value) { result_.set_clean(m, row, value); });
        clean_readings_ = reader_.flops();
    }

    void read(matrix<T> rows, chunk_rows const& chunk, auto& hooks) {
        std::vector<std::size_t> examples;
        for (std::size_t i = 0; i < chunk.last.size(); ++i)
            examples.push_back(chunk.cases[chunk.last.owner(i)].example);
        reader_.read(rows, examples, clean_rows_, hooks, [&](std::size_t m, std::size_t row, double value) {
            auto const& c = chunk.cases[chunk.last.owner(row)];
            result_.set(m, c.entry, c.example, value);
        });
    }

    double naive_flops(std::size_t example) const {
        double f = 2.0 * D.d_model * D.vocab;
        auto const everything = work::keys | work::query | work::attention | work::neurons;
        for (int l = 0; l < D.layers; ++l) {
            auto const shape = shape_of_attention<D>(l);
            for (std::size_t p = 0; p < clean_.rows().length(example); ++p)
                f += flops_of(D, everything, p + 1 - shape.first_visible(p)).total();
        }
        return f;
    }

    void report(double done) const {
        if (options_.progress)
            options_.progress(total_ > 0 ? done / total_ : 1);
    }

    sweep_result finish(flop_count counted) {
        counted.readings = reader_.flops() - clean_readings_;
        result_.counted = counted;
        return std::move(result_);
    }

    model<D, B> const& model_;
    Clean const& clean_;
    std::vector<Policy> policies_;
    std::vector<metric> metrics_;
    sweep_options options_;
    sweep_result result_;
    metric_reader<D, B> reader_;
    std::vector<std::size_t> read_at_;
    std::vector<wanted_rows> logits_wanted_;
    workspace<T, memory> clean_space_;
    matrix<T> clean_rows_;
    double total_ = 0, clean_readings_ = 0, passes_ = 1;
};

template <description D, class B, class Clean, class Entry, class PolicyOf>
auto make_sweeper(model<D, B> const& m, Clean const& clean, table<Entry> const& t, PolicyOf const& policy_of,
                  std::vector<metric> metrics, sweep_options options) {
    using policy_type = decltype(policy_of(t.entries.front()));
    static_assert(policy<policy_type>, "engraft [sweep.policy]: what the third argument makes of an entry of the table "
                                       "is not a policy");
    static_assert(policy_type::captures::size == 0, "engraft [sweep.capture]: a sweep keeps what its metrics read and "
                                                    "nothing else; capture in model.run");
    static_assert(policy_type::reads::size == 0,
                  "engraft [sweep.reads]: a sweep computes only the rows that can differ, "
                  "so a policy that only looks would see some; look in model.run");
    static_assert(has_footprint<D, policy_type>,
                  "engraft [sweep.footprint]: a policy does not say where it acts, so nothing can be planned by it; "
                  "give it leave_footprint, see intervene/policy.hpp");
    static_assert(Clean::model == D && std::is_same_v<typename Clean::backend_type, B> &&
                      holds_all<Clean>(sites_for_sweeps<D>{}),
                  "engraft [sweep.clean]: the clean run is of another model or backend, or did not keep what sweeps "
                  "need; run the model with capture_for_sweeps<D>()");
    policy_type::template check<D, B>();
    std::size_t size = 1;
    for (auto const& a : t.axes)
        size *= a.size;
    if (size != t.entries.size())
        throw bad_input(
            {"engraft [sweep.table]: the table's axes make ", size, " entries, and it has ", t.entries.size()});
    std::vector<policy_type> policies;
    for (auto const& entry : t.entries)
        policies.push_back(policy_of(entry));
    return sweeper<D, B, Clean, policy_type>(m, clean, t.axes, std::move(policies), std::move(metrics),
                                             std::move(options));
}

} // namespace detail

/// Runs one policy per entry of a table over all examples of a clean run, as rows beside it: only what a policy can
/// reach and a metric reads is computed, exactly. An intervention without effect has the clean run's numbers to the
/// bit.
///
///     auto const clean = model.run(prompts.tokens, capture_for_sweeps<D>());
///     auto const noise = model.run(others.tokens, capture(z));
///     auto const found = sweep(model, clean, each_head<D>(),
///                              [&](node n) { return patch(z, nodes({n}) & at(-1), noise); },
///                              {probability(prompts.answers)});
///     found.of();   // [layer, head, example]
///
/// throws bad_input and its family as `model.run` does, before anything is computed. That a condition holds nowhere, or
/// in no row that is computed, is no error here.
template <description D, class B, class Clean, class Entry, class PolicyOf>
sweep_result sweep(model<D, B> const& m, Clean const& clean, table<Entry> const& t, PolicyOf const& policy_of,
                   std::vector<metric> metrics, sweep_options options = {}) {
    return detail::make_sweeper(m, clean, t, policy_of, std::move(metrics), std::move(options)).run();
}

/// The same in two passes: what the receivers read under each policy of the table is patched into a second run without
/// it, of which the metrics are (path patching). Where no receiver can be reached nothing is computed.
/// source Wang et al. 2023, section 3.1; Prakash et al. 2024, section 4.1
template <description D, class B, class Clean, class Entry, class PolicyOf, site S, class Where>
sweep_result sweep(model<D, B> const& m, Clean const& clean, table<Entry> const& t, PolicyOf const& policy_of,
                   receivers_of<S, Where> const& to, std::vector<metric> metrics, sweep_options options = {}) {
    check_where<D, S, Where>();
    return detail::make_sweeper(m, clean, t, policy_of, std::move(metrics), std::move(options)).run(to);
}

/// What `sweep` of the same arguments would compute, without computing it. throws as `sweep`, also when the memory that
/// is allowed does not suffice [sweep.memory]
///
///     std::cout << plan_sweep(model, clean, each_head<D>(), policy_of, {probability(answers)}) << '\n';
template <description D, class B, class Clean, class Entry, class PolicyOf>
sweep_plan plan_sweep(model<D, B> const& m, Clean const& clean, table<Entry> const& t, PolicyOf const& policy_of,
                      std::vector<metric> metrics, sweep_options options = {}) {
    return detail::make_sweeper(m, clean, t, policy_of, std::move(metrics), std::move(options)).cost();
}
template <description D, class B, class Clean, class Entry, class PolicyOf, site S, class Where>
sweep_plan plan_sweep(model<D, B> const& m, Clean const& clean, table<Entry> const& t, PolicyOf const& policy_of,
                      receivers_of<S, Where> const& to, std::vector<metric> metrics, sweep_options options = {}) {
    check_where<D, S, Where>();
    return detail::make_sweeper(m, clean, t, policy_of, std::move(metrics), std::move(options)).cost(to);
}

} // namespace engraft
