#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include <engraft/core/hash.hpp>
#include <engraft/model/description_fields.hpp>
#include <engraft/run/engine.hpp>
#include <engraft/run/finished_cases.hpp>
#include <engraft/run/metric_reader.hpp>
#include <engraft/run/receivers.hpp>
#include <engraft/run/sites_for_sweeps.hpp>
#include <engraft/run/sweep_pass.hpp>
#include <engraft/run/sweep_result.hpp>

namespace engraft::detail {

/// Everything that a sweep is made of.
template <description const& D, class B, class Clean, class Policy>
class sweeper {
public:
    using T = typename B::value_type;
    using memory = typename B::memory_type;

    /// computes: false where only the plan is wanted
    sweeper(model<D, B> const& m, Clean const& clean, std::vector<axis> axes, std::vector<Policy> policies,
            std::vector<metric> metrics, sweep_options options, bool computes)
        : model_(m), clean_(clean), policies_(std::move(policies)), metrics_(std::move(metrics)),
          options_(std::move(options)), computes_(computes && engraft::computes<B>),
          result_(std::move(axes), clean.rows().examples(), metrics_),
          reader_(m.backend(), *m.shared_weights(), metrics_, clean.rows().examples()) {
        if (clean.weights_identity() != m.shared_weights().get() || clean.edited())
            throw bad_input("engraft [sweep.clean]: the clean run must be an unedited run of the model that is swept");
        if (!(options_.memory > 0))
            throw bad_input("engraft [sweep.memory]: sweep_options::memory is not above 0; give a number of bytes");
        require_whole(sites_for_sweeps<D>{});
        require_bound();
        auto const& rows = clean.rows();
        if (!options_.read_at.empty() && options_.read_at.size() != rows.examples())
            throw bad_input({"engraft [sweep.read_at]: ", options_.read_at.size(), " positions are given for ",
                             rows.examples(), " examples; each example needs one"});
        for (std::size_t e = 0; e < rows.examples(); ++e) {
            read_at_.push_back(rows.position(e, options_.read_at.empty() ? -1 : options_.read_at[e]));
            logits_wanted_.push_back({{read_at_.back()}, {}});
        }
        if (computes_)
            read_clean();
    }

    /// One pass.
    sweep_result run() {
        sweep_pass<D, B, Clean, Policy> pass(model_, clean_, policies_, logits_wanted_.data());
        auto const chunks = plan(pass, live_cases(), true);
        if (!computes_)
            return finish({});
        engine<D, B, Clean, decltype(pass.bind(chunk_rows{}))> engine(model_.backend(), *model_.shared_weights(),
                                                                      clean_);
        auto const compute = [&](std::vector<sweep_case> const& cases, sweep_plan&) {
            auto const chunk = pass.rows_of(cases, true);
            auto hooks = pass.bind(chunk);
            auto const rows = engine.run(chunk, hooks);
            read(rows, chunk, hooks);
        };
        return finish(each_chunk(
            chunks, identity(pass), compute, [](auto const&, sweep_plan&) {}, [&] { return engine.counted(); },
            [](sweep_plan const&) {}));
    }

    /// Two passes: what the receivers get in the first is patched into the second.
    template <site S, class Where>
    sweep_result run(receivers_of<S, Where> const& to) {
        static_assert(Clean::template holds<S>,
                      "engraft [cache.site]: the clean run did not keep the receivers' site; add capture(site) to it");
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
        for (int layer : layers)
            clean_[S{}].whole(layer);
        auto const receive = [&](std::vector<sweep_case> const& cases, std::vector<workspace<T, memory>>& spaces) {
            auto const chunk = first.rows_of(cases, false);
            auto places = received_places<D, S>(model_.backend(), clean_, chunk, layers, wanted, spaces, tables);
            for (auto& rows : row_of)
                rows.assign(clean_.rows().examples(), static_cast<std::size_t>(-1));
            for (std::size_t i = 0; i < chunk.cases.size(); ++i)
                row_of[chunk.cases[i].entry][chunk.cases[i].example] = i;
            hooks_type hooks(first.bind(chunk), model_.backend(), tables, std::move(places));
            first_engine.run(chunk, hooks);
        };

        // The second pass has rows of its own sizes: its chunk is cut again where it needs more memory.
        auto const plan_second = [&](std::vector<sweep_case> const& cases, sweep_plan& plan) {
            for (auto const& c : cases)
                second.set_idle(c, not_reached<S>(D, first.planned(c).todo, wanted[c.example]));
            return cut(second, cases, true, 0, plan);
        };
        auto const compute = [&](std::vector<sweep_case> const& cases, sweep_plan& plan) {
            std::vector<workspace<T, memory>> spaces(tables.size());
            receive(cases, spaces);
            for (auto const& part : plan_second(cases, plan)) {
                auto const rest = second.rows_of(part, true);
                auto patches = second.bind(rest);
                read(second_engine.run(rest, patches), rest, patches);
            }
        };
        double second_memory = 0;
        auto const planned = [&](sweep_plan rest) {
            second_memory = std::max(second_memory, rest.memory);
            rest.memory = 0;
            result_.planned += rest;
        };
        auto const counted = [&] {
            auto both = first_engine.counted();
            both += second_engine.counted();
            return both;
        };
        hasher receiving;
        receiving.add(site_index<S>).add(to.at.positions);
        for (auto const& n : to.nodes)
            receiving.add(n.layer).add(n.head);
        auto const sum = each_chunk(chunks, identity(first, receiving.value()), compute, plan_second, counted, planned);
        result_.planned.memory += second_memory;
        return finish(sum);
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
        checked_binding<D, B, decltype(nothing)> const run{
            {model_.backend(), clean_.rows(), clean_.tokens(), nothing, clean_.weights_identity()}};
        for (auto const& p : policies_)
            bind_all(p, run).require_blocking(D.layers);
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
        for (std::size_t e = 0; e < clean_.rows().examples(); ++e)
            result_.planned.naive_flops += passes_ * static_cast<double>(policies_.size()) * naive_flops(e);
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
        double const room = options_.memory / passes_;
        double const preferred = std::min(room, preferred_chunk(model_.backend()) / passes_);
        double const places = pass.place_bytes();
        double policies = 0; // the places and slices of a chunk's
        auto const bytes = [&](chunk_size const& of, double count, double of_policies) {
            double const logits = reads_logits ? reader_.elements(of.read(), Pass::edits_logits) : 0;
            return of.bytes(sizeof(T)) + (logits + count * static_cast<double>(more_elements)) * sizeof(T) + places +
                   of_policies;
        };
        plan.live = 0;
        for (auto const& c : cases) {
            auto const& of_case = pass.planned(c);
            if (of_case.todo.empty()) {
                for (std::size_t m = 0; m < metrics_.size(); ++m)
                    result_.set(m, c.entry, c.example, result_.clean(m)[c.example]);
                continue;
            }
            ++plan.live;
            plan.flops += of_case.flops;
            plan.rows += of_case.rows;
            if (reads_logits)
                plan.flops.readings += reader_.flops_per_row(Pass::edits_logits);
            auto larger = size;
            larger.add(of_case.todo);
            double const in_chunk = chunks.empty() ? 0 : static_cast<double>(chunks.back().size());
            double const slices = of_case.slice_bytes, first = slices + pass.place_bytes(c.entry);
            double const more = !chunks.empty() && chunks.back().back().entry == c.entry ? slices : first;
            if (chunks.empty() || bytes(larger, in_chunk + 1, policies + more) > preferred) {
                auto alone = pass.empty_size();
                alone.add(of_case.todo);
                double const least = bytes(alone, 1, first);
                if (least > room)
                    throw bad_input({"engraft [sweep.memory]: one case needs ", std::int64_t(least * passes_),
                                     " bytes, more than the ", std::int64_t(options_.memory),
                                     " that are allowed; raise sweep_options::memory"});
                chunks.emplace_back();
                ++plan.chunks;
                size = alone;
                policies = first;
            } else {
                size = larger;
                policies += more;
            }
            chunks.back().push_back(c);
            plan.memory = std::max(plan.memory, bytes(size, static_cast<double>(chunks.back().size()), policies));
        }
        // The largest first: tables that grow with each chunk would be memory that is new to the system each time.
        std::ranges::stable_sort(chunks, std::ranges::greater{}, [](auto const& chunk) { return chunk.size(); });
        return chunks;
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
        clean_rows_ = clean_space_.shaped(examples.size(), D.d_model);
        model_.backend().copy_rows(clean_rows_, upload<memory>(all), clean_.final_normalized(), upload<memory>(index));
        no_hooks none;
        reader_.read(clean_rows_, examples, clean_rows_, none, [&](std::size_t m, std::size_t row, double value) {
            result_.set_clean(m, row, require_reading(metrics_[m], value, row, [] { return "in the clean run"; }));
        });
    }

    void read(matrix<T> rows, chunk_rows const& chunk, auto& hooks) {
        std::vector<std::size_t> examples;
        for (std::size_t i = 0; i < chunk.last.size(); ++i)
            examples.push_back(chunk.cases[chunk.last.owner(i)].example);
        reader_.read(rows, examples, clean_rows_, hooks, [&](std::size_t m, std::size_t row, double value) {
            auto const& c = chunk.cases[chunk.last.owner(row)];
            auto const where = [&] { return message({"in entry ", c.entry, " of the sweep"}); };
            result_.set(m, c.entry, c.example, require_reading(metrics_[m], value, c.example, where));
        });
    }

    double naive_flops(std::size_t example) const {
        return 2.0 * D.d_model * D.vocab +
               flops_of_example(described_, shape_of_attention<D>, clean_.rows().length(example)).total();
    }

    /// Goes through the chunks: compute(cases, plan) those that the journal does not have, plan(cases, plan) the
    /// others, and planned(plan) for each. Returns what was counted for all. One chunk's beginning is computed again
    /// where the journal has it, since nothing else tells whether the values that policies take from other runs are the
    /// same.
    template <class Compute, class Plan, class Counted, class Planned>
    flop_count each_chunk(std::vector<std::vector<sweep_case>> const& chunks, std::uint64_t work,
                          Compute const& compute, Plan const& plan, Counted const& counted, Planned const& planned) {
        finished_cases kept(computes_ ? options_.journal : nullptr, work, metrics_.size(), policies_.size(),
                            clean_.rows().examples());
        sweep_plan ignored;
        for (auto const& cases : chunks)
            if (auto const again = kept.to_be_checked(cases); !again.empty()) {
                compute(again, ignored);
                kept.require_same(again, result_);
                break;
            }
        kept.put_into(result_);
        auto const all_counted = [&] {
            auto sum = counted();
            sum.readings += reader_.flops();
            return sum;
        };
        auto sum = kept.counted();
        double done = 0;
        for (auto const& cases : chunks) {
            auto const rest = kept.missing(cases);
            bool const whole = rest.size() == cases.size();
            sweep_plan of_chunk;
            if (computes_ && !rest.empty()) {
                auto const before = all_counted();
                compute(rest, whole ? of_chunk : ignored);
                auto const now = all_counted() - before;
                sum += now;
                kept.add(rest, result_, now);
            }
            if (!computes_ || !whole)
                plan(cases, of_chunk);
            planned(of_chunk);
            report(done += static_cast<double>(cases.size()));
        }
        return sum;
    }

    /// A number of this sweep: of all that it knows of itself, and of the clean run's numbers.
    template <class Pass>
    std::uint64_t identity(Pass const& pass, std::uint64_t more = 0) const {
        if (!computes_ || !options_.journal)
            return 0;
        hasher h;
        for_each_field([&](char const*, auto description::*field) { h.add(D.*field); });
        std::vector<T> read(clean_rows_.rows * clean_rows_.columns);
        memory::to_host(read.data(), clean_rows_.data, read.size() * sizeof(T));
        h.add(std::as_bytes(std::span(read))).add(B::name()).add(clean_.tokens()).add(more).add(policies_.size());
        for (std::size_t e = 0; e < clean_.rows().examples(); ++e)
            h.add(clean_.rows().begin(e)).add(read_at_[e]);
        pass.add_to(h);
        for (std::size_t m = 0; m < metrics_.size(); ++m)
            h.add(metrics_[m].name)
                .add(metrics_[m].of)
                .add(metrics_[m].tokens)
                .add(metrics_[m].others)
                .add(result_.clean(m));
        return h.value();
    }

    void report(double done) const {
        if (computes_ && options_.progress)
            options_.progress(total_ > 0 ? done / total_ : 1);
    }

    sweep_result finish(flop_count const& counted) {
        result_.counted = counted;
        return std::move(result_);
    }

    static constexpr description const& described_ = D;
    model<D, B> const& model_;
    Clean const& clean_;
    std::vector<Policy> policies_;
    std::vector<metric> metrics_;
    sweep_options options_;
    bool computes_;
    sweep_result result_;
    metric_reader<D, B> reader_;
    std::vector<std::size_t> read_at_;
    std::vector<wanted_rows> logits_wanted_;
    workspace<T, memory> clean_space_;
    matrix<T> clean_rows_;
    double total_ = 0, passes_ = 1;
};

} // namespace engraft::detail
