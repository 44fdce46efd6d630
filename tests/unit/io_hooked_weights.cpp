// A state dict of a HookedTransformer, written here, and what is read of it.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "../catch.hpp"
#include "../temporary_folder.hpp"

#include <engraft/engraft.hpp>
#include <engraft/model/rotary.hpp>

namespace {

namespace eg = engraft;
using Catch::Matchers::ContainsSubstring;

inline constexpr eg::description hooked{.name = "hooked",
                                        .family = eg::family::hooked_transformer,
                                        .layers = 2,
                                        .d_model = 6,
                                        .heads = 2,
                                        .kv_heads = 2,
                                        .d_head = 4,
                                        .d_mlp = 5,
                                        .vocab = 7,
                                        .vocab_out = 3,
                                        .norm = eg::norm::layer,
                                        .norm_gain = false,
                                        .window = 3,
                                        .window_layers = "01",
                                        .mlp = eg::mlp::relu,
                                        .qkv_bias = true,
                                        .out_bias = true,
                                        .mlp_bias = true,
                                        .unembedding_bias = true};

constexpr char const* config = R"({"model_type": "hooked_transformer", "n_layers": 2, "d_model": 6, "n_ctx": 8,
    "d_head": 4, "n_heads": 2, "d_mlp": 5, "act_fn": "relu", "d_vocab": 7, "d_vocab_out": 3,
    "normalization_type": "LNPre", "positional_embedding_type": "rotary", "use_local_attn": true, "window_size": 3,
    "attn_types": ["global", "local"]})";

struct tensor {
    std::vector<std::size_t> shape;
    std::vector<float> elements;
};

/// Every element tells its tensor and place.
std::map<std::string, tensor> state_dict() {
    std::map<std::string, tensor> all;
    auto const add = [&](std::string const& name, std::vector<std::size_t> shape) {
        std::size_t size = 1;
        for (auto n : shape)
            size *= n;
        auto& t = all[name] = {std::move(shape), std::vector<float>(size)};
        for (std::size_t i = 0; i < size; ++i)
            t.elements[i] = static_cast<float>(all.size()) + static_cast<float>(i) / 1024;
    };
    add("embed.W_E", {7, 6});
    add("unembed.W_U", {6, 3});
    add("unembed.b_U", {3});
    for (std::string const at : {"blocks.0.", "blocks.1."}) {
        for (std::string const name : {"Q", "K", "V"}) {
            add(at + "attn.W_" + name, {2, 6, 4});
            add(at + "attn.b_" + name, {2, 4});
        }
        add(at + "attn.W_O", {2, 4, 6});
        add(at + "attn.b_O", {6});
        add(at + "mlp.W_in", {6, 5});
        add(at + "mlp.b_in", {5});
        add(at + "mlp.W_out", {5, 6});
        add(at + "mlp.b_out", {6});
    }
    return all;
}

eg::loaded_model<hooked, eg::reference> load(std::map<std::string, tensor> const& all) {
    temporary_folder const folder;
    std::ofstream(folder.path / "config.json") << config;
    std::string header, bytes;
    for (auto const& [name, t] : all) {
        std::string shape;
        for (auto n : t.shape)
            shape += (shape.empty() ? "" : ",") + std::to_string(n);
        auto const size = t.elements.size() * sizeof(float);
        header += (header.empty() ? "{\"" : ",\"") + name + R"(":{"dtype":"F32","shape":[)" + shape +
                  R"(],"data_offsets":[)" + std::to_string(bytes.size()) + "," + std::to_string(bytes.size() + size) +
                  "]}";
        bytes.append(reinterpret_cast<char const*>(t.elements.data()), size);
    }
    header += "}";
    std::uint64_t const length = header.size();
    std::ofstream out(folder.path / "model.safetensors", std::ios::binary);
    out.write(reinterpret_cast<char const*>(&length), 8);
    out << header << bytes;
    out.close();
    return eg::load<hooked>(folder.path, eg::reference{});
}

std::string refusal(std::string const& name, tensor const& t) {
    auto all = state_dict();
    all[name] = t;
    try {
        load(all);
    } catch (eg::bad_model const& e) {
        return e.what();
    }
    return "";
}

} // namespace

TEST_CASE("maps of a HookedTransformer are read head by head", "[io][weights]") {
    auto const all = state_dict();
    auto const model = load(all);
    auto const& block = model.shared_weights()->blocks[1];
    bool same = true;
    auto const& q = all.at("blocks.1.attn.W_Q").elements;
    auto const& o = all.at("blocks.1.attn.W_O").elements;
    for (std::size_t h = 0; h < 2; ++h)
        for (std::size_t c = 0; c < 6; ++c)
            for (std::size_t i = 0; i < 4; ++i) {
                same = same && block.q.weight.data()[(h * 4 + i) * 6 + c] == q[(h * 6 + c) * 4 + i];
                same = same && block.o.weight.data()[c * 8 + h * 4 + i] == o[(h * 4 + i) * 6 + c];
            }
    auto const& up = all.at("blocks.1.mlp.W_in").elements;
    for (std::size_t r = 0; r < 5; ++r)
        for (std::size_t c = 0; c < 6; ++c)
            same = same && block.up.weight.data()[r * 6 + c] == up[c * 5 + r];
    CHECK(same);
    CHECK(block.v.bias.to_host()[5] == all.at("blocks.1.attn.b_V").elements[5]);
    CHECK(block.norm2.gain.to_host() == std::vector<double>(6, 1));
    CHECK(block.norm2.bias.to_host() == std::vector<double>(6, 0));
    CHECK(model.shared_weights()->unembedding.out() == 3);

    auto wrong = all;
    wrong["blocks.0.attn.W_K"].shape = {2, 4, 6};
    CHECK_THROWS_WITH(load(wrong), ContainsSubstring("W_K has the shape 2 x 4 x 6, the description implies 2 x 6 x 4"));
}

TEST_CASE("buffers of a HookedTransformer must agree with the config", "[io][weights]") {
    auto const mask = [](std::size_t window) {
        tensor t{{8, 8}, std::vector<float>(64)};
        for (std::size_t r = 0; r < 8; ++r)
            for (std::size_t c = 0; c <= r; ++c)
                t.elements[r * 8 + c] = r - c < window;
        return t;
    };
    CHECK(refusal("blocks.0.attn.mask", mask(8)).empty());
    CHECK(refusal("blocks.1.attn.mask", mask(3)).empty());
    CHECK_THAT(refusal("blocks.0.attn.mask", mask(3)), ContainsSubstring("attn.mask is 0 at [3, 0]"));
    CHECK_THAT(refusal("blocks.1.attn.mask", mask(4)), ContainsSubstring("here with a window of 3"));
    CHECK(refusal("blocks.0.attn.IGNORE", {{}, {-INFINITY}}).empty());
    CHECK_THAT(refusal("blocks.0.attn.IGNORE", {{}, {0}}), ContainsSubstring("far below every score"));

    auto const angles = [](auto const& f) {
        tensor t{{8, 4}, {}};
        auto const frequencies = eg::rotary_frequencies(hooked);
        for (std::size_t p = 0; p < 8; ++p)
            for (std::size_t i = 0; i < 4; ++i)
                t.elements.push_back(static_cast<float>(f(static_cast<double>(p) * frequencies[i % 2])));
        return t;
    };
    auto const cosine = [](double x) { return std::cos(x); };
    auto const sine = [](double x) { return std::sin(x); };
    CHECK(refusal("blocks.0.attn.rotary_cos", angles(cosine)).empty());
    CHECK(refusal("blocks.0.attn.rotary_sin", angles(sine)).empty());
    CHECK_THAT(refusal("blocks.0.attn.rotary_sin", angles(cosine)), ContainsSubstring("rotary_sin is 1 at [0, 0]"));
    CHECK_THAT(refusal("blocks.0.attn.other", {{1}, {0}}), ContainsSubstring("not part of the described model"));
}
