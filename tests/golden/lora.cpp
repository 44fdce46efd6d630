// What Hugging Face and PEFT make of a model with an adapter.

#include "catch.hpp"
#include "golden/models.hpp"
#include "golden/parity.hpp"

namespace eg = engraft;

namespace {

using golden::llama_mha;

std::string const data = ENGRAFT_TEST_DATA "/data/";

/// d / m of data/README.md
template <class Model>
double distance(Model const& model, eg::checkpoint const& expected, std::string const& name) {
    auto const ours = model.run(parity::prompts_of(expected)).logits().values().to_host();
    auto const theirs = expected.read<double>(name);
    REQUIRE(ours.size() == theirs.size());
    double difference = 0, largest = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) {
        double const d = std::abs(static_cast<double>(ours[i]) - theirs[i]);
        REQUIRE(std::isfinite(d));
        difference = std::max(difference, d);
        largest = std::max(largest, std::abs(theirs[i]));
    }
    return difference / largest;
}

template <class Backend>
void check(Backend const& backend) {
    eg::checkpoint const expected(data + "llama_mha_lora/expected.safetensors");
    eg::lora const adapter(data + "llama_mha_lora");
    auto const base = eg::load<llama_mha>(data + "llama_mha", backend);
    CHECK(distance(base, expected, "logits_base") <= parity::tolerance<Backend>);
    CHECK(distance(base, expected, "logits_adapted") > 1e-2);
    CHECK(distance(eg::load<llama_mha>(data + "llama_mha", adapter, backend), expected, "logits_adapted") <=
          parity::tolerance<Backend>);
    auto const apart = eg::adapt(base, adapter);
    CHECK(distance(apart, expected, "logits_adapted") <= parity::tolerance<Backend>);
    CHECK(distance(base, expected, "logits_base") <= parity::tolerance<Backend>);
}

} // namespace

TEST_CASE("a model with an adapter is PEFT's, merged and apart, on the reference backend") { check(eg::reference{}); }

TEST_CASE("a model with an adapter is PEFT's, merged and apart, on the cpu backend") { check(eg::cpu<eg::fp32>(2)); }
