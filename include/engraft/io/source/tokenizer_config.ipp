#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/token.hpp>
#include <engraft/io/json.hpp>
#include <engraft/io/mapped_file.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/source/tokenizer_class.ipp>

namespace engraft {

namespace detail {

/// Makes a tokenizer.json say what `AutoTokenizer.from_pretrained(folder)` of transformers 5.24 makes of the folder.
class tokenizer_config {
public:
    tokenizer_config(std::filesystem::path const& folder, nlohmann::json& document, bool byte_level)
        : path_((folder / "tokenizer_config.json").string()), config_(read_json(path_, &keys_)), document_(document),
          byte_level_(byte_level), folder_(folder) {
        as_object(config_, "a tokenizer's configuration", path_);
    }

    void apply() {
        refuse_settings();
        class_ = find_class();
        auto const model = document_.find("model");
        if (model == document_.end() || !model->is_object())
            return; // for the reader of tokenizer.json to say
        auto const vocabulary = model->find("vocab");
        if (vocabulary == model->end() || !vocabulary->is_object())
            return;
        vocabulary_ = &*vocabulary;
        auto const stated = stated_tokens();
        if (class_ == tokenizer_class::as_it_stands)
            for (auto const& item : array_in(document_, "added_tokens"))
                keep(item, as_int(require_value(item, "id", path_), "id", path_, 0, largest_token));
        else
            rebuild(*model);
        put_all(stated);
        document_["added_tokens"] = std::move(added_);
    }

private:
    using json = nlohmann::json;
    using numbered = std::vector<std::pair<std::int64_t, json>>;

    static constexpr std::int64_t largest_token = std::numeric_limits<token>::max() - 1;
    static constexpr std::array<char const*, 7> special_names{"bos_token", "eos_token", "unk_token", "sep_token",
                                                              "pad_token", "cls_token", "mask_token"};

    void refuse_settings() const {
        for (auto const* key :
             {"split_special_tokens", "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output",
              "fix_mistral_regex"})
            if (bool_or(config_, key, path_, false))
                throw bad_file(path_, {"unsupported: ", key, "; set it to false, or use a tokenizer saved without it"});
        if (find_value(config_, "auto_map", path_))
            throw bad_file(path_,
                           "unsupported: auto_map, which names a tokenizer written in Python; save the tokenizer "
                           "as a PreTrainedTokenizerFast");
    }

    static std::string without_fast(std::string name) {
        if (name.ends_with("Fast"))
            name.resize(name.size() - 4);
        return name;
    }

    /// source  transformers 5.24, AutoTokenizer.from_pretrained
    tokenizer_class find_class() const {
        std::string type, name = string_or(config_, "tokenizer_class", path_, "");
        if (auto const beside = json_beside("config.json")) {
            auto const where = (folder_ / "config.json").string();
            type = string_or(*beside, "model_type", where, "");
            if (name.empty())
                name = string_or(*beside, "tokenizer_class", where, "");
        }
        name = without_fast(name);
        auto const of_model = class_called(classes_of_models, type);
        if (name.empty())
            return of_model.value_or(tokenizer_class::as_it_stands);
        if (of_model == tokenizer_class::as_it_stands)
            return *of_model;
        if (type == "qwen2") // whose named classes transformers takes for wrong
            return tokenizer_class::qwen2;
        auto const named = class_called(tokenizer_classes, name);
        if (!named)
            throw bad_file(path_, {"unsupported: the tokenizer_class '", printable(name),
                                   "'; read are PreTrainedTokenizerFast, GPT2Tokenizer, GPTNeoXTokenizer, "
                                   "Qwen2Tokenizer, LlamaTokenizer and GemmaTokenizer"});
        if (named == tokenizer_class::llama && byte_level_)
            return tokenizer_class::as_it_stands;
        return *named;
    }

    std::optional<json> json_beside(char const* name) const {
        if (!is_there(folder_ / name))
            return std::nullopt;
        auto const path = folder_ / name;
        auto value = read_json(path);
        as_object(value, name, path.string());
        return value;
    }

    json::array_t array_in(json const& object, char const* key) const {
        auto const* found = find_value(object, key, path_);
        return found ? as_array(*found, key, path_) : json::array_t();
    }

    /// An added token as tokenizer.json writes it; `special` overrules what the token says. One that does not say
    /// whether it is normalized is so unless it is special by itself.
    json as_added(json const& token, std::optional<bool> special = std::nullopt) const {
        json added = json::object();
        added["content"] = token.is_string() ? token : json(require_string(token, "content", path_));
        if (!token.is_string())
            for (auto const* flag : {"single_word", "lstrip", "rstrip", "normalized", "special"})
                if (auto const* value = find_value(token, flag, path_))
                    added[flag] = as_bool(*value, flag, path_);
        if (token.is_string())
            added["special"] = special.value_or(false);
        if (!added.contains("normalized"))
            added["normalized"] = !bool_or(added, "special", path_, false);
        if (special)
            added["special"] = *special;
        return added;
    }

    /// The tokens that the folder numbers, in the order of their numbers.
    numbered stated_tokens() {
        numbered found;
        if (auto const* decoder = find_value(config_, "added_tokens_decoder", path_)) {
            for (auto const& [number, item] : as_object(*decoder, "added_tokens_decoder", path_))
                found.emplace_back(number_of(number), as_added(json(as_object(item, number, path_))));
            sort(found);
            if (class_ != tokenizer_class::as_it_stands)
                require_all_stated(found);
            return found;
        }
        if (auto const names = json_beside("special_tokens_map.json"))
            for (auto const& [key, value] : names->items()) {
                if (!config_.contains(key))
                    keys_.push_back(key);
                config_[key] = value;
                if (value.is_object() && key != "extra_special_tokens")
                    config_[key]["special"] = true;
            }
        for (auto const& item : array_in(document_, "added_tokens"))
            found.emplace_back(as_int(require_value(item, "id", path_), "id", path_, 0, largest_token), as_added(item));
        add_legacy(found);
        sort(found);
        return found;
    }

    static void sort(numbered& tokens) {
        std::sort(tokens.begin(), tokens.end(), [](auto const& a, auto const& b) { return a.first < b.first; });
    }

    /// added_tokens.json, of transformers 4: numbers of texts, where tokenizer.json gives the number to no other.
    void add_legacy(numbered& found) const {
        auto const legacy = json_beside("added_tokens.json");
        if (!legacy)
            return;
        std::unordered_map<std::int64_t, bool> numbers;
        for (auto const& [id, item] : found)
            numbers[id] = true;
        for (auto const& [text, id] : legacy->items()) {
            auto const number = as_int(id, text, path_, 0, largest_token);
            if (!numbers[number])
                found.emplace_back(number, as_added(json(text), is_special_name(text)));
        }
    }

    bool is_special_name(std::string const& text) const {
        auto const is_text = [&](json const& value) { return value.is_string() && value == text; };
        auto const extra = extra_tokens();
        return std::any_of(special_names.begin(), special_names.end(),
                           [&](char const* key) {
                               auto const* value = find_value(config_, key, path_);
                               return value && is_text(*value);
                           }) ||
               std::any_of(extra.begin(), extra.end(), is_text);
    }

    std::int64_t number_of(std::string const& written) const {
        std::int64_t number = -1;
        auto const end = written.data() + written.size();
        auto const read = std::from_chars(written.data(), end, number);
        if (read.ec != std::errc() || read.ptr != end || number < 0 || number > largest_token)
            throw bad_file(path_, {"'added_tokens_decoder' must name tokens by their numbers, but has '",
                                   printable(written), "'"});
        return number;
    }

    /// A class that is rebuilt forgets what `added_tokens_decoder` leaves out.
    void require_all_stated(numbered const& stated) const {
        std::unordered_map<std::string, bool> texts;
        for (auto const& [id, item] : stated)
            texts[item["content"].get_ref<std::string const&>()] = true;
        for (auto const& item : array_in(document_, "added_tokens"))
            if (auto const& text = require_string(item, "content", path_); !texts[text])
                throw bad_file(path_, {"'added_tokens_decoder' has no token '", printable(text),
                                       "', which tokenizer.json has; add it there, or leave added_tokens_decoder out"});
    }

    void keep(json token, std::int64_t id) {
        token["id"] = id;
        largest_ = std::max(largest_, id);
        places_[require_string(token, "content", path_)] = added_.size();
        added_.push_back(std::move(token));
    }

    /// As `add_tokens` of tokenizers 0.23: a known text keeps its number, another gets the next.
    void put(json token, std::optional<std::int64_t> stated) {
        auto const text = require_string(token, "content", path_);
        if (text.empty())
            throw bad_file(path_, "an added token must not be empty");
        auto const place = places_.find(text);
        auto const id = place != places_.end() ? added_[place->second]["id"].get<std::int64_t>() : number_for(text);
        if (stated && *stated != id)
            throw bad_file(path_,
                           {"the token '", printable(text), "' has the number ", *stated, " here, but transformers ",
                            "makes it ", id, "; write that number, or save the tokenizer again"});
        if (place == places_.end())
            return keep(std::move(token), id);
        token["id"] = id;
        if (bool_or(added_[place->second], "special", path_, false)) // which a token stays
            token["special"] = true;
        added_[place->second] = std::move(token);
    }

    std::int64_t number_for(std::string const& text) const {
        if (auto const found = vocabulary_->find(text); found != vocabulary_->end())
            return as_int(*found, text, path_, 0, largest_token);
        auto const size = static_cast<std::int64_t>(vocabulary_->size());
        auto const next = std::max(largest_ + 1, size);
        if (next > largest_token)
            throw bad_file(path_, {"there is no number left for the token '", printable(text), "'"});
        return next;
    }

    json::array_t extra_tokens() const {
        for (auto const* key : {"extra_special_tokens", "additional_special_tokens"})
            if (auto const* list = find_value(config_, key, path_); list && !list->empty() && !list->is_object())
                return as_array(*list, key, path_);
        return {};
    }

    /// Tokens with a number, then special ones that are nowhere yet; of equal texts the last one's flags count.
    void put_all(numbered const& stated) {
        auto const names = named_tokens();
        std::unordered_map<std::string, bool> named;
        for (auto const& token : names)
            named[token["content"].get_ref<std::string const&>()] = true;
        for (auto const& [id, item] : stated)
            put(named.contains(item["content"].get_ref<std::string const&>()) ? as_added(item, true) : item, id);
        require_numbered(named_extras());
        auto all = names;
        for (auto const& value : extra_tokens())
            all.push_back(value.is_string() ? as_added(value, true) : as_added(value));
        auto const known = places_;
        for (auto const& token : all)
            if (!known.contains(token["content"].get_ref<std::string const&>()))
                put(token, std::nullopt);
        if (class_ == tokenizer_class::qwen2) // which adds them once more, with no flag but `special`
            for (auto const& token : all)
                put(as_added(token["content"], true), std::nullopt);
    }

    /// The special tokens that have names: those of every tokenizer, then the model's own.
    json::array_t named_tokens() const {
        json::array_t all;
        for (auto const* key : special_names)
            if (auto token = special_token(key))
                all.push_back(std::move(*token));
        for (bool const texts : {false, true})
            for (auto const& key : keys_)
                if (auto const& value = config_.at(key); key.ends_with("_token") && value.is_string() == texts &&
                                                         (texts || value.is_object()) && !is_named(key))
                    all.push_back(as_added(value, true));
        auto const extras = named_extras();
        all.insert(all.end(), extras.begin(), extras.end());
        return all;
    }

    static bool is_named(std::string_view key) {
        return std::any_of(special_names.begin(), special_names.end(), [&](char const* name) { return key == name; });
    }

    /// extra_special_tokens where it is an object of names and tokens.
    json::array_t named_extras() const {
        json::array_t all;
        if (auto const* named = find_value(config_, "extra_special_tokens", path_); named && named->is_object())
            for (auto const& [name, value] : named->items())
                all.push_back(as_added(value, true));
        return all;
    }

    /// New ones would be numbered in the order of the object, which JSON does not have.
    void require_numbered(json::array_t const& extras) const {
        auto const fresh = std::count_if(extras.begin(), extras.end(), [&](json const& token) {
            auto const& text = token["content"].get_ref<std::string const&>();
            return !places_.contains(text) && !vocabulary_->contains(text);
        });
        if (fresh > 1)
            throw bad_file(path_, "'extra_special_tokens' has several tokens without a number; number them in "
                                  "added_tokens_decoder");
    }

    std::optional<json> special_token(std::string const& key) const {
        if (auto const given = config_.find(key); given != config_.end()) {
            if (given->is_null())
                return std::nullopt;
            return as_added(*given, true);
        }
        if (auto const text = default_token(key); !text.empty())
            return as_added(json(text), true);
        auto const* padding = key == "pad_token" ? find_value(document_, "padding", path_) : nullptr;
        auto const* pad = padding ? find_value(*padding, "pad_token", path_) : nullptr;
        return pad ? std::optional(as_added(*pad, true)) : std::nullopt;
    }

    std::string default_token(std::string_view key) const {
        bool const unknown = key == "unk_token", begin = key == "bos_token", end = key == "eos_token",
                   pad = key == "pad_token";
        switch (class_) {
        case tokenizer_class::gpt2:
            return unknown || begin || end ? "<|endoftext|>" : "";
        case tokenizer_class::gpt_neox:
            return unknown || begin || end ? "<|endoftext|>" : pad ? "<|padding|>" : "";
        case tokenizer_class::qwen2:
            return unknown || end || pad ? "<|endoftext|>" : "";
        case tokenizer_class::llama:
            return unknown ? "<unk>" : begin ? "<s>" : end ? "</s>" : "";
        case tokenizer_class::gemma:
            return unknown               ? "<unk>"
                   : begin               ? "<bos>"
                   : end                 ? "<eos>"
                   : pad                 ? "<pad>"
                   : key == "mask_token" ? "<mask>"
                                         : "";
        case tokenizer_class::as_it_stands:
            break;
        }
        return "";
    }

    /// The steps of a class that has its own. source  transformers 5.24, models/*/tokenization_*.py
    void rebuild(json& model) {
        json bare = json::object();
        bare["type"] = "BPE";
        for (auto const* key : {"vocab", "merges"})
            if (auto const found = model.find(key); found != model.end())
                bare[key] = std::move(*found);
        model = std::move(bare);
        vocabulary_ = &model["vocab"];
        switch (class_) {
        case tokenizer_class::gpt_neox:
            document_.erase("post_processor"); // add_bos_token is not read where there is a tokenizer.json
            [[fallthrough]];
        case tokenizer_class::gpt2:
        case tokenizer_class::qwen2:
            return rebuild_byte_level();
        case tokenizer_class::llama:
            return rebuild_llama(model);
        case tokenizer_class::gemma:
            return rebuild_gemma(model);
        case tokenizer_class::as_it_stands:
            return;
        }
    }

    void rebuild_byte_level() {
        bool const prefix = bool_or(config_, "add_prefix_space", path_, false);
        auto bytes = step(R"({"type": "ByteLevel"})");
        bytes["add_prefix_space"] = prefix;
        document_["normalizer"] = class_ == tokenizer_class::gpt2 ? json() : step(R"({"type": "NFC"})");
        document_["decoder"] = step(R"({"type": "ByteLevel"})");
        if (class_ == tokenizer_class::qwen2) {
            bytes["use_regex"] = false;
            auto both = step(
                R"json({"type": "Sequence", "pretokenizers": [{"type": "Split", "behavior": "Isolated", "pattern": {"Regex":
                    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}}]})json");
            both["pretokenizers"].push_back(std::move(bytes));
            bytes = std::move(both);
        }
        document_["pre_tokenizer"] = std::move(bytes);
    }

    void rebuild_llama(json& model) {
        model["fuse_unk"] = model["byte_fallback"] = true;
        bool const prefix = bool_or(config_, "add_prefix_space", path_, true);
        auto space = step("{\"type\": \"Metaspace\", \"replacement\": \"\u2581\", \"split\": false}");
        space["prepend_scheme"] = !prefix ? "never" : bool_or(config_, "legacy", path_, false) ? "always" : "first";
        document_["normalizer"] = json();
        document_["pre_tokenizer"] = std::move(space);
        document_["decoder"] = sentencepiece_decoder();
        if (prefix)
            document_["decoder"]["decoders"].push_back(
                step(R"({"type": "Strip", "content": " ", "start": 1, "stop": 0})"));
    }

    void rebuild_gemma(json& model) {
        model["fuse_unk"] = model["byte_fallback"] = true;
        if (auto const unknown = special_token("unk_token"))
            model["unk_token"] = (*unknown)["content"];
        document_["normalizer"] =
            step("{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\u2581\"}");
        document_["pre_tokenizer"] =
            step(R"({"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious"})");
        document_["decoder"] = sentencepiece_decoder();
    }

    static json step(std::string_view text) { return parse_json(text, "a step"); }

    static json sentencepiece_decoder() {
        return step(
            "{\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", \"pattern\": {\"String\": \"\u2581\"}, "
            "\"content\": \" \"}, {\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}]}");
    }

    std::string path_;
    std::vector<std::string> keys_; ///< in the file's order
    json config_;
    json& document_;
    bool byte_level_; ///< tokenizer.json speaks of ByteLevel
    std::filesystem::path folder_;
    tokenizer_class class_ = tokenizer_class::as_it_stands;
    json const* vocabulary_ = nullptr;
    json::array_t added_;
    std::unordered_map<std::string, std::size_t> places_; ///< in `added_`
    std::int64_t largest_ = -1;
};

} // namespace detail

} // namespace engraft
