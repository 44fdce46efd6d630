// What a weight may be, and what a tensor must hold that follows from others: loaded out of golden models, some of
// whose tensors are changed.

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <unistd.h>

#include "../catch.hpp"
#include "../temporary_folder.hpp"
#include "../golden/models.hpp"

#include <engraft/engraft.hpp>
#include <engraft/model/rotary.hpp>

namespace {

namespace eg = engraft;
namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;

fs::path const data = fs::path(ENGRAFT_TEST_DATA) / "data";

using folder = temporary_folder;

struct tensor {
    std::string dtype;
    std::vector<std::size_t> shape;
    std::string bytes;

    template <class T>
    static tensor of(std::string type, std::vector<std::size_t> shape, std::vector<T> const& elements) {
        tensor made{std::move(type), std::move(shape), std::string(elements.size() * sizeof(T), '\0')};
        std::memcpy(made.bytes.data(), elements.data(), made.bytes.size());
        return made;
    }
    template <class T>
    void set(std::size_t i, T value) {
        std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
    }
};
using tensors = std::map<std::string, tensor>;

tensors tensors_of(fs::path const& file) {
    tensors all;
    eg::safetensors_file const from(file);
    for (auto const& [name, t] : from.tensors())
        all[name] = {std::string(to_string(t.dtype)), t.shape,
                     std::string(reinterpret_cast<char const*>(t.bytes.data()), t.bytes.size())};
    return all;
}

void write_safetensors(fs::path const& file, tensors const& all) {
    std::string header, bytes;
    for (auto const& [name, t] : all) {
        std::string shape;
        for (auto n : t.shape)
            shape += (shape.empty() ? "" : ",") + std::to_string(n);
        header += (header.empty() ? "{\"" : ",\"") + name + R"(":{"dtype":")" + t.dtype + R"(","shape":[)" + shape +
                  R"(],"data_offsets":[)" + std::to_string(bytes.size()) + "," +
                  std::to_string(bytes.size() + t.bytes.size()) + "]}";
        bytes += t.bytes;
    }
    header += "}";
    std::uint64_t const length = header.size();
    std::ofstream out(file, std::ios::binary);
    out.write(reinterpret_cast<char const*>(&length), 8);
    out << header << bytes;
}

/// What `load` says of a golden model after `change(tensors)`; empty when it is read.
template <eg::description const& D, class Error = eg::error, class Change>
std::string refusal(std::string const& base, Change const& change) {
    folder const f;
    auto all = tensors_of(data / base / "model.safetensors");
    change(all);
    write_safetensors(f.path / "model.safetensors", all);
    fs::copy_file(data / base / "config.json", f.path / "config.json");
    try {
        eg::load<D>(f.path, eg::reference{});
    } catch (Error const& e) {
        return e.what();
    }
    return "";
}

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr float infinity = std::numeric_limits<float>::infinity();

} // namespace

TEST_CASE("a weight that is NaN or infinite is named while it is loaded", "[io][weights]") {
    // Maps, norms, the embedding; rows of one matrix and transposed ones; the first and the last element.
    struct {
        std::string base, name;
        std::size_t element;
        float value;
        std::string sentence;
    } const cases[] = {
        {"llama_mha", "model.layers.1.mlp.down_proj.weight", 3 * 56 + 4, not_a_number, "the element [3, 4] is nan"},
        {"llama_mha", "model.layers.0.self_attn.q_proj.weight", 0, infinity, "the element [0, 0] is inf"},
        {"llama_mha", "model.norm.weight", 31, -infinity, "the element [31] is -inf"},
        {"llama_mha", "model.embed_tokens.weight", 61 * 32 - 1, not_a_number, "the element [60, 31] is nan"},
        {"llama_mha", "lm_head.weight", 5, not_a_number, "the element [0, 5] is nan"},
        {"gpt2", "transformer.h.2.attn.c_attn.weight", 7 * 96 + 95, not_a_number, "the element [7, 95] is nan"},
        {"gpt2", "transformer.h.2.attn.c_attn.bias", 40, not_a_number, "the element [40] is nan"},
        {"gpt_neox", "gpt_neox.layers.0.attention.query_key_value.weight", 95 * 32, infinity,
         "the element [95, 0] is inf"},
        {"gpt_neox", "gpt_neox.layers.0.attention.query_key_value.bias", 1, not_a_number, "the element [1] is nan"},
    };
    for (auto const& c : cases) {
        INFO(c.base << " " << c.name);
        auto const change = [&](tensors& all) {
            REQUIRE(all.contains(c.name));
            all[c.name].set(c.element, c.value);
        };
        auto const said = c.base == "llama_mha" ? refusal<golden::llama_mha, eg::bad_file>(c.base, change)
                          : c.base == "gpt2"    ? refusal<golden::gpt2, eg::bad_file>(c.base, change)
                                                : refusal<golden::gpt_neox, eg::bad_file>(c.base, change);
        CHECK_THAT(
            said, ContainsSubstring("tensor '" + c.name + "': " + c.sentence + ", and weights must be finite numbers"));
    }
    CHECK(refusal<golden::llama_mha>("llama_mha", [](tensors&) {}).empty());
    CHECK(refusal<golden::llama_mha>("llama_mha", [](tensors& all) {
              all["model.norm.weight"].set(3, std::numeric_limits<float>::max());
              all["model.norm.weight"].set(4, std::numeric_limits<float>::denorm_min());
          }).empty());
}

TEMPLATE_TEST_CASE("elements that are not finite are found wherever they are", "[io][weights]", float, double) {
    for (std::size_t const size : {1u, 255u, 256u, 257u, 4096u, 4097u, 10000u})
        for (std::size_t const at : {std::size_t{0}, size / 2, size - 1})
            for (auto const bad : {not_a_number, infinity, -infinity}) {
                std::vector<TestType> elements(size, TestType(-0.5));
                auto stored = tensor::of(sizeof(TestType) == 4 ? "F32" : "F64", {size}, elements);
                stored.set(at, TestType(bad));
                eg::stored_tensor const t{sizeof(TestType) == 4 ? eg::dtype::f32 : eg::dtype::f64,
                                          {size},
                                          std::as_bytes(std::span(stored.bytes))};
                std::vector<float> out(size);
                CHECK_NOTHROW(eg::read_elements(t, 0, std::span(out), "t"));
                CHECK_THROWS_WITH(eg::read_elements(t, 0, std::span(out), "t", eg::element_check::finite),
                                  ContainsSubstring("the element [" + std::to_string(at) + "] is "));
                if (at > 0)
                    CHECK_NOTHROW(eg::read_elements(t, 0, std::span(out).first(at), "t", eg::element_check::finite));
            }
}

TEST_CASE("elements of 16 bits and of blocks that are not finite are found", "[io][weights]") {
    auto const refuses = [](eg::dtype type, std::string const& bytes, std::size_t size, std::size_t at) {
        eg::stored_tensor const t{type, {size}, std::as_bytes(std::span(bytes))};
        std::vector<float> out(size);
        std::vector<double> wide(size);
        CHECK_NOTHROW(eg::read_elements(t, 0, std::span(out), "t"));
        std::string const why = "the element [" + std::to_string(at) + "] is ";
        CHECK_THROWS_WITH(eg::read_elements(t, 0, std::span(out), "t", eg::element_check::finite),
                          ContainsSubstring(why));
        CHECK_THROWS_WITH(eg::read_elements(t, 0, std::span(wide), "t", eg::element_check::finite),
                          ContainsSubstring(why));
        CHECK_NOTHROW(
            eg::read_elements(t, at + 1, std::span(out).first(size - at - 1), "t", eg::element_check::finite));
    };
    struct {
        eg::dtype type;
        std::uint16_t largest, infinite, is_nan;
    } const types[] = {{eg::dtype::f16, 0x7BFF, 0x7C00, 0xFE01}, {eg::dtype::bf16, 0x7F7F, 0xFF80, 0x7FC0}};
    for (auto const& type : types)
        for (auto const bad : {type.infinite, type.is_nan})
            for (std::size_t const at : {0u, 255u, 256u, 4999u}) {
                std::vector<std::uint16_t> elements(5000, type.largest);
                elements[at] = bad;
                refuses(type.type, tensor::of("", {}, elements).bytes, 5000, at);
            }
    // The scale of the second block of Q8_0.
    std::string blocks(3 * 34, '\1');
    blocks[34] = '\0';
    blocks[35] = '\x7C';
    eg::stored_tensor const t{eg::dtype::q8_0, {96}, std::as_bytes(std::span(blocks))};
    std::vector<float> out(96);
    CHECK_THROWS_WITH(eg::read_elements(t, 0, std::span(out), "t", eg::element_check::finite),
                      ContainsSubstring("the element [32] is inf"));
}

TEST_CASE("weights that are stored as integers or F8 are refused", "[io][weights]") {
    std::string const name = "model.layers.1.self_attn.k_proj.weight";
    for (std::string const type : {"I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2"}) {
        INFO(type);
        CHECK_THAT((refusal<golden::llama_mha, eg::bad_file>("llama_mha",
                                                             [&](tensors& all) {
                                                                 all[name] = {type, {32, 32}, std::string(1024, '\1')};
                                                             })),
                   ContainsSubstring("tensor '" + name + "': it holds numbers of type " + type +
                                     ", which need a scale to be weights"));
    }
    CHECK_THAT((refusal<golden::llama_mha, eg::bad_file>("llama_mha",
                                                         [&](tensors& all) {
                                                             all["model.norm.weight"] = tensor::of(
                                                                 "I64", {32}, std::vector<std::int64_t>(32, 1));
                                                         })),
               ContainsSubstring("it holds numbers of type I64"));
    CHECK(refusal<golden::llama_mha>("llama_mha", [&](tensors& all) {
              all["model.norm.weight"] = tensor::of("F64", {32}, std::vector<double>(32, 1));
              all[name] = {"BF16", {32, 32}, std::string(2048, '\1')};
          }).empty());
}

TEST_CASE("an unembedding of its own must be the embedding where the config says so", "[io][weights]") {
    auto const tied = [](std::string const& base, auto change) {
        return base == "gpt2" ? refusal<golden::gpt2, eg::bad_model>(base, change)
                              : refusal<golden::llama_gqa, eg::bad_model>(base, change);
    };
    for (auto const& [base, embedding] : {std::pair<std::string, std::string>{"llama_gqa", "model.embed_tokens.weight"},
                                          {"gpt2", "transformer.wte.weight"}}) {
        INFO(base);
        std::string const of = embedding;
        CHECK(tied(base, [&](tensors& all) { all["lm_head.weight"] = all.at(of); }).empty());
        CHECK_THAT(tied(base,
                        [&](tensors& all) {
                            all["lm_head.weight"] = all.at(of);
                            all["lm_head.weight"].set(2 * 32 + 1, 0.5f);
                        }),
                   ContainsSubstring("the tensor lm_head.weight is 0.5 at [2, 1] where " + of + " is ") &&
                       ContainsSubstring("set that to false to use both"));
        CHECK_THAT(tied(base,
                        [&](tensors& all) {
                            all["lm_head.weight"] = {"F32", {1, 1}, std::string(4, '\0')};
                        }),
                   ContainsSubstring("has the shape 1 x 1"));
        // The same numbers in another type.
        CHECK(tied(base, [&](tensors& all) {
                  auto const& e = all.at(of);
                  std::vector<float> numbers(e.bytes.size() / 4);
                  std::memcpy(numbers.data(), e.bytes.data(), e.bytes.size());
                  all["lm_head.weight"] =
                      tensor::of("F64", e.shape, std::vector<double>(numbers.begin(), numbers.end()));
              }).empty());
    }
}

TEST_CASE("masks and frequencies in a checkpoint must agree with the config", "[io][weights]") {
    auto const mask = [](std::size_t n) {
        std::vector<float> ones(n * n);
        for (std::size_t r = 0; r < n; ++r)
            for (std::size_t c = 0; c <= r; ++c)
                ones[r * n + c] = 1;
        return tensor::of("F32", {1, 1, n, n}, ones);
    };
    std::string const at = "transformer.h.0.attn.";
    auto const gpt2 = [&](std::string const& name, tensor const& t) {
        return refusal<golden::gpt2, eg::bad_model>("gpt2", [&](tensors& all) { all[at + name] = t; });
    };
    CHECK(gpt2("bias", mask(24)).empty());
    CHECK(gpt2("masked_bias", tensor::of("F32", {}, std::vector{-1e4f})).empty());
    auto open = mask(24);
    open.set(5 * 24 + 9, 1.f);
    CHECK_THAT(gpt2("bias", open), ContainsSubstring(at + "bias is 1 at [5, 9], but only causal masks"));
    CHECK_THAT(gpt2("bias", tensor::of("F32", {24}, std::vector<float>(24))), ContainsSubstring("no causal mask's"));
    CHECK_THAT(gpt2("masked_bias", tensor::of("F32", {}, std::vector{0.f})),
               ContainsSubstring("far below every score"));

    auto const neox = [](std::string const& name, tensor const& t) {
        return refusal<golden::gpt_neox, eg::bad_model>(
            "gpt_neox", [&](tensors& all) { all["gpt_neox.layers.1.attention." + name] = t; });
    };
    CHECK(neox("bias", {"BOOL", {1, 1, 2, 2}, std::string("\1\0\1\1", 4)}).empty());
    CHECK_THAT(neox("bias", {"BOOL", {1, 1, 2, 2}, std::string("\1\1\1\1", 4)}), ContainsSubstring("at [0, 1]"));
    CHECK(neox("masked_bias", tensor::of("F32", {1}, std::vector{-infinity})).empty());

    auto frequencies = eg::rotary_frequencies(golden::gpt_neox);
    auto const as_tensor = [&] { return tensor::of("F64", {frequencies.size()}, frequencies); };
    CHECK(neox("rotary_emb.inv_freq", as_tensor()).empty());
    frequencies.back() *= 1.01;
    CHECK_THAT(neox("rotary_emb.inv_freq", as_tensor()), ContainsSubstring("but the config (rope_theta) implies"));
    frequencies.pop_back();
    CHECK_THAT(neox("rotary_emb.inv_freq", as_tensor()), ContainsSubstring("frequencies, but the config implies"));

    // Rounded to the type of the weights; and with Llama 3's scaling or without.
    auto const llama = [](std::vector<double> const& exact) {
        std::vector<std::uint16_t> rounded;
        for (double f : exact)
            rounded.push_back(static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(static_cast<float>(f)) >> 16));
        return refusal<golden::llama_gqa, eg::bad_model>("llama_gqa", [&](tensors& all) {
            all["model.layers.0.self_attn.rotary_emb.inv_freq"] = tensor::of("BF16", {rounded.size()}, rounded);
        });
    };
    auto unscaled = golden::llama_gqa;
    unscaled.rope_scaling = eg::rope_scaling::none;
    CHECK(llama(eg::rotary_frequencies(golden::llama_gqa)).empty());
    CHECK(llama(eg::rotary_frequencies(unscaled)).empty());
    unscaled.rope_theta *= 2;
    CHECK_THAT(llama(eg::rotary_frequencies(unscaled)), ContainsSubstring("inv_freq is "));
}

TEST_CASE("an adapter's numbers are floating point and finite", "[io][weights][lora]") {
    folder const f;
    std::ofstream(f.path / "adapter_config.json") << R"({"peft_type": "LORA", "r": 2, "lora_alpha": 8,
                                                         "target_modules": ["layers.0.self_attn.q_proj"]})";
    std::string const at = "base_model.model.model.layers.0.self_attn.q_proj.lora_";
    tensors const good{{at + "A.weight", tensor::of("F32", {2, 32}, std::vector<float>(64, 0.5f))},
                       {at + "B.weight", tensor::of("F32", {32, 2}, std::vector<float>(64, 0.5f))}};
    auto const said = [&](auto change) -> std::string {
        auto all = good;
        change(all);
        write_safetensors(f.path / "adapter_model.safetensors", all);
        std::string merged, apart;
        try {
            eg::load<golden::llama_mha>(data / "llama_mha", eg::lora(f.path), eg::reference{});
        } catch (eg::bad_file const& e) {
            merged = e.what();
        }
        try {
            eg::adapt(eg::load<golden::llama_mha>(data / "llama_mha", eg::reference{}), eg::lora(f.path));
        } catch (eg::bad_file const& e) {
            apart = e.what();
        }
        CHECK(merged == apart);
        return merged;
    };
    CHECK(said([](tensors&) {}).empty());
    CHECK_THAT(said([&](tensors& all) { all[at + "A.weight"].set(32 + 3, not_a_number); }),
               ContainsSubstring("lora_A.weight': the element [1, 3] is nan"));
    CHECK_THAT(said([&](tensors& all) { all[at + "B.weight"].set(5, infinity); }),
               ContainsSubstring("lora_B.weight': the element [2, 1] is inf"));
    CHECK_THAT(said([&](tensors& all) {
                   all[at + "B.weight"] = {"I8", {32, 2}, std::string(64, '\1')};
               }),
               ContainsSubstring("it holds numbers of type I8"));
}

TEST_CASE("an adapter of the head does not fit a model whose unembedding is its embedding", "[io][weights][lora]") {
    folder const f;
    std::ofstream(f.path / "adapter_config.json")
        << R"({"peft_type": "LORA", "r": 2, "lora_alpha": 8, "target_modules": ["lm_head"]})";
    write_safetensors(
        f.path / "adapter_model.safetensors",
        {{"base_model.model.lm_head.lora_A.weight", tensor::of("F32", {2, 32}, std::vector<float>(64))},
         {"base_model.model.lm_head.lora_B.weight", tensor::of("F32", {67, 2}, std::vector<float>(134))}});
    CHECK_THROWS_WITH(
        eg::load<golden::llama_gqa>(data / "llama_gqa", eg::lora(f.path)),
        ContainsSubstring("the adapter is for lm_head, but the base model has no unembedding of its own"));
}

TEST_CASE("a folder that can't be read throws no exception of another library", "[io][weights]") {
    folder const f;
    fs::create_symlink("loop", f.path / "loop");
    CHECK_THROWS_AS(eg::load<golden::llama_mha>(f.path / "loop"), eg::bad_file);
    CHECK_THROWS_AS(eg::load<golden::llama_mha>(f.path / "loop" / "inside"), eg::bad_file);
    CHECK_THROWS_AS(eg::lora(f.path / "loop"), eg::bad_file);
    CHECK_THROWS_AS(eg::read_config(f.path / "loop"), eg::bad_file);
    CHECK_THROWS_AS(eg::checkpoint(f.path / "loop"), eg::bad_file);
    CHECK_THROWS_AS(eg::hash_of_files(f.path / "loop"), eg::bad_file);
    CHECK_THROWS_AS(eg::load<golden::llama_mha>(std::string(100000, 'x')), eg::bad_file);
    CHECK_THROWS_AS(eg::load<golden::llama_mha>(std::string("a\0b", 3)), eg::bad_file);

    fs::copy(data / "llama_mha", f.path / "model", fs::copy_options::recursive);
    fs::create_symlink("tokenizer.json", f.path / "model" / "tokenizer.json");
    CHECK_THROWS_WITH(eg::load<golden::llama_mha>(f.path / "model"),
                      ContainsSubstring("tokenizer.json: the file can't be opened"));
    fs::remove(f.path / "model" / "tokenizer.json");
    for (auto const* name : {"config.json", "model.safetensors"}) {
        fs::remove(f.path / "model" / name);
        fs::create_symlink(name, f.path / "model" / name);
        CHECK_THROWS_WITH(eg::load<golden::llama_mha>(f.path / "model"),
                          ContainsSubstring(std::string(name) + ": the file can't be opened"));
        fs::remove(f.path / "model" / name);
        fs::copy(data / "llama_mha" / name, f.path / "model" / name);
    }
    std::ofstream(f.path / "adapter_config.json")
        << R"({"peft_type": "LORA", "r": 2, "lora_alpha": 8, "target_modules": ["q_proj"]})";
    fs::create_symlink("adapter_model.safetensors", f.path / "adapter_model.safetensors");
    CHECK_THROWS_WITH(eg::lora(f.path), ContainsSubstring("adapter_model.safetensors: the file can't be opened"));
}
