#include <string>
#include <vector>

#include <engraft/io/lora.hpp>

#include "target.hpp"

namespace {

/// The linear maps of a base model: two layers, each with queries, an output projection and one matrix that is stored
/// transposed; and the unembedding.
std::vector<engraft::stored_map> const& maps() {
    static auto const all = [] {
        std::vector<engraft::stored_map> made;
        for (std::string const layer : {"model.layers.0.", "model.layers.1."}) {
            made.push_back({.weight = layer + "self_attn.q_proj.weight", .out = 4, .in = 3});
            made.push_back({.weight = layer + "self_attn.o_proj.weight", .out = 3, .in = 4});
            made.push_back({.weight = layer + "mlp.c_fc.weight", .out = 5, .in = 3, .transposed = true});
        }
        made.push_back({.weight = "lm_head.weight", .out = 6, .in = 3});
        return made;
    }();
    return all;
}

} // namespace

void engraft_fuzz::lora(std::string_view input) {
    auto const cut = std::min(input.find('\0'), input.size());
    auto const& files = folder::one();
    files.put("adapter_config.json", input.substr(0, cut));
    files.put("adapter_model.safetensors", input.substr(std::min(cut + 1, input.size())));
    accepted([&] {
        auto const fitted = engraft::lora(files.path()).fit(maps(), "lm_head.weight");
        for (auto const& map : maps())
            accepted([&] {
                auto const added = fitted.find(map.weight);
                if (!added)
                    return;
                require(added->out == std::size_t(map.out) && added->in == std::size_t(map.in),
                        "an adapter's part has not the shape of its map");
                std::vector<float> row(added->in);
                for (std::size_t r = 0; r < added->out; ++r)
                    added->add_row(r, row.data());
            });
    });
}
