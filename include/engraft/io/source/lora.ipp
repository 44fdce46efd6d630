#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/checkpoint.hpp>
#include <engraft/io/lora.hpp>
#include <engraft/io/mapped_file.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/source/lora_settings.ipp>
#include <engraft/io/stored_tensor.hpp>

namespace engraft {

namespace detail {

/// Paths begin with "transformer." or not, by which class of Hugging Face's models was adapted or saved.
inline std::string_view module_of(std::string_view name) {
    if (name.ends_with(".weight"))
        name.remove_suffix(7);
    if (name.starts_with("transformer."))
        name.remove_prefix(12);
    return name;
}

inline bool is_unembedding(std::string_view module) { return module == "lm_head" || module == "embed_out"; }

} // namespace detail

struct lora::state {
    explicit state(std::filesystem::path const& folder);

    struct pair_of_names {
        std::string down, up;
    };

    detail::lora_settings settings;
    std::shared_ptr<checkpoint const> tensors;
    std::map<std::string, pair_of_names, std::less<>> pairs; ///< by module

private:
    void add_tensor(std::string const& name);
};

struct lora::fitted::state {
    struct part {
        std::size_t out, in, rank;
        double scale;
        std::string down, up;
    };

    std::shared_ptr<checkpoint const> tensors;
    std::map<std::string, part, std::less<>> parts; ///< by module
};

ENGRAFT_BODY lora::state::state(std::filesystem::path const& folder) : settings(folder / "adapter_config.json") {
    auto const file = folder / "adapter_model.safetensors";
    if (!is_there(file))
        throw bad_file(folder.string(), "the adapter has no adapter_model.safetensors; weights in other formats "
                                        "must be converted to safetensors first");
    tensors = std::make_shared<checkpoint const>(file);
    for (auto const& name : tensors->names())
        add_tensor(name);
    for (auto const& [module, pair] : pairs)
        if (pair.down.empty() || pair.up.empty())
            throw bad_file(tensors->path(), {"the module ", detail::printable(module), " has lora_",
                                             (pair.down.empty() ? "B but not lora_A" : "A but not lora_B")});
    if (pairs.empty())
        throw bad_file(tensors->path(), "there is no lora_A and lora_B in it");
}

ENGRAFT_BODY void lora::state::add_tensor(std::string const& name) {
    constexpr std::string_view root = "base_model.model.";
    std::string_view module = name;
    if (module.ends_with(".weight"))
        module.remove_suffix(7);
    if (module.ends_with(".default"))
        module.remove_suffix(8);
    bool const down = module.ends_with(".lora_A"), up = module.ends_with(".lora_B");
    if (!module.starts_with(root) || !name.ends_with(".weight") || !(down || up))
        throw bad_file(tensors->path(), {"the tensor '", detail::printable(name),
                                         "' is not read; an adapter has base_model.model.MODULE.lora_A.weight and "
                                         ".lora_B.weight of linear maps"});
    module.remove_prefix(root.size());
    module.remove_suffix(7);
    auto& pair = pairs[std::string(detail::module_of(module))];
    auto& place = down ? pair.down : pair.up;
    if (!place.empty())
        throw bad_file(tensors->path(), {"the tensors '", detail::printable(place), "' and '", detail::printable(name),
                                         "' are the same matrix of one module"});
    place = name;
}

ENGRAFT_BODY lora::lora(std::filesystem::path const& folder) : state_(std::make_shared<state const>(folder)) {}

ENGRAFT_BODY lora::fitted::fitted(std::shared_ptr<state const> s) : state_(std::move(s)) {}

ENGRAFT_BODY std::optional<low_rank> lora::fitted::find(std::string_view weight) const {
    auto const at = state_->parts.find(detail::module_of(weight));
    if (at == state_->parts.end())
        return std::nullopt;
    auto const& from = at->second;
    auto const& tensors = *state_->tensors;
    low_rank made{from.out, from.in, from.rank, tensors.read_weight<double>(from.down),
                  tensors.read_weight<double>(from.up)};
    for (auto& x : made.up)
        x *= from.scale;
    return made;
}

ENGRAFT_BODY lora::fitted lora::fit(std::vector<stored_map> const& maps, std::string_view output) const {
    auto const& settings = state_->settings;
    auto const& tensors = *state_->tensors;
    auto const& pairs = state_->pairs;
    auto const& file = tensors.path();
    std::map<std::string_view, stored_map const*> modules; // by the path in the base model, ".weight" taken off
    std::set<std::string_view> known;
    for (auto const& map : maps) {
        modules.emplace(std::string_view(map.weight).substr(0, map.weight.size() - 7), &map);
        known.insert(detail::module_of(map.weight));
    }
    for (auto const& [module, pair] : pairs)
        if (detail::is_unembedding(module) && !detail::is_unembedding(detail::module_of(output)))
            throw bad_model({file, ": the adapter is for ", detail::printable(module),
                             ", but the base model has no unembedding of its own, it uses its embedding "
                             "(tie_word_embeddings); merge the adapter with PEFT (merge_and_unload) into a model with "
                             "tie_word_embeddings false, or train one without this module"});
        else if (!known.contains(module))
            throw bad_model({file, ": the base model has no linear map ", detail::printable(module),
                             " that could be adapted; the adapter is of another model"});
    for (auto const& name : settings.target_names())
        if (std::none_of(modules.begin(), modules.end(),
                         [&](auto const& m) { return detail::module_choice::names_module(name, m.first); }))
            throw bad_model({settings.path(), ": 'target_modules' names '", detail::printable(name),
                             "', which no linear map of the base model is called"});

    auto made = std::make_shared<fitted::state>();
    made->tensors = state_->tensors;
    for (auto const& [path, map] : modules) {
        auto const module = detail::module_of(path);
        auto const found = pairs.find(module);
        bool const is_target = settings.targeted(path, map->weight == output);
        if (found == pairs.end() && !is_target)
            continue;
        if (found == pairs.end())
            throw bad_model(
                {file, ": there is no lora_A and lora_B of ", module, ", which the adapter's config says is adapted"});
        if (!is_target)
            throw bad_model({file, ": there are lora_A and lora_B of ", module,
                             ", which the adapter's config says is not adapted"});
        auto const rank = static_cast<std::size_t>(settings.rank_of(path));
        auto const out = static_cast<std::size_t>(map->out), in = static_cast<std::size_t>(map->in);
        auto const require = [&](std::string const& name, std::vector<std::size_t> const& shape) {
            tensors.require_weight(name);
            if (tensors.shape(name) != shape)
                throw bad_model({file, ": the tensor ", detail::printable(name), " has the shape ",
                                 shape_text(tensors.shape(name)), ", but rank ", rank, " and the base model's map of ",
                                 in, " to ", out, " imply ", shape_text(shape)});
        };
        auto const& [down, up] = found->second;
        require(down, {rank, in});
        require(up, {out, rank});
        made->parts.emplace(module, fitted::state::part{out, in, rank, settings.scale_of(path), down, up});
    }
    return fitted(std::move(made));
}

} // namespace engraft
