// Adapters against a plain computation of W + s B A, and each adapter that has to be refused.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <unistd.h>

#include "../catch.hpp"
#include "../temporary_folder.hpp"
#include "../golden/models.hpp"
#include "io_attack.hpp"

#include <engraft/engraft.hpp>

namespace {

namespace eg = engraft;
namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;

fs::path const data = fs::path(ENGRAFT_TEST_DATA) / "data";

inline constexpr auto llama = golden::llama_mha;
using golden::gpt2;
using golden::gpt_neox;

using folder = temporary_folder;

struct numbers {
    std::vector<std::size_t> shape;
    std::vector<double> elements;
};
using tensors = std::map<std::string, numbers>;

numbers random_numbers(eg::random& r, std::vector<std::size_t> shape) {
    numbers made{std::move(shape), {}};
    std::size_t size = 1;
    for (auto n : made.shape)
        size *= n;
    for (std::size_t i = 0; i < size; ++i)
        made.elements.push_back(0.3 * r.normal());
    return made;
}

void write_safetensors(fs::path const& file, tensors const& all) {
    std::string header = "{", bytes;
    for (auto const& [name, t] : all) {
        std::string shape;
        for (auto n : t.shape)
            shape += (shape.empty() ? "" : ",") + std::to_string(n);
        auto const begin = bytes.size();
        bytes.append(reinterpret_cast<char const*>(t.elements.data()), 8 * t.elements.size());
        header += (begin ? ",\"" : "\"") + name + R"(":{"dtype":"F64","shape":[)" + shape + R"(],"data_offsets":[)" +
                  std::to_string(begin) + "," + std::to_string(bytes.size()) + "]}";
    }
    header += "}";
    std::uint64_t const length = header.size();
    std::ofstream out(file, std::ios::binary);
    out.write(reinterpret_cast<char const*>(&length), 8);
    out << header << bytes;
}

/// A setting of adapter_config.json and its value as JSON.
using settings = std::map<std::string, std::string>;

settings config_with(settings const& changes) {
    settings all{{"peft_type", "\"LORA\""}, {"r", "4"}, {"lora_alpha", "8"}, {"target_modules", R"(["q_proj"])"}};
    for (auto const& [key, value] : changes)
        all[key] = value;
    return all;
}

void write_config(fs::path const& file, settings const& all) {
    std::ofstream out(file);
    char const* between = "{";
    for (auto const& [key, value] : all) {
        if (value.empty())
            continue;
        out << between << '"' << key << "\": " << value;
        between = ", ";
    }
    out << "}";
}

/// An adapted module: W of the checkpoint is [out, in], or [in, out] where it is transposed.
struct module {
    std::string path;
    std::size_t out, in, rank;
    double scale;
    bool transposed = false;
};

tensors random_adapter(std::vector<module> const& modules, std::string const& dot_default = "") {
    eg::random r(7);
    tensors made;
    for (auto const& m : modules) {
        made["base_model.model." + m.path + ".lora_A" + dot_default + ".weight"] = random_numbers(r, {m.rank, m.in});
        made["base_model.model." + m.path + ".lora_B" + dot_default + ".weight"] = random_numbers(r, {m.out, m.rank});
    }
    return made;
}

/// The base checkpoint with W + s B A written out, in double.
tensors naive_merge(fs::path const& base, std::vector<module> const& modules, tensors const& adapter,
                    std::string const& dot_default = "") {
    eg::checkpoint const from(base);
    tensors merged;
    for (auto const& name : from.names())
        merged[name] = {from.shape(name), from.read<double>(name)};
    for (auto const& m : modules) {
        auto const& a = adapter.at("base_model.model." + m.path + ".lora_A" + dot_default + ".weight").elements;
        auto const& b = adapter.at("base_model.model." + m.path + ".lora_B" + dot_default + ".weight").elements;
        auto& w = merged.at(m.path + ".weight").elements;
        for (std::size_t o = 0; o < m.out; ++o)
            for (std::size_t i = 0; i < m.in; ++i) {
                double product = 0;
                for (std::size_t j = 0; j < m.rank; ++j)
                    product += b[o * m.rank + j] * a[j * m.in + i];
                w[m.transposed ? i * m.out + o : o * m.in + i] += m.scale * product;
            }
    }
    return merged;
}

eg::batch prompts_below(int vocab) {
    eg::random r(3);
    std::vector<std::vector<eg::token>> prompts(2);
    for (int i = 0; i < 7; ++i)
        prompts[0].push_back(static_cast<eg::token>(r.below(std::uint64_t(vocab))));
    for (int i = 0; i < 4; ++i)
        prompts[1].push_back(static_cast<eg::token>(r.below(std::uint64_t(vocab))));
    return prompts;
}

template <class Elements>
double difference(Elements const& a, Elements const& b) {
    REQUIRE(a.size() == b.size());
    double largest = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        largest = std::max(largest, std::abs(double(a[i]) - double(b[i])));
    return largest;
}

template <class Model>
auto logits(Model const& model, eg::batch const& tokens) {
    return model.run(tokens).logits().values().to_host();
}

/// Merged and apart are the naive computation, to the rounding of double.
template <eg::description const& D>
void check_family(std::string const& base, std::vector<module> const& modules, settings const& changes,
                  std::string const& dot_default = "") {
    folder const adapter, merged;
    auto const weights = random_adapter(modules, dot_default);
    write_safetensors(adapter.path / "adapter_model.safetensors", weights);
    write_config(adapter.path / "adapter_config.json", config_with(changes));
    write_safetensors(merged.path / "model.safetensors", naive_merge(data / base, modules, weights, dot_default));
    fs::copy_file(data / base / "config.json", merged.path / "config.json");

    eg::reference const backend;
    auto const tokens = prompts_below(D.vocab);
    auto const original = eg::load<D>(data / base, backend);
    auto const expected = logits(eg::load<D>(merged.path, backend), tokens);
    CHECK(difference(expected, logits(original, tokens)) > 1e-2);
    CHECK(difference(expected, logits(eg::load<D>(data / base, eg::lora(adapter.path), backend), tokens)) < 1e-12);
    CHECK(difference(expected, logits(eg::adapt(original, eg::lora(adapter.path)), tokens)) < 1e-12);
}

/// Why the adapter is refused for the Llama base; empty when it is not.
std::string refusal(settings const& changes, tensors const& weights) {
    folder const f;
    write_safetensors(f.path / "adapter_model.safetensors", weights);
    write_config(f.path / "adapter_config.json", config_with(changes));
    try {
        auto const layout = eg::layout_of<llama>();
        eg::lora(f.path).fit(eg::maps_of<llama>(layout), layout.unembedding.weight);
    } catch (eg::bad_file const& e) {
        return e.what();
    } catch (eg::bad_model const& e) {
        return e.what();
    }
    return "";
}

std::vector<module> const q_modules{{"model.layers.0.self_attn.q_proj", 32, 32, 4, 2},
                                    {"model.layers.1.self_attn.q_proj", 32, 32, 4, 2},
                                    {"model.layers.2.self_attn.q_proj", 32, 32, 4, 2},
                                    {"model.layers.3.self_attn.q_proj", 32, 32, 4, 2}};

} // namespace

TEST_CASE("adapters of all of Llama's maps, with names of both kinds", "[io][lora]") {
    std::vector<module> modules;
    for (int layer = 0; layer < llama.layers; ++layer) {
        auto const at = "model.layers." + std::to_string(layer) + ".";
        for (auto const* name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"})
            modules.push_back({at + name, 32, 32, 4, 2});
        for (auto const* name : {"mlp.gate_proj", "mlp.up_proj"})
            modules.push_back({at + name, 56, 32, 4, 2});
        modules.push_back({at + "mlp.down_proj", 32, 56, 4, 2});
    }
    check_family<llama>("llama_mha", modules, {{"target_modules", "\"all-linear\""}});
    check_family<llama>("llama_mha", modules, {{"target_modules", "\"All-Linear\""}}, ".default");
    check_family<llama>("llama_mha", modules, {{"target_modules", R"(".*\\.(self_attn|mlp)\\.[a-z]+_proj")"}});
    modules.push_back({"lm_head", 61, 32, 4, 2});
    check_family<llama>("llama_mha", modules, {{"target_modules", R"re(".*(_proj|head)")re"}});
}

TEST_CASE("ranks and alphas by module, and rsLoRA's scale", "[io][lora]") {
    std::vector<module> modules;
    for (int layer = 0; layer < llama.layers; ++layer) {
        auto const at = "model.layers." + std::to_string(layer) + ".self_attn.";
        std::size_t const q_rank = layer == 1 ? 2 : 4;
        double const v_alpha = 5;
        modules.push_back({at + "q_proj", 32, 32, q_rank, 8 / std::sqrt(double(q_rank))});
        modules.push_back({at + "v_proj", 32, 32, 3, v_alpha / std::sqrt(3.0)});
    }
    settings const patterns{{"target_modules", R"(["q_proj", "v_proj"])"},
                            {"rank_pattern", R"({"v_proj": 3, "layers.1.self_attn.q_proj": 2})"},
                            {"alpha_pattern", R"({".*attn\\.v_proj": 5})"}};
    auto stabilized = patterns;
    stabilized["use_rslora"] = "true";
    check_family<llama>("llama_mha", modules, stabilized);
    for (auto& m : modules)
        m.scale /= std::sqrt(double(m.rank));
    check_family<llama>("llama_mha", modules, patterns);
}

TEST_CASE("adapters of some layers and modules only", "[io][lora]") {
    std::vector<module> const last(q_modules.begin() + 2, q_modules.end()), one{q_modules[1]};
    check_family<llama>("llama_mha", last, {{"layers_to_transform", "[2, 3]"}});
    check_family<llama>("llama_mha", one, {{"layers_to_transform", "1"}, {"layers_pattern", "\"layers\""}});
    check_family<llama>("llama_mha", one, {{"layers_to_transform", "1"}, {"layers_pattern", R"(["h", "layers"])"}});
    check_family<llama>("llama_mha", one, {{"target_modules", R"(["model.layers.1.self_attn.q_proj"])"}});
    check_family<llama>("llama_mha", last, {{"exclude_modules", R"(".*\\.[01]\\..*")"}});
    check_family<llama>("llama_mha", last,
                        {{"exclude_modules", R"(["0.self_attn.q_proj", "model.layers.1.self_attn.q_proj"])"}});
}

TEST_CASE("an adapter of fused and transposed maps acts on the stored matrix", "[io][lora]") {
    std::vector<module> conv, fused;
    for (int layer = 0; layer < gpt2.layers; ++layer) {
        auto const at = "transformer.h." + std::to_string(layer) + ".";
        conv.push_back({at + "attn.c_attn", 96, 32, 4, 2, true});
        conv.push_back({at + "attn.c_proj", 32, 32, 4, 2, true});
        conv.push_back({at + "mlp.c_fc", 128, 32, 4, 2, true});
        conv.push_back({at + "mlp.c_proj", 32, 128, 4, 2, true});
    }
    check_family<gpt2>("gpt2", conv,
                       {{"target_modules", R"(["c_attn", "c_proj", "c_fc"])"}, {"fan_in_fan_out", "true"}});
    for (int layer = 0; layer < gpt_neox.layers; ++layer) {
        auto const at = "gpt_neox.layers." + std::to_string(layer) + ".";
        fused.push_back({at + "attention.query_key_value", 96, 32, 4, 2});
        fused.push_back({at + "attention.dense", 32, 32, 4, 2});
    }
    check_family<gpt_neox>("gpt_neox", fused, {{"target_modules", R"(["query_key_value", "dense"])"}});
}

TEST_CASE("an adapter kept apart shares the base model's weights, and every site is the merged model's", "[io][lora]") {
    folder const f;
    std::vector<module> modules;
    for (int layer = 0; layer < llama.layers; ++layer)
        for (auto const* name : {"v_proj", "o_proj"})
            modules.push_back({"model.layers." + std::to_string(layer) + ".self_attn." + name, 32, 32, 4, 2});
    write_safetensors(f.path / "adapter_model.safetensors", random_adapter(modules));
    write_config(f.path / "adapter_config.json", config_with({{"target_modules", R"(["o_proj", "v_proj"])"}}));
    eg::lora const adapter(f.path);
    eg::reference const backend;
    auto const base = eg::load<llama>(data / "llama_mha", backend);
    auto const merged = eg::load<llama>(data / "llama_mha", adapter, backend);
    auto const apart = eg::adapt(base, adapter);
    static_assert(std::is_same_v<decltype(apart), eg::loaded_model<llama, eg::adapted<eg::reference>> const>);

    CHECK_THROWS_WITH(apart.tokenizer(), ContainsSubstring("loaded without a tokenizer")); // its files have none

    CHECK(apart.shared_weights()->base == base.shared_weights());
    CHECK(&apart.shared_weights()->blocks[1].norm1 == &base.shared_weights()->blocks[1].norm1);
    CHECK(apart.shared_weights()->blocks[1].v.base.get() == &base.shared_weights()->blocks[1].v);
    CHECK(apart.shared_weights()->blocks[1].q.rank == 0);
    CHECK(apart.shared_weights()->unembedding.base.get() == &base.shared_weights()->unembedding);

    auto const tokens = prompts_below(llama.vocab);
    auto const all = eg::capture(eg::z, eg::result, eg::attn_out, eg::mlp_out);
    auto const ours = apart.run(tokens, all);
    auto const theirs = merged.run(tokens, all);
    for (int layer = 0; layer < llama.layers; ++layer) {
        auto const same = [&](auto site) {
            auto const a = ours[site].whole(layer), b = theirs[site].whole(layer);
            CHECK(difference(std::vector<double>(a.data(), a.data() + a.size()),
                             std::vector<double>(b.data(), b.data() + b.size())) < 1e-12);
        };
        same(eg::z);
        same(eg::result);
        same(eg::attn_out);
        same(eg::mlp_out);
    }

    // Between a model and its adapted one: swap both ways, but no patch.
    auto const from = base.run(tokens, eg::capture(eg::z));
    auto const heads = eg::layer(1) & eg::heads({0, 2});
    CHECK(difference(logits(base, tokens), base.run(tokens, eg::swap(eg::z, heads, ours)).logits().values().to_host()) >
          1e-3);
    CHECK(difference(apart.run(tokens, eg::swap(eg::z, heads, from)).logits().values().to_host(),
                     merged.run(tokens, eg::swap(eg::z, heads, from)).logits().values().to_host()) < 1e-12);
    CHECK_THROWS_WITH(apart.run(tokens, eg::patch(eg::z, heads, from)), ContainsSubstring("[patch.same_model]"));

    // Two adapters one after the other: their sum.
    folder const twice;
    for (auto& m : modules)
        m.scale *= 2;
    write_safetensors(twice.path / "model.safetensors",
                      naive_merge(data / "llama_mha", modules, random_adapter(modules)));
    fs::copy_file(data / "llama_mha" / "config.json", twice.path / "config.json");
    CHECK(difference(logits(eg::adapt(apart, adapter), tokens), logits(eg::load<llama>(twice.path, backend), tokens)) <
          1e-12);
}

TEST_CASE("settings that change nothing are accepted", "[io][lora]") {
    auto const good = random_adapter(q_modules);
    CHECK(refusal({}, good) == "");
    CHECK(refusal({{"bias", "\"none\""},
                   {"use_dora", "false"},
                   {"modules_to_save", "null"},
                   {"layer_replication", "[]"},
                   {"inference_mode", "true"},
                   {"lora_dropout", "0.1"},
                   {"loftq_config", "{}"},
                   {"init_lora_weights", "\"gaussian\""},
                   {"task_type", "\"CAUSAL_LM\""},
                   {"a_later_one", "null"}},
                  good) == "");
}

TEST_CASE("adapters that can't be read are refused by name", "[io][lora]") {
    auto const good = random_adapter(q_modules);
    struct {
        settings changes;
        char const* sentence;
    } const cases[] = {
        {{{"peft_type", "\"IA3\""}}, "'peft_type' is IA3, and only LORA is read"},
        {{{"peft_type", ""}}, "'peft_type' is missing"},
        {{{"bias", "\"lora_only\""}}, "'bias' is lora_only, but biases that were trained are not read"},
        {{{"use_dora", "true"}}, "'use_dora' is true, a setting that is not read; merge the adapter"},
        {{{"modules_to_save", R"(["lm_head"])"}}, "'modules_to_save' is an array of 1, a setting that is not read"},
        {{{"layer_replication", "[[0, 2]]"}}, "'layer_replication' is an array of 1"},
        {{{"trainable_token_indices", "[3]"}}, "'trainable_token_indices' is an array of 1"},
        {{{"target_parameters", R"(["w"])"}}, "'target_parameters' is an array of 1"},
        {{{"alora_invocation_tokens", "[3]"}}, "'alora_invocation_tokens' is an array of 1"},
        {{{"lora_bias", "true"}}, "'lora_bias' is true"},
        {{{"use_qalora", "true"}}, "'use_qalora' is true"},
        {{{"megatron_config", R"({"a": 1})"}}, "'megatron_config' is an object with 1 key"},
        {{{"of_next_year", "0.5"}}, "'of_next_year' is 0.5, a setting that is not read"},
        {{{"init_lora_weights", "\"pissa_niter_4\""}},
         "'init_lora_weights' is pissa_niter_4, which may change the base"},
        {{{"init_lora_weights", "\"olora\""}}, "'init_lora_weights' is olora"},
        {{{"r", "0"}}, "'r' must be a whole number from 1 to"},
        {{{"r", ""}}, "'r' is missing"},
        {{{"lora_alpha", "\"8\""}}, "'lora_alpha' must be a number"},
        {{{"use_rslora", "1"}}, "'use_rslora' must be true or false"},
        {{{"fan_in_fan_out", "1"}}, "'fan_in_fan_out' must be true or false"},
        {{{"target_modules", "null"}}, "'target_modules' is missing"},
        {{{"target_modules", "[1]"}}, "'target_modules' must be a text"},
        {{{"target_modules", R"("(q_proj")"}}, "'target_modules': the regular expression is wrong"},
        {{{"target_modules", R"("a)|(.*")"}}, "'target_modules': the regular expression is wrong"},
        {{{"target_modules", R"(".*q_proj")"}, {"layers_to_transform", "[1]"}}, "need a list of 'target_modules'"},
        {{{"layers_pattern", "\"layers\""}}, "'layers_pattern' is given without 'layers_to_transform'"},
        {{{"layers_to_transform", "[-1]"}}, "'layers_to_transform' must be a whole number"},
        {{{"rank_pattern", R"({"q_proj": 4, ".*q_proj": 2})"}},
         "both match the module model.layers.0.self_attn.q_proj"},
        {{{"rank_pattern", R"({"q_proj": 2.5})"}}, "'r' must be a whole number"},
        {{{"alpha_pattern", R"({"(": 2})"}}, "'alpha_pattern': the regular expression is wrong"},
        {{{"alpha_pattern", R"re({"([a-z0-9_.]+)+[A-Z]": 2})re"}},
         "takes too long on 'model.layers.0.self_attn.q_proj'"},
        // Against the base model.
        {{{"r", "8"}},
         "q_proj.lora_A.weight has the shape 4 x 32, but rank 8 and the base model's map of 32 to 32 imply "
         "8 x 32"},
        {{{"target_modules", R"(["q_proj", "v_proj"])"}},
         "there is no lora_A and lora_B of model.layers.0.self_attn.v_proj, which the adapter's config says is "
         "adapted"},
        {{{"layers_to_transform", "[0, 1, 2]"}},
         "there are lora_A and lora_B of model.layers.3.self_attn.q_proj, which the adapter's config says is not"},
        {{{"target_modules", R"("self_attn\\.q_proj")"}},
         "layers.0.self_attn.q_proj, which the adapter's config says is not"},
        {{{"target_modules", R"(".*self_attn\\.q")"}},
         "layers.0.self_attn.q_proj, which the adapter's config says is not"},
        {{{"layers_to_transform", "[0, 1, 2, 3]"}, {"layers_pattern", "\"h\""}},
         "layers.0.self_attn.q_proj, which the adapter's config says is not"},
        {{{"target_modules", R"(["q_proj", "c_attn"])"}}, "'target_modules' names 'c_attn', which no linear map"},
    };
    for (auto const& c : cases) {
        INFO(c.sentence);
        CHECK_THAT(refusal(c.changes, good), ContainsSubstring(c.sentence));
    }
}

TEST_CASE("tensors that do not make an adapter of the base model are refused by name", "[io][lora]") {
    auto const good = random_adapter(q_modules);
    std::string const at = "base_model.model.model.layers.0.self_attn.q_proj";
    auto const with = [&](std::string const& name, std::vector<std::size_t> shape) {
        auto all = good;
        eg::random r(1);
        all[name] = random_numbers(r, std::move(shape));
        return refusal({}, all);
    };
    auto const without = [&](std::string const& name) {
        auto all = good;
        all.erase(name);
        return refusal({}, all);
    };
    CHECK_THAT(without(at + ".lora_A.weight"), ContainsSubstring("q_proj has lora_B but not lora_A"));
    CHECK_THAT(without(at + ".lora_B.weight"), ContainsSubstring("q_proj has lora_A but not lora_B"));
    CHECK_THAT(with(at + ".lora_magnitude_vector.weight", {32}),
               ContainsSubstring("lora_magnitude_vector.weight' is not read"));
    CHECK_THAT(with(at + ".lora_A.bias", {32}), ContainsSubstring("lora_A.bias' is not read"));
    CHECK_THAT(with("base_model.model.lm_head.weight", {61, 32}), ContainsSubstring("lm_head.weight' is not read"));
    CHECK_THAT(with("base_model.model.model.embed_tokens.lora_embedding_A", {4, 61}),
               ContainsSubstring("lora_embedding_A' is not read"));
    CHECK_THAT(with("model.layers.0.self_attn.k_proj.lora_A.weight", {4, 32}), ContainsSubstring("' is not read"));
    CHECK_THAT(with(at + ".lora_A.default.weight", {4, 32}), ContainsSubstring("are the same matrix of one module"));
    CHECK_THAT(with(at + ".lora_B.weight", {32, 5}),
               ContainsSubstring("has the shape 32 x 5, but rank 4 and the base model's map of 32 to 32 imply 32 x 4"));
    CHECK_THAT(with(at + ".lora_B.weight", {4, 32}), ContainsSubstring("has the shape 4 x 32"));

    auto const of_another = random_adapter({{"model.layers.4.self_attn.q_proj", 32, 32, 4, 2}});
    CHECK_THAT(refusal({}, of_another), ContainsSubstring("the base model has no linear map "
                                                          "model.layers.4.self_attn.q_proj that could be adapted"));
    CHECK_THAT(refusal({}, random_adapter({{"model.embed_tokens", 61, 32, 4, 2}})),
               ContainsSubstring("the base model has no linear map model.embed_tokens"));
    CHECK_THAT(refusal({}, {}), ContainsSubstring("there is no lora_A and lora_B in it"));

    // The unembedding of a model that has none of its own.
    auto const layout = eg::layout_of<gpt2>();
    folder const f;
    write_safetensors(f.path / "adapter_model.safetensors", random_adapter({{"transformer.wte", 59, 32, 4, 2, true}}));
    write_config(f.path / "adapter_config.json", config_with({{"target_modules", R"(["wte"])"}}));
    CHECK_THROWS_WITH(eg::lora(f.path).fit(eg::maps_of<gpt2>(layout), layout.unembedding.weight),
                      ContainsSubstring("the base model has no linear map wte"));
}

TEST_CASE("a folder without an adapter is refused", "[io][lora]") {
    folder const f;
    CHECK_THROWS_WITH(eg::lora(f.path), ContainsSubstring("adapter_config.json: there is no such file"));
    write_config(f.path / "adapter_config.json", config_with({}));
    CHECK_THROWS_WITH(eg::lora(f.path), ContainsSubstring("the adapter has no adapter_model.safetensors"));
    CHECK_THROWS_AS(eg::lora(f.path), eg::bad_file);
}

TEST_CASE("a damaged adapter is refused or read, and nothing else", "[io][lora]") {
    folder const f;
    write_safetensors(f.path / "adapter_model.safetensors", random_adapter(q_modules));
    write_config(f.path / "original.json", config_with({{"rank_pattern", R"({"layers.1.*": 4})"},
                                                        {"bias", "\"none\""},
                                                        {"layers_to_transform", "[0, 1, 2, 3]"}}));
    auto const layout = eg::layout_of<llama>();
    auto const read = [&] { eg::lora(f.path).fit(eg::maps_of<llama>(layout), layout.unembedding.weight); };
    CHECK(engraft_test::attack(f.path / "original.json", 1000, 300, 21, [&](std::string const& damaged) {
              fs::copy_file(damaged, f.path / "adapter_config.json", fs::copy_options::overwrite_existing);
              read();
          }) > 150);
    fs::copy_file(f.path / "original.json", f.path / "adapter_config.json", fs::copy_options::overwrite_existing);
    CHECK(engraft_test::attack(f.path / "adapter_model.safetensors", 1000, 300, 22, [&](std::string const& damaged) {
              fs::copy_file(damaged, f.path / "adapter_model.safetensors.new", fs::copy_options::overwrite_existing);
              fs::rename(f.path / "adapter_model.safetensors.new", f.path / "adapter_model.safetensors");
              read();
          }) > 150);
}
