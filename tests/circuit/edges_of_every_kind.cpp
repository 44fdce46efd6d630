// Edges in models without norms, without MLPs, with attention in both directions and with experts: each edge patched by
// itself is what a whole run with this edge cut gives.

#include "catch.hpp"
#include "law/families.hpp"
#include "random_models.hpp"

#include <engraft/circuit/edge_patching.hpp>
#include <engraft/circuit/rewire.hpp>

namespace {

template <eg::description const& D>
auto kept_of_noise() {
    if constexpr (D.mlp == eg::mlp::none)
        return eg::capture(eg::embed, eg::z);
    else
        return eg::capture(eg::embed, eg::z, eg::mlp_out);
}

template <eg::description const& D>
void check_edges() {
    INFO(std::string_view(D.name));
    eg::model<D, eg::reference> const model(eg::random_weights<D, eg::reference>(3));
    eg::batch const prompts({{4, 1, 3, 9, 2}, {7, 8, 1}}), others({{5, 2, 6, 0, 11}, {9, 3, 12}});
    auto const clean = model.run(prompts, eg::capture_for_sweeps<D>());
    auto const noise = model.run(others, kept_of_noise<D>());
    auto const edges = eg::each_edge<D>(eg::input_edges::included);
    std::vector<eg::token> const answers{2, 4};
    auto const found = eg::edge_patching(model, clean, noise, edges, {eg::logit(answers)});
    std::size_t changed = 0;
    for (std::size_t i = 0; i < edges.entries.size(); ++i) {
        INFO(name_of(edges.entries[i]));
        auto const cut = model.run(prompts, eg::rewire({edges.entries[i]}, model, noise)).logits_at(-1).of(answers);
        for (std::size_t e = 0; e < answers.size(); ++e) {
            CHECK(found.of()[i * 2 + e] == Approx(cut[e]).margin(1e-12));
            changed += std::abs(cut[e] - found.clean()[e]) > 1e-9;
        }
    }
    CHECK(changed > edges.entries.size() / 2);
}

} // namespace

TEST_CASE("an edge that is patched is one that is cut, in models of every kind", "[edges]") {
    check_edges<families::bidirectional>();
    check_edges<families::attention_only>();
    check_edges<families::qwen3_moe>();
}
