#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <engraft/io/checkpoint.hpp>
#include <engraft/io/json.hpp>
#include <engraft/io/text_pattern.hpp>
#include <engraft/model/stored_map.hpp>

namespace engraft {

/// What an adapter adds to a stored matrix W of shape [out, in]: `up` times `down`, the scale being in `up`.
struct low_rank {
    std::size_t out = 0, in = 0, rank = 0;
    std::vector<double> down; ///< A, [rank, in]
    std::vector<double> up;   ///< s B, [out, rank]

    /// to[c] += what is added to W[row, c]
    template <class T>
    void add_row(std::size_t row, T* to) const {
        std::vector<double> sums(in);
        for (std::size_t j = 0; j < rank; ++j)
            for (std::size_t c = 0; c < in; ++c)
                sums[c] += up[row * rank + j] * down[j * in + c];
        for (std::size_t c = 0; c < in; ++c)
            to[c] = static_cast<T>(static_cast<double>(to[c]) + sums[c]);
    }
};

namespace detail {

/// An expression that has to match a module's whole path, after `before`.
class module_pattern {
public:
    module_pattern(std::string const& expression, std::string const& before, std::string const& path)
        : path_(path), pattern_(compiled(expression, before, path)) {}

    bool matches(std::string_view module) const {
        try {
            return pattern_.occurs(module);
        } catch (bad_input const&) {
            throw bad_file(path_, {"a regular expression takes too long on '", printable(module), "'"});
        }
    }

private:
    static text_pattern compiled(std::string const& expression, std::string const& before, std::string const& path) {
        text_pattern::regex(expression, path); // by itself first: its parentheses must not close the group below
        return text_pattern::regex("\\A" + before + "(?:" + expression + ")\\z", path);
    }

    std::string path_;
    text_pattern pattern_;
};

/// Modules named by PEFT's rule: a text is an expression for the whole path, a list has paths or ends of paths.
class module_choice {
public:
    module_choice(nlohmann::json const& value, std::string_view key, std::string const& path) {
        if (value.is_string())
            expression_.emplace(as_string(value, key, path), "", path + ": '" + std::string(key) + "'");
        else
            for (auto const& name : as_array(value, key, path))
                names_.push_back(as_string(name, key, path));
    }

    bool is_expression() const { return expression_.has_value(); }
    std::vector<std::string> const& names() const { return names_; }

    static bool names_module(std::string const& name, std::string_view module) {
        return module == name || module.ends_with("." + name);
    }
    bool contains(std::string_view module) const {
        return expression_ ? expression_->matches(module)
                           : std::any_of(names_.begin(), names_.end(),
                                         [&](auto const& name) { return names_module(name, module); });
    }

private:
    std::optional<module_pattern> expression_;
    std::vector<std::string> names_;
};

/// A number for modules that an expression matches: PEFT's rank_pattern and alpha_pattern.
template <class Number>
class module_numbers {
public:
    template <class Read>
    module_numbers(nlohmann::json const& config, std::string_view key, std::string const& path, Read const& read)
        : where_(path + ": '" + std::string(key) + "'") {
        if (auto const* patterns = find_value(config, key, path))
            for (auto const& [expression, value] : as_object(*patterns, key, path))
                numbers_.push_back({expression, module_pattern(expression, "(?:.*\\.)?", where_), read(value)});
    }

    /// PEFT takes the first that matches, in an order that JSON does not promise: so those that match must agree.
    Number of(std::string_view module, Number otherwise) const {
        entry const* found = nullptr;
        for (auto const& e : numbers_) {
            if (!e.pattern.matches(module))
                continue;
            if (found && found->number != e.number)
                throw bad_file(where_, {"'", printable(found->expression), "' and '", printable(e.expression),
                                        "' both match the module ", printable(module),
                                        ", with different numbers; leave only one that does"});
            found = &e;
        }
        return found ? found->number : otherwise;
    }

private:
    struct entry {
        std::string expression;
        module_pattern pattern;
        Number number;
    };
    std::string where_;
    std::vector<entry> numbers_;
};

/// Paths begin with "transformer." or not, by which class of Hugging Face's models was adapted or saved.
inline std::string_view module_of(std::string_view name) {
    if (name.ends_with(".weight"))
        name.remove_suffix(7);
    if (name.starts_with("transformer."))
        name.remove_prefix(12);
    return name;
}

} // namespace detail

/// A low-rank adapter as PEFT saves it: a folder with adapter_config.json and adapter_model.safetensors. Reading it
/// refuses each setting that would change the result and is not one of these: rank, alpha, rsLoRA, patterns of rank and
/// alpha by module, the modules and layers that are adapted. `load` and `adapt` then hold it against the base model.
/// source  PEFT's LoraConfig; Hu et al. 2022; for rsLoRA's scale, Kalajdzievski 2023
/// throws  bad_file, naming the setting or tensor
class lora {
public:
    class fitted;

    explicit lora(std::filesystem::path const& folder)
        : lora(folder / "adapter_config.json", read_json(folder / "adapter_config.json")) {
        auto const file = folder / "adapter_model.safetensors";
        if (!std::filesystem::exists(file))
            throw bad_file(folder.string(), "the adapter has no adapter_model.safetensors; weights in other formats "
                                            "must be converted to safetensors first");
        tensors_ = std::make_shared<checkpoint const>(file);
        for (auto const& name : tensors_->names())
            add_tensor(name);
        for (auto const& [module, pair] : pairs_)
            if (pair.down.empty() || pair.up.empty())
                throw bad_file(tensors_->path(), {"the module ", detail::printable(module), " has lora_",
                                                  (pair.down.empty() ? "B but not lora_A" : "A but not lora_B")});
        if (pairs_.empty())
            throw bad_file(tensors_->path(), "there is no lora_A and lora_B in it");
    }

    /// The adapter for a base model that stores its linear maps so; `output` is the name of its unembedding.
    /// throws bad_model, naming the module, for an adapter of another model
    inline fitted fit(std::vector<stored_map> const& maps, std::string_view output) const;

private:
    struct pair_of_names {
        std::string down, up;
    };

    lora(std::filesystem::path const& file, nlohmann::json const& config)
        : config_(file.string()),
          ranks_(config, "rank_pattern", config_, [&](auto const& number) { return as_rank(number); }),
          alphas_(config, "alpha_pattern", config_,
                  [&](auto const& number) { return as_number(number, "alpha_pattern", config_); }) {
        if (auto const& type = require_string(config, "peft_type", config_); type != "LORA")
            throw bad_file(config_, {"'peft_type' is ", detail::printable(type), ", and only LORA is read"});
        refuse_unknown(config);
        if (auto const bias = string_or(config, "bias", config_, "none"); bias != "none")
            throw bad_file(config_, {"'bias' is ", detail::printable(bias),
                                     ", but biases that were trained are not read; only \"none\" is"});
        refuse_changed_base(config);
        rank_ = as_rank(require_value(config, "r", config_));
        alpha_ = require_number(config, "lora_alpha", config_);
        rank_stabilized_ = bool_or(config, "use_rslora", config_, false);
        bool_or(config, "fan_in_fan_out", config_, false); // the base model's layout says it, as it does in PEFT
        read_targets(config);
    }

    std::int64_t as_rank(nlohmann::json const& value) const { return as_int(value, "r", config_, 1, 1 << 20); }

    void refuse_unknown(nlohmann::json const& config) const {
        static constexpr std::string_view read[] = {"peft_type",           "r",
                                                    "lora_alpha",          "use_rslora",
                                                    "rank_pattern",        "alpha_pattern",
                                                    "target_modules",      "exclude_modules",
                                                    "layers_to_transform", "layers_pattern",
                                                    "fan_in_fan_out",      "bias",
                                                    "init_lora_weights"};
        // For training, for bookkeeping, or for ways to begin that `init_lora_weights` names.
        static constexpr std::string_view without_effect[] = {"auto_mapping",      "base_model_name_or_path",
                                                              "corda_config",      "eva_config",
                                                              "inference_mode",    "loftq_config",
                                                              "lora_dropout",      "lora_ga_config",
                                                              "megatron_core",     "peft_version",
                                                              "qalora_group_size", "revision",
                                                              "runtime_config",    "task_type"};
        auto const in = [](auto const& keys, std::string const& key) {
            return std::find(std::begin(keys), std::end(keys), key) != std::end(keys);
        };
        for (auto const& [key, value] : as_object(config, "adapter_config.json", config_)) {
            bool const off = value.is_null() || (value.is_boolean() && !value.get<bool>()) ||
                             (value.is_structured() && value.empty());
            if (!off && !in(read, key) && !in(without_effect, key))
                throw bad_file(config_, {"'", detail::printable(key), "' is ", detail::shown(value),
                                         ", a setting that is not read; merge the adapter into its base model with "
                                         "PEFT (merge_and_unload) and load the result"});
        }
    }

    /// Some ways to begin training move a part of the base weights into the adapter.
    void refuse_changed_base(nlohmann::json const& config) const {
        auto const* init = find_value(config, "init_lora_weights", config_);
        if (!init || init->is_boolean())
            return;
        auto const& name = as_string(*init, "init_lora_weights", config_);
        if (name != "gaussian" && name != "eva" && name != "orthogonal")
            throw bad_file(config_, {"'init_lora_weights' is ", detail::printable(name),
                                     ", which may change the base weights too; save the adapter with PEFT's "
                                     "path_initial_model_for_weight_conversion, which makes it an ordinary one"});
    }

    void read_targets(nlohmann::json const& config) {
        auto const& targets = require_value(config, "target_modules", config_);
        std::string lower = targets.is_string() ? targets.get_ref<std::string const&>() : std::string();
        for (char& c : lower)
            if (c >= 'A' && c <= 'Z')
                c = static_cast<char>(c - 'A' + 'a');
        if (lower != "all-linear")
            targets_.emplace(targets, "target_modules", config_);
        if (auto const* excluded = find_value(config, "exclude_modules", config_))
            excluded_.emplace(*excluded, "exclude_modules", config_);

        if (auto const* layers = find_value(config, "layers_to_transform", config_)) {
            auto const layer = [&](auto const& number) {
                return as_int(number, "layers_to_transform", config_, 0, 1 << 20);
            };
            if (layers->is_array())
                for (auto const& one : as_array(*layers, "layers_to_transform", config_))
                    layers_.insert(layer(one));
            else
                layers_.insert(layer(*layers));
        }
        if (auto const* patterns = find_value(config, "layers_pattern", config_)) {
            auto const add = [&](auto const& text) {
                auto const& expression = as_string(text, "layers_pattern", config_);
                layer_patterns_.emplace_back(expression, ".*\\.", config_ + ": 'layers_pattern'");
            };
            if (patterns->is_array())
                for (auto const& one : as_array(*patterns, "layers_pattern", config_))
                    add(one);
            else
                add(*patterns);
        }
        if (targets.is_string() && (!layers_.empty() || !layer_patterns_.empty()))
            throw bad_file(config_, "'layers_to_transform' and 'layers_pattern' need a list of 'target_modules'");
        if (layers_.empty() && !layer_patterns_.empty())
            throw bad_file(config_, "'layers_pattern' is given without 'layers_to_transform'");
    }

    void add_tensor(std::string const& name) {
        constexpr std::string_view root = "base_model.model.";
        std::string_view module = name;
        if (module.ends_with(".weight"))
            module.remove_suffix(7);
        if (module.ends_with(".default"))
            module.remove_suffix(8);
        bool const down = module.ends_with(".lora_A"), up = module.ends_with(".lora_B");
        if (!module.starts_with(root) || !name.ends_with(".weight") || !(down || up))
            throw bad_file(tensors_->path(), {"the tensor '", detail::printable(name),
                                              "' is not read; an adapter has base_model.model.MODULE.lora_A.weight and "
                                              ".lora_B.weight of linear maps"});
        module.remove_prefix(root.size());
        module.remove_suffix(7);
        auto& pair = pairs_[std::string(detail::module_of(module))];
        auto& place = down ? pair.down : pair.up;
        if (!place.empty())
            throw bad_file(tensors_->path(), {"the tensors '", detail::printable(place), "' and '",
                                              detail::printable(name), "' are the same matrix of one module"});
        place = name;
    }

    bool targeted(std::string_view module, bool output) const {
        if (excluded_ && excluded_->contains(module))
            return false;
        if (!targets_)
            return !output;
        if (!targets_->contains(module))
            return false;
        if (layers_.empty() || std::count(targets_->names().begin(), targets_->names().end(), module) > 0)
            return true;
        auto const layer = layer_of(module);
        return layer && layers_.contains(*layer);
    }

    /// The last number that is a part of the path by itself, if what stands before it is a list of layers.
    std::optional<std::int64_t> layer_of(std::string_view module) const {
        for (auto end = module.rfind('.'); end != module.npos && end > 0;) {
            auto const begin = module.rfind('.', end - 1);
            if (begin == module.npos)
                return std::nullopt;
            auto const part = module.substr(begin + 1, end - begin - 1), list = module.substr(0, begin);
            bool const number = !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == part.npos;
            bool const named = layer_patterns_.empty() ? list.find('.') != list.npos
                                                       : std::any_of(layer_patterns_.begin(), layer_patterns_.end(),
                                                                     [&](auto const& p) { return p.matches(list); });
            if (number && named)
                return std::stoll(std::string(part));
            end = begin;
        }
        return std::nullopt;
    }

    std::string config_; ///< its path, for messages
    detail::module_numbers<std::int64_t> ranks_;
    detail::module_numbers<double> alphas_;
    std::int64_t rank_ = 0;
    double alpha_ = 0;
    bool rank_stabilized_ = false;
    std::optional<detail::module_choice> targets_; ///< none: all linear maps but the unembedding
    std::optional<detail::module_choice> excluded_;
    std::set<std::int64_t> layers_; ///< empty: all
    std::vector<detail::module_pattern> layer_patterns_;
    std::shared_ptr<checkpoint const> tensors_;
    std::map<std::string, pair_of_names, std::less<>> pairs_;
};

/// An adapter that was held against a base model: each of its modules is one of the model's, with its shape.
class lora::fitted {
public:
    /// What is added to the stored matrix of this name; none where the adapter has nothing for it.
    std::optional<low_rank> find(std::string_view weight) const {
        auto const at = parts_.find(detail::module_of(weight));
        if (at == parts_.end())
            return std::nullopt;
        auto const& from = at->second;
        low_rank made{from.out, from.in, from.rank, tensors_->read<double>(from.down), tensors_->read<double>(from.up)};
        for (auto& x : made.up)
            x *= from.scale;
        return made;
    }

private:
    friend class lora;
    struct part {
        std::size_t out, in, rank;
        double scale;
        std::string down, up;
    };

    std::shared_ptr<checkpoint const> tensors_;
    std::map<std::string, part, std::less<>> parts_;
};

inline lora::fitted lora::fit(std::vector<stored_map> const& maps, std::string_view output) const {
    auto const& file = tensors_->path();
    std::map<std::string_view, stored_map const*> modules; // by the path in the base model, ".weight" taken off
    std::set<std::string_view> known;
    for (auto const& map : maps) {
        modules.emplace(std::string_view(map.weight).substr(0, map.weight.size() - 7), &map);
        known.insert(detail::module_of(map.weight));
    }
    for (auto const& [module, pair] : pairs_)
        if (!known.contains(module))
            throw bad_model({file, ": the base model has no linear map ", detail::printable(module),
                             " that could be adapted; the adapter is of another model"});
    if (targets_)
        for (auto const& name : targets_->names())
            if (std::none_of(modules.begin(), modules.end(),
                             [&](auto const& m) { return detail::module_choice::names_module(name, m.first); }))
                throw bad_model({config_, ": 'target_modules' names '", detail::printable(name),
                                 "', which no linear map of the base model is called"});

    fitted made;
    made.tensors_ = tensors_;
    for (auto const& [path, map] : modules) {
        auto const module = detail::module_of(path);
        auto const found = pairs_.find(module);
        bool const is_target = targeted(path, map->weight == output);
        if (found == pairs_.end() && !is_target)
            continue;
        if (found == pairs_.end())
            throw bad_model(
                {file, ": there is no lora_A and lora_B of ", module, ", which the adapter's config says is adapted"});
        if (!is_target)
            throw bad_model({file, ": there are lora_A and lora_B of ", module,
                             ", which the adapter's config says is not adapted"});
        auto const rank = static_cast<std::size_t>(ranks_.of(path, rank_));
        auto const alpha = alphas_.of(path, alpha_);
        auto const out = static_cast<std::size_t>(map->out), in = static_cast<std::size_t>(map->in);
        auto const require = [&](std::string const& name, std::vector<std::size_t> const& shape) {
            if (tensors_->shape(name) != shape)
                throw bad_model({file, ": the tensor ", name, " has the shape ", shape_text(tensors_->shape(name)),
                                 ", but rank ", rank, " and the base model's map of ", in, " to ", out, " imply ",
                                 shape_text(shape)});
        };
        auto const& [down, up] = found->second;
        require(down, {rank, in});
        require(up, {out, rank});
        double const r = static_cast<double>(rank);
        made.parts_.emplace(module,
                            fitted::part{out, in, rank, alpha / (rank_stabilized_ ? std::sqrt(r) : r), down, up});
    }
    return made;
}

} // namespace engraft
