// Sweeps of models of every kind against whole runs: heads, contributions and the stream of single places exchanged.

#include "catch.hpp"
#include "law/families.hpp"
#include "law/properties.hpp"

namespace {

struct place {
    eg::node head;
    std::size_t position;
};

/// Whole runs of each entry's policy, and one sweep: the same bits, and as many products as planned.
template <eg::description const& D, class Backend, class Make>
void check_sweep(eg::model<D, Backend> const& model, eg::batch const& prompts, std::vector<long> const& read_at,
                 Make const& policy_of) {
    eg::table<place> table{{{"place", 0}}, {}};
    for (auto const& n : eg::each_head<D>().entries)
        for (std::size_t p = 0; p < 3; ++p)
            table.entries.push_back({n, p});
    table.axes.front().size = table.entries.size();
    auto const sum = eg::reading("sum", [](std::span<double const> row, std::size_t) {
        double all = 0;
        for (std::size_t i = 0; i < row.size(); ++i)
            all += static_cast<double>(i + 1) * row[i];
        return all;
    });
    auto const clean = model.run(prompts, eg::capture_for_sweeps<D>());
    auto const found = eg::sweep(model, clean, table, policy_of, {sum}, {.read_at = read_at});
    CHECK(found.planned.flops.total() == found.counted.total());
    std::size_t changed = 0;
    for (std::size_t i = 0; i < table.entries.size(); ++i) {
        auto const rows = model.run(prompts, policy_of(table.entries[i])).logits_at(eg::role{"read", read_at, {}});
        auto const logits = rows.values().to_host();
        for (std::size_t e = 0; e < prompts.examples(); ++e) {
            auto const width = static_cast<std::size_t>(eg::output_vocab(D));
            std::vector<double> const row(logits.begin() + static_cast<std::ptrdiff_t>(e * width),
                                          logits.begin() + static_cast<std::ptrdiff_t>((e + 1) * width));
            CHECK(found.of()[i * prompts.examples() + e] == sum.f(row, e));
            changed += found.of()[i * prompts.examples() + e] != found.clean()[e];
        }
    }
    CHECK(changed > table.entries.size() / 2);
}

template <eg::description const& D, class Backend>
void check_sweeps(std::uint64_t seed) {
    INFO("model " << std::string_view(D.name) << " on " << Backend::name());
    properties::dice draw(seed);
    eg::model<D, Backend> const model(eg::random_weights<D, Backend>(seed));
    std::vector<std::size_t> const lengths{7, 4, 9};
    auto const prompts = draw.prompts(lengths, D.vocab), others = draw.prompts(lengths, D.vocab);
    auto const noise = model.run(others, eg::capture(eg::z, eg::resid_pre, eg::attn_out, eg::k));
    std::vector<long> const read_at{-1, 2, 6};
    check_sweep(model, prompts, read_at, [&](place const& p) {
        return eg::patch(eg::z, eg::nodes({p.head}) & eg::at(static_cast<long>(p.position)), noise);
    });
    check_sweep(model, prompts, read_at, [&](place const& p) {
        return eg::patch(eg::resid_pre, eg::layer(p.head.layer) & eg::at(static_cast<long>(p.position)), noise) |
               eg::ablate(eg::attn_out, eg::layer(p.head.layer) & eg::at(static_cast<long>(p.position + 1)), 0.5);
    });
}

} // namespace

TEMPLATE_TEST_CASE("sweeps of models of every kind are what whole runs give", "[sweeps]", eg::reference,
                   eg::cpu<eg::fp32>) {
    check_sweeps<families::gemma3, TestType>(1);
    check_sweeps<families::olmo2, TestType>(2);
    check_sweeps<families::phi3, TestType>(3);
    check_sweeps<families::qwen3_moe, TestType>(4);
    check_sweeps<families::olmoe, TestType>(5);
    check_sweeps<families::bidirectional, TestType>(6);
    check_sweeps<families::attention_only, TestType>(7);
}
