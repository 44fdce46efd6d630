#pragma once

#include <algorithm>
#include <filesystem>
#include <future>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <engraft/engraft.hpp>

#include "lab.hpp"
#include "words.hpp"

namespace paper {

/// Some of the prompts, and how many times their cost counts.
struct part_of_prompts {
    eg::part_of_batch part;
    double times;
};

/// The larger members stand in lab_discovery.hpp, lab_sweeps.hpp, lab_circuits.hpp and lab_masks.hpp, so that a program
/// is compiled in pieces. With the backend `planning` nothing is loaded or computed, but what would be is planned.
template <eg::description const& D, class B>
class lab_of : public lab {
public:
    static constexpr bool computes = eg::computes<B>;

    explicit lab_of(settings const& chosen) : boxes_(chosen.boxes) {
        for (auto const& e : chosen.models)
            models_.emplace(e.name, model_of(e));
        auto const& first = chosen.base().folder;
        if constexpr (computes)
            words_ = words(of(chosen.base().name).shared_tokenizer());
        else if (!std::filesystem::is_directory(first) || std::filesystem::exists(first / "tokenizer.json"))
            words_ = words(std::make_shared<eg::tokenizer const>(eg::tokenizer::load(first)));
    }

    int layers() const override { return D.layers; }
    int heads() const override { return D.heads; }
    std::string described() const override {
        return eg::message(
            {D.name, ": ", D.layers, " layers of ", D.heads, " heads, d_model ", D.d_model, ", vocabulary ", D.vocab});
    }

    eg::boxes::prompts prompts(std::size_t examples, std::uint64_t seed) const override {
        return eg::boxes::sample(words_, {.examples = examples, .seed = seed, .boxes = boxes_});
    }

    double accuracy(std::string const& name, eg::boxes::prompts const& p) override {
        return eg::accuracy(of(name).run(p.tokens).logits_at(p.role<eg::last>()), p.answers);
    }

    eg::discovery discover(std::string const& model, eg::boxes::prompts const& p,
                           std::vector<std::size_t> const& counts) override;
    std::vector<double> swapped(part what, std::string const& into, std::string const& from,
                                eg::boxes::prompts const& p, std::vector<eg::circuit> const& sets) override;
    std::vector<double> knocked_out(std::string const& name, eg::boxes::prompts const& p, eg::role const& from,
                                    eg::role const& to) override;
    std::unique_ptr<ablation> mean_ablation(std::string const& model, eg::boxes::prompts const& p,
                                            eg::boxes::prompts const& mean_prompts) override;
    eg::attention_report attention(std::string const& model, eg::boxes::prompts const& p,
                                   eg::circuit_group const& group) override;
    std::vector<double> follow(std::string const& model, std::vector<eg::desideratum> const& all,
                               std::vector<eg::exchange> const& exchanges) override;
    std::vector<eg::dcm_result> masks(std::string const& model, eg::circuit const& groups,
                                      eg::dcm_data const& data) override;

    std::vector<eg::desideratum> desiderata(std::vector<eg::boxes::hypothesis> const& all, std::size_t examples,
                                            std::uint64_t seed) const override {
        std::vector<eg::desideratum> drawn;
        for (auto const what : all)
            drawn.push_back(eg::boxes::sample(words_, what, {.examples = examples, .seed = seed, .boxes = boxes_}));
        return drawn;
    }

    /// Adds what a sweep took, or would take, `times` times.
    void count(eg::sweep_plan const& planned, eg::flop_count const& counted, double times = 1) {
        used.planned += times * planned.flops.total(), used.counted += times * counted.total();
        used.tables = std::max(used.tables, planned.memory);
    }
    void count(eg::desiderata_cost const& took, double times = 1) {
        used.planned += times * took.planned.total(), used.counted += times * took.counted.total();
        used.gradients += times * took.gradients;
    }

private:
    using model_type = eg::loaded_model<D, B>;

    /// Room for what runs keep beside a sweep, in bytes; prompts are taken in parts that fit.
    static constexpr double room = 4e9;
    /// Elements that a clean run keeps of a row: resid_pre, attn_out, mlp_out; keys and values; z.
    static constexpr double kept_elements =
        D.layers * (3.0 * D.d_model + 2.0 * D.kv_heads * D.d_head + 1.0 * D.heads * D.d_head);
    static constexpr double query_elements = 1.0 * D.layers * D.heads * D.d_head;

    /// What is planned for: the backend that the program computes with otherwise (backend.hpp).
    static B planned_backend() {
        B b;
#ifdef ENGRAFT_EXAMPLE_NUMBERS
        b.chunk = std::numeric_limits<double>::infinity(); // as a GPU's
#endif
        return b;
    }

    static model_type model_of(model_entry const& e) {
        if constexpr (computes) {
            return e.adapter.empty() ? eg::load<D>(e.folder, B()) : eg::load<D>(e.folder, eg::lora(e.adapter), B());
        } else {
            eg::require_same(D, eg::read_config(e.folder), e.folder.string());
            return model_type({eg::empty_weights<D, B>(), planned_backend()}, nullptr);
        }
    }
    model_type const& of(std::string const& name) const { return models_.at(name); }

    /// The prompts in parts whose runs fit into the room, `elements` being kept of each row. Where nothing is computed,
    /// one prompt for each box that is asked for: all others are as long and have their roles where one of these has.
    std::vector<part_of_prompts> parts_of(eg::batch const& prompts, double elements) {
        auto const count = prompts.examples();
        double const each = static_cast<double>(prompts.rows().longest()) * elements * sizeof(float);
        auto const fit = static_cast<std::size_t>(std::clamp(room / each, 1.0, 1e9));
        used.kept = std::max(used.kept, static_cast<double>(std::min(fit, count)) * each);
        std::vector<part_of_prompts> all;
        if constexpr (computes)
            for (auto const part : eg::parts_of_batch(count, fit))
                all.push_back({part, 1});
        else
            all = samples_of(count);
        return all;
    }

    std::vector<part_of_prompts> samples_of(std::size_t count) const {
        auto const boxes = static_cast<std::size_t>(boxes_);
        std::vector<part_of_prompts> all;
        for (std::size_t asked = 0; asked < std::min(boxes, count); ++asked)
            all.push_back({{asked, 1}, static_cast<double>((count - asked + boxes - 1) / boxes)});
        return all;
    }

    /// swept(part, options) of each part, joined.
    template <class Swept>
    eg::sweep_result over_parts(std::vector<part_of_prompts> const& parts, std::vector<eg::axis> const& axes,
                                eg::metric const& read, std::size_t examples, Swept const& swept,
                                std::pair<double, double> shares = {0, 1}) {
        eg::sweep_result all(axes, examples, {read});
        auto const add = [&](part_of_prompts const& one, eg::sweep_result const& found) {
            all.add_examples(found, one.part.first);
            count(found.planned, found.counted, one.times);
        };
        if constexpr (computes) {
            for (auto const& one : parts) {
                eg::sweep_options o;
                if (progress)
                    o.progress = [&](double share) {
                        auto const done =
                            static_cast<double>(one.part.first) + share * static_cast<double>(one.part.count);
                        progress(shares.first + shares.second * done / static_cast<double>(examples));
                    };
                add(one, swept(one.part, one.part.of(read), o));
            }
        } else {
            std::vector<std::future<eg::sweep_result>> planned; // a part by each thread
            for (auto const& one : parts)
                planned.push_back(std::async(std::launch::async, [&swept, &read, part = one.part] {
                    return swept(part, part.of(read), eg::sweep_options{});
                }));
            for (std::size_t i = 0; i < parts.size(); ++i)
                add(parts[i], planned[i].get());
        }
        return all;
    }

    std::map<std::string, model_type> models_;
    words words_;
    int boxes_;
};

} // namespace paper
