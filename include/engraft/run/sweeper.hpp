#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <engraft/core/hash.hpp>
#include <engraft/model/description_fields.hpp>
#include <engraft/run/chunk_loop.hpp>
#include <engraft/run/engine.hpp>
#include <engraft/run/model.hpp>
#include <engraft/run/receivers.hpp>
#include <engraft/run/sweep_cutter.hpp>

namespace engraft::detail {

/// Everything that a sweep is made of but the type of its policies.
template <description const& D, class B>
class sweeper {
public:
    using T = typename B::value_type;
    using memory = typename B::memory_type;

    /// computes: false where only the plan is wanted
    sweeper(model<D, B> const& m, clean_tables<D, B> clean, std::vector<axis> axes,
            std::unique_ptr<entry_policies<D, B> const> policies, std::vector<metric> metrics, sweep_options options,
            bool computes)
        : model_(m), clean_(std::move(clean)), policies_(std::move(policies)), metrics_(std::move(metrics)),
          options_(std::move(options)), computes_(computes && engraft::computes<B>),
          result_(std::move(axes), clean_.rows().examples(), metrics_),
          reader_(m.backend(), *m.shared_weights(), metrics_, clean_.rows().examples()) {
        begin();
    }

    /// One pass.
    sweep_result run();

    /// Two passes: what the receivers get in the first is patched into the second.
    /// clean_of_site: what they read in the clean run, at their layers
    template <site S, class Where>
    sweep_result run(receivers_of<S, Where> const& to, std::vector<matrix<T const>> const& clean_of_site) {
        passes_ = 2; // both have tables at the same time
        auto const layers = layers_of(to);
        auto const wanted = wanted_of(to, layers);
        sweep_pass<D, B> first(model_.backend(), clean_, *policies_, wanted.data());
        auto const chunks = plan(first, false, layers.size() * site_columns<D, S>);

        auto first_engine = engine_of(first);
        std::vector<matrix<T>> tables(static_cast<std::size_t>(D.layers));
        std::vector<std::vector<std::size_t>> row_of(policies_->size());
        using second_policy = slice_policy<touch::writes, S, Where, copied<received<D, B, S>, any_donor>>;
        std::vector<second_policy> patches;
        for (auto& rows : row_of)
            patches.emplace_back(to.where, copied<received<D, B, S>, any_donor>{{&tables, &rows}});
        typed_entries<D, B, second_policy> const second_policies(std::move(patches));
        sweep_pass<D, B> second(model_.backend(), clean_, second_policies, logits_wanted_.data());
        auto second_engine = engine_of(second);
        auto const receive = [&](case_chunk const& cases, std::vector<workspace<T, memory>>& spaces) {
            auto const chunk = first.rows_of(cases, false);
            auto places = received_places<D, S>(model_.backend(), clean_.rows(), clean_of_site, chunk, layers, wanted,
                                                spaces, tables);
            for (auto& rows : row_of)
                rows.assign(clean_.rows().examples(), static_cast<std::size_t>(-1));
            for (std::size_t i = 0; i < chunk.cases.size(); ++i)
                row_of[chunk.cases[i].entry][chunk.cases[i].example] = i;
            auto hooks = first.bind(chunk);
            policy_facts looks;
            looks.touched = site_list<S>();
            hooks.add(looks, std::make_unique<bound_receivers<B>>(model_.backend(), tables, std::move(places)));
            first_engine.run(chunk, hooks);
        };

        // The second pass has rows of its own sizes: its chunk is cut again where it needs more memory.
        auto const plan_second = [&](case_chunk const& cases, sweep_plan& plan) {
            for (auto const& c : cases)
                second.set_idle(c, not_reached<S>(D, first.planned(c).todo, wanted[c.example]));
            return cut(second, cases, true, 0, plan);
        };
        double second_memory = 0;
        chunk_work const work{.compute =
                                  [&](case_chunk const& cases, sweep_plan& plan) {
                                      std::vector<workspace<T, memory>> spaces(tables.size());
                                      receive(cases, spaces);
                                      for (auto const& part : plan_second(cases, plan))
                                          compute(second_engine, second, second.rows_of(part, true));
                                  },
                              .plan = [&](case_chunk const& cases, sweep_plan& plan) { plan_second(cases, plan); },
                              .counted =
                                  [&] {
                                      auto both = first_engine.counted();
                                      both += second_engine.counted();
                                      return with_readings(both);
                                  },
                              .planned =
                                  [&](sweep_plan rest) {
                                      second_memory = std::max(second_memory, rest.memory);
                                      rest.memory = 0;
                                      result_.planned += rest;
                                  }};
        hasher receiving;
        receiving.add(site_index<S>).add(to.at.positions);
        for (auto const& n : to.nodes)
            receiving.add(n.layer).add(n.head);
        auto const sum =
            each_chunk(chunks, work, computes_, options_, finished(identity(first, receiving.value())), result_);
        result_.planned.memory += second_memory;
        return finish(sum);
    }

private:
    /// Checks what is asked for, and reads the clean run.
    void begin();

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

    /// All that a run under one of the policies would refuse is refused before anything is computed.
    void require_bound() const {
        checked_layout const places(clean_.rows());
        for (std::size_t i = 0; i < policies_->size(); ++i)
            policies_
                ->bind(i, {model_.backend(), clean_.rows(), clean_.tokens(), clean_.weights_identity(), places, nullptr,
                           false})
                .require_blocking(D.layers);
    }

    engine<D, B> engine_of(sweep_pass<D, B> const& pass) const {
        return {model_.backend(), *model_.shared_weights(), clean_, pass.extra()};
    }

    std::vector<case_chunk> plan(sweep_pass<D, B>& pass, bool reads_logits, std::size_t more_elements) {
        case_chunk cases;
        for (std::size_t entry = 0; entry < policies_->size(); ++entry)
            for (std::size_t e = 0; e < clean_.rows().examples(); ++e)
                cases.push_back({entry, e});
        auto chunks = cut(pass, cases, reads_logits, more_elements, result_.planned);
        result_.planned.cases = cases.size();
        auto const block = facts_of_block<D>();
        for (std::size_t e = 0; e < clean_.rows().examples(); ++e)
            result_.planned.naive_flops +=
                passes_ * static_cast<double>(policies_->size()) *
                (2.0 * D.d_model * output_vocab(D) + flops_of_example(block, clean_.rows().length(e)).total());
        return chunks;
    }

    /// Cases without work get the clean run's numbers.
    std::vector<case_chunk> cut(sweep_pass<D, B>& pass, case_chunk const& cases, bool reads_logits,
                                std::size_t more_elements, sweep_plan& plan) {
        sweep_cutter<D, B> const cutter(reader_, options_.memory, preferred_chunk(model_.backend()), passes_);
        return cutter.cut(pass, cases, reads_logits, more_elements, plan, [&](sweep_case const& c) {
            for (std::size_t m = 0; m < metrics_.size(); ++m)
                result_.set(m, c.entry, c.example, result_.clean(m)[c.example]);
        });
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
        reader_.read(clean_rows_, examples, clean_rows_, nullptr, [&](std::size_t m, std::size_t row, double value) {
            result_.set_clean(m, row, require_reading(metrics_[m], value, row, [] { return "in the clean run"; }));
        });
    }

    /// Computes the rows of some cases and reads their metrics.
    void compute(engine<D, B>& engine, sweep_pass<D, B> const& pass, chunk_rows const& chunk) {
        auto hooks = pass.bind(chunk);
        auto const rows = engine.run(chunk, hooks);
        std::vector<std::size_t> examples;
        for (std::size_t i = 0; i < chunk.last.size(); ++i)
            examples.push_back(chunk.cases[chunk.last.owner(i)].example);
        reader_.read(rows, examples, clean_rows_, &hooks, [&](std::size_t m, std::size_t row, double value) {
            auto const& c = chunk.cases[chunk.last.owner(row)];
            auto const where = [&] { return message({"in entry ", c.entry, " of the sweep"}); };
            result_.set(m, c.entry, c.example, require_reading(metrics_[m], value, c.example, where));
        });
    }

    flop_count with_readings(flop_count counted) const {
        counted.readings += reader_.flops();
        return counted;
    }

    finished_cases finished(std::uint64_t work) const {
        return {computes_ ? options_.journal : nullptr, work, metrics_.size(), policies_->size(),
                clean_.rows().examples()};
    }

    /// A number of this sweep: of all that it knows of itself, and of the clean run's numbers.
    std::uint64_t identity(sweep_pass<D, B> const& pass, std::uint64_t more) const {
        if (!computes_ || !options_.journal)
            return 0;
        hasher h;
        for_each_field([&](char const*, auto description::*field) { h.add(D.*field); });
        std::vector<T> read(clean_rows_.rows * clean_rows_.columns);
        memory::to_host(read.data(), clean_rows_.data, read.size() * sizeof(T));
        h.add(std::as_bytes(std::span(read))).add(B::name()).add(clean_.tokens()).add(more).add(policies_->size());
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

    sweep_result finish(flop_count const& counted) {
        result_.counted = counted;
        return std::move(result_);
    }

    model<D, B> const& model_;
    clean_tables<D, B> clean_;
    std::unique_ptr<entry_policies<D, B> const> policies_;
    std::vector<metric> metrics_;
    sweep_options options_;
    bool computes_;
    sweep_result result_;
    metric_reader<D, B> reader_;
    std::vector<std::size_t> read_at_;
    std::vector<wanted_rows> logits_wanted_;
    workspace<T, memory> clean_space_;
    matrix<T> clean_rows_;
    double passes_ = 1;
};

// Not inline, so that a library can have them.

template <description const& D, class B>
void sweeper<D, B>::begin() {
    if (!(options_.memory > 0))
        throw bad_input("engraft [sweep.memory]: sweep_options::memory is not above 0; give a number of bytes");
    require_bound();
    auto const& rows = clean_.rows();
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

template <description const& D, class B>
sweep_result sweeper<D, B>::run() {
    sweep_pass<D, B> pass(model_.backend(), clean_, *policies_, logits_wanted_.data());
    auto const chunks = plan(pass, true, 0);
    if (!computes_)
        return finish({});
    auto engine = engine_of(pass);
    return finish(each_chunk(
        chunks,
        {.compute = [&](case_chunk const& cases, sweep_plan&) { compute(engine, pass, pass.rows_of(cases, true)); },
         .plan = [](case_chunk const&, sweep_plan&) {},
         .counted = [&] { return with_readings(engine.counted()); },
         .planned = [](sweep_plan const&) {}},
        computes_, options_, finished(identity(pass, 0)), result_));
}

} // namespace engraft::detail
