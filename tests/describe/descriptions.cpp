// What engraft_describe makes of the folders of golden/data is what config.json says, to the last bit of every number,
// and what golden/models.hpp states by hand.

#include "catch.hpp"
#include "golden/models.hpp"

#include <engraft/io/config.hpp>

#include <engraft_models/gemma2.hpp>
#include <engraft_models/gemma3_text.hpp>
#include <engraft_models/gpt2.hpp>
#include <engraft_models/gpt_neox.hpp>
#include <engraft_models/gpt_neox_sequential.hpp>
#include <engraft_models/llama3_untied.hpp>
#include <engraft_models/llama_gqa.hpp>
#include <engraft_models/llama_mha.hpp>
#include <engraft_models/mistral.hpp>
#include <engraft_models/mixtral.hpp>
#include <engraft_models/of_gguf.hpp>
#include <engraft_models/olmo2.hpp>
#include <engraft_models/olmoe.hpp>
#include <engraft_models/phi3.hpp>
#include <engraft_models/qwen2.hpp>
#include <engraft_models/qwen3.hpp>
#include <engraft_models/qwen3_moe.hpp>

namespace {

void check(engraft::description const& described, std::string const& folder) {
    INFO(folder);
    CHECK(described == engraft::read_config(ENGRAFT_TEST_DATA "/data/" + folder));
}

} // namespace

static_assert(llama_mha == golden::llama_mha);
static_assert(llama_gqa == golden::llama_gqa);
static_assert(qwen2 == golden::qwen2);
static_assert(gpt2 == golden::gpt2);
static_assert(gpt_neox == golden::gpt_neox);
static_assert(gpt_neox_sequential == golden::gpt_neox_sequential);
static_assert(mistral == golden::mistral);
static_assert(qwen3 == golden::qwen3);
static_assert(gemma2 == golden::gemma2);
static_assert(llama3_untied == golden::llama3_untied);
static_assert(gemma3_text == golden::gemma3_text);
static_assert(olmo2 == golden::olmo2);
static_assert(phi3 == golden::phi3);
static_assert(mixtral == golden::mixtral);
static_assert(qwen3_moe == golden::qwen3_moe);
static_assert(olmoe == golden::olmoe);

TEST_CASE("a generated description is the config's") {
    check(llama_mha, "llama_mha");
    check(llama_gqa, "llama_gqa");
    check(qwen2, "qwen2");
    check(gpt2, "gpt2");
    check(gpt_neox, "gpt_neox");
    check(gpt_neox_sequential, "gpt_neox_sequential");
    check(mistral, "mistral");
    check(qwen3, "qwen3");
    check(gemma2, "gemma2");
    check(llama3_untied, "llama3_untied");
    check(gemma3_text, "gemma3_text");
    check(olmo2, "olmo2");
    check(phi3, "phi3");
    check(mixtral, "mixtral");
    check(qwen3_moe, "qwen3_moe");
    check(olmoe, "olmoe");
    auto file = engraft::read_config(ENGRAFT_TEST_DATA "/data/gguf/llama.gguf");
    file.name = "of_gguf";
    CHECK(of_gguf == file);
}
