#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/io/json.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/text_pattern.hpp>

namespace engraft {

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

/// What adapter_config.json says.
class lora_settings {
public:
    explicit lora_settings(std::filesystem::path const& file)
        : lora_settings(file, read_json(file, nullptr, settings_size_limit)) {}

    std::string const& path() const { return config_; }

    /// The names that `target_modules` lists, if it is a list.
    std::vector<std::string> target_names() const { return targets_ ? targets_->names() : std::vector<std::string>(); }

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

    std::int64_t rank_of(std::string_view module) const { return ranks_.of(module, rank_); }

    /// What multiplies B A.
    double scale_of(std::string_view module) const {
        auto const rank = static_cast<double>(rank_of(module));
        return alphas_.of(module, alpha_) / (rank_stabilized_ ? std::sqrt(rank) : rank);
    }

private:
    lora_settings(std::filesystem::path const& file, nlohmann::json const& config)
        : config_(file.string()),
          ranks_(config, "rank_pattern", config_, [&](auto const& number) { return as_rank(number); }),
          alphas_(config, "alpha_pattern", config_,
                  [&](auto const& number) { return as_number(number, "alpha_pattern", config_); }) {
        if (auto const& type = require_string(config, "peft_type", config_); type != "LORA")
            throw bad_file(config_, {"'peft_type' is ", printable(type), ", and only LORA is read"});
        refuse_unknown(config);
        if (auto const bias = string_or(config, "bias", config_, "none"); bias != "none")
            throw bad_file(config_, {"'bias' is ", printable(bias),
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
        static constexpr std::string_view passed_over[] = {"auto_mapping",      "base_model_name_or_path",
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
            if (!is_off(value) && !in(read, key) && !in(passed_over, key))
                throw bad_file(config_, {"'", printable(key), "' is ", shown(value),
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
            throw bad_file(config_, {"'init_lora_weights' is ", printable(name),
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
    module_numbers<std::int64_t> ranks_;
    module_numbers<double> alphas_;
    std::int64_t rank_ = 0;
    double alpha_ = 0;
    bool rank_stabilized_ = false;
    std::optional<module_choice> targets_; ///< none: all linear maps but the unembedding
    std::optional<module_choice> excluded_;
    std::set<std::int64_t> layers_; ///< empty: all
    std::vector<module_pattern> layer_patterns_;
};

} // namespace detail

} // namespace engraft
