// Gradients of a model whose adapter is kept apart, against those of the model that it is merged into.

#include "gradient/checks.hpp"

#include "golden/models.hpp"

namespace {

/// With what heads add written to, so that their output projection is gone through head by head.
template <class Model>
auto gradients_of(Model const& model) {
    auto const found = eg::gradient(model, checks::prompts_of(1, golden::llama_mha.vocab, {7, 4}),
                                    eg::scale(eg::result, eg::everywhere, 0.9), eg::capture(eg::resid_pre, eg::z),
                                    eg::logit_difference({3, 1}, {1, 5}));
    return checks::all_of_them<golden::llama_mha>(found, eg::site_list<eg::sites::resid_pre, eg::sites::z>{});
}

} // namespace

TEST_CASE("an adapter kept apart has the gradients of the merged model") {
    std::string const data = ENGRAFT_TEST_DATA "/data/";
    eg::lora const adapter(data + "llama_mha_lora");
    eg::reference const backend;
    auto const base = eg::load<golden::llama_mha>(data + "llama_mha", backend);
    auto const merged = gradients_of(eg::load<golden::llama_mha>(data + "llama_mha", adapter, backend));
    auto const apart = gradients_of(eg::adapt(base, adapter));
    REQUIRE(merged.size() == 8);
    for (auto const& [name, gradient] : merged)
        for (std::size_t i = 0; i < gradient.size(); ++i)
            CHECK(apart.at(name)[i] == Approx(gradient[i]).epsilon(1e-6).margin(1e-9));
    auto const without = gradients_of(base);
    CHECK(std::abs(without.at("z 0")[0] - merged.at("z 0")[0]) > 1e-6);
}
