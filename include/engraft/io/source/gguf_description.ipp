#pragma once

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>
#include <utility>

#include <engraft/core/error.hpp>
#include <engraft/io/gguf_model.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/model/rotary.hpp>

namespace engraft {

namespace detail {

/// Reads an architecture's metadata, whose keys begin with its name, and remembers which it has read: what is left over
/// might change what the model computes.
class gguf_config {
public:
    gguf_config(gguf_file const& file, description const* expected)
        : file_(file), expected_(expected), arch_(file.text("general.architecture")) {}

    description read() {
        if (auto const* kind = "general.type"; file_.text_or(kind, "model") != "model")
            unsupported(kind, "'model'");
        if (file_.whole_or("split.count", 1, 0, 65535) > 1)
            throw bad_file(file_.path(), "unsupported: this file is one part of a model; join the parts first "
                                         "(llama-gguf-split --merge)");
        auto d = read_architecture();
        d.name = short_text(std::string_view(std::filesystem::path(file_.path()).lexically_normal().stem().string()));
        require_nothing_else();
        if (auto const wrong = what_is_wrong(d); !wrong.empty())
            throw bad_file(file_.path(), wrong);
        return d;
    }

private:
    description read_architecture() {
        if (arch_ == "llama")
            return read_llama();
        if (arch_ == "qwen2" || arch_ == "qwen3")
            return read_qwen();
        if (arch_ == "gemma2")
            return read_gemma2();
        if (arch_ == "gemma3")
            return read_gemma3();
        if (arch_ == "gpt2")
            return read_gpt2();
        if (arch_ == "gptneox")
            return read_gpt_neox();
        throw bad_file(file_.path(),
                       {"unsupported: 'general.architecture' is '", printable(arch_),
                        "'; supported: 'llama', 'qwen2', 'qwen3', 'gemma2', 'gemma3', 'gpt2', 'gptneox'"});
    }

    std::string key(std::string_view name) {
        auto whole = arch_ + "." + std::string(name);
        read_.insert(whole);
        return whole;
    }
    int dimension(std::string_view name) { return static_cast<int>(file_.whole(key(name), 1, 1 << 24)); }
    int dimension_or(std::string_view name, int otherwise) {
        return static_cast<int>(file_.whole_or(key(name), otherwise, 0, 1 << 24));
    }
    double positive(std::string_view name, double const* otherwise = nullptr) {
        auto const whole = key(name);
        double const value = otherwise ? file_.number_or(whole, *otherwise) : file_.number(whole);
        if (!(value > 0))
            throw bad_file(file_.path(), {"'", whole, "' must be positive, but is ", file_.shown(whole)});
        return value;
    }
    [[noreturn]] void unsupported(std::string const& whole, std::string_view supported) const {
        throw bad_file(file_.path(),
                       {"unsupported: '", printable(whole), "' is ", file_.shown(whole), "; supported: ", supported});
    }

    bool has(std::string_view tensor) const { return file_.tensors().find(tensor) != file_.tensors().end(); }
    stored_tensor const& tensor(std::string_view name) const {
        if (auto const at = file_.tensors().find(name); at != file_.tensors().end())
            return at->second;
        throw bad_file(file_.path(), {"the tensor '", name, "' is missing"});
    }
    bool biased(std::string_view map) const { return has("blk.0." + std::string(map) + ".bias"); }
    /// What `expected` says, where it is of a family that the file can be of.
    bool expects(family f) const { return expected_ && expected_->family == f; }

    void read_sizes(description& d) {
        d.layers = dimension("block_count");
        d.d_model = dimension("embedding_length");
        d.heads = d.kv_heads = dimension("attention.head_count");
        d.d_mlp = dimension("feed_forward_length");
        key("context_length"); // of the training; rotary embedding has no end
        auto const& embedding = tensor("token_embd.weight");
        if (embedding.shape.size() != 2 || embedding.shape[0] > (1u << 24))
            throw bad_file(file_.path(), {"the tensor 'token_embd.weight' has the shape ", shape_text(embedding.shape),
                                          ", which is no table of embeddings"});
        d.vocab = static_cast<int>(embedding.shape[0]);
        if (int const said = dimension_or("vocab_size", d.vocab); said != d.vocab)
            throw bad_file(file_.path(), {"'", arch_, ".vocab_size' is ", said, ", but the table of embeddings has ",
                                          d.vocab, " rows"});
        // Old conversions of models with one matrix for both wrote it twice.
        d.tied_unembedding = true;
        if (has("output.weight")) {
            auto const& output = tensor("output.weight");
            d.tied_unembedding =
                output.dtype == embedding.dtype && output.shape == embedding.shape &&
                std::equal(output.bytes.begin(), output.bytes.end(), embedding.bytes.begin(), embedding.bytes.end());
        }
    }

    void read_heads(description& d) {
        d.kv_heads = dimension_or("attention.head_count_kv", d.heads);
        if (file_.contains(key("attention.key_length")))
            d.d_head = dimension("attention.key_length");
        else if (d.d_model % d.heads == 0)
            d.d_head = d.d_model / d.heads;
        else
            throw bad_file(file_.path(), {"'", arch_, ".attention.key_length' is missing, and the embedding_length ",
                                          d.d_model, " is not a multiple of the head_count ", d.heads});
        if (int const values = dimension_or("attention.value_length", d.d_head); values != d.d_head)
            throw bad_file(file_.path(), {"unsupported: values of ", values, " elements beside keys of ", d.d_head});
    }

    void read_rotary(description& d) {
        double const usual = 10000;
        d.rope_theta = positive("rope.freq_base", &usual);
        if (int const turned = dimension_or("rope.dimension_count", d.d_head); turned != d.d_head)
            d.d_rotary = turned;
        if (auto const type = key("rope.scaling.type"); file_.text_or(type, "none") == "linear") {
            d.rope_scaling = rope_scaling::linear;
            d.rope_factor = positive("rope.scaling.factor");
        } else if (file_.text_or(type, "none") != "none") {
            unsupported(type, "'none', 'linear'");
        }
        key("rope.scaling.original_context_length"); // nothing without a type
    }

    /// What Llama and the families after its pattern share.
    description read_llama_like(family f) {
        description d;
        d.family = f;
        read_sizes(d);
        read_heads(d);
        read_rotary(d);
        d.norm_eps = positive("attention.layer_norm_rms_epsilon");
        d.qkv_bias = biased("attn_q");
        d.out_bias = biased("attn_output");
        d.mlp_bias = biased("ffn_up");
        return d;
    }

    description read_llama() {
        auto d = read_llama_like(family::llama);
        if (d.d_rotary != 0)
            throw bad_file(file_.path(), {"unsupported: 'llama.rope.dimension_count' is ", d.d_rotary,
                                          "; supported: the whole head, ", d.d_head});
        key("tensor_data_layout"); // the order of rows that llama.cpp's own has
        d.window = dimension_or("attention.sliding_window", 0);
        if (d.window > 0 || expects(family::mistral))
            d.family = family::mistral;
        if (d.window == 0 && expects(family::mistral))
            d.window = expected_->window;
        if (has("rope_freqs.weight"))
            read_frequency_factors(d);
        return d;
    }

    /// Llama 3.1 and later: the file has what each pair's frequency is divided by, not the rule that gave it. The rule
    /// of `expected` or else that of the released models must give these numbers.
    void read_frequency_factors(description& d) {
        std::string const where = file_.path() + ": tensor 'rope_freqs.weight'";
        auto const& stored = tensor("rope_freqs.weight");
        std::vector<float> factors(stored.size());
        if (factors.size() != static_cast<std::size_t>(d.d_head) / 2)
            throw bad_file(where, {"it has ", factors.size(), " elements for heads of ", d.d_head});
        read_elements(stored, 0, std::span<float>(factors), where);
        description rule = d;
        rule.rope_scaling = rope_scaling::llama3;
        rule.rope_factor = shortest_decimal(*std::max_element(factors.begin(), factors.end()));
        rule.rope_low_freq_factor = 1;
        rule.rope_high_freq_factor = 4;
        rule.rope_original_context = 8192;
        if (expected_ && expected_->rope_scaling == rope_scaling::llama3 && agrees(*expected_, factors)) {
            rule.rope_factor = expected_->rope_factor;
            rule.rope_low_freq_factor = expected_->rope_low_freq_factor;
            rule.rope_high_freq_factor = expected_->rope_high_freq_factor;
            rule.rope_original_context = expected_->rope_original_context;
        }
        if (!agrees(rule, factors))
            throw bad_file(where, {"its factors are not those of Llama 3's rule with the factor ",
                                   number_text(rule.rope_factor),
                                   ", low_freq_factor 1, high_freq_factor 4 and an original context of 8192 tokens"});
        d = rule;
    }

    static bool agrees(description const& rule, std::vector<float> const& factors) {
        auto unscaled = rule;
        unscaled.rope_scaling = rope_scaling::none;
        auto const whole = rotary_frequencies(unscaled), scaled = rotary_frequencies(rule);
        if (whole.size() != factors.size())
            return false;
        for (std::size_t i = 0; i < factors.size(); ++i)
            if (!(std::abs(whole[i] / scaled[i] - factors[i]) <= 1e-4 * factors[i]))
                return false;
        return true;
    }

    description read_qwen() {
        auto d = read_llama_like(arch_ == "qwen2" ? family::qwen2 : family::qwen3);
        d.qk_norm = d.family == family::qwen3;
        return d;
    }

    description read_gemma2() {
        auto d = read_llama_like(family::gemma2);
        d.mlp = mlp::gated_gelu_tanh;
        d.post_norms = d.scaled_embedding = true;
        constexpr int layers_of_27b = 46;
        d.attention_scalar = expects(family::gemma2)                                 ? expected_->attention_scalar
                             : d.layers == layers_of_27b && d.d_model % d.heads == 0 ? d.d_model / d.heads
                                                                                     : d.d_head;
        double const none = 0;
        for (auto const& [name, cap] : {std::pair{"attn_logit_softcapping", &d.attention_softcap},
                                        std::pair{"final_logit_softcapping", &d.final_softcap}})
            if (file_.contains(key(name)))
                *cap = positive(name, &none);
        d.window = dimension_or("attention.sliding_window", 4096);
        d.window_layers = d.window > 0 ? "10" : "1";
        return d;
    }

    description read_gemma3() {
        auto d = read_llama_like(family::gemma3);
        d.mlp = mlp::gated_gelu_tanh;
        d.qk_norm = d.post_norms = d.scaled_embedding = true;
        constexpr int layers_of_27b = 62;
        d.attention_scalar = expects(family::gemma3)                                 ? expected_->attention_scalar
                             : d.layers == layers_of_27b && d.d_model % d.heads == 0 ? d.d_model / d.heads
                                                                                     : d.d_head;
        double const none = 0, local_theta = 10000;
        if (file_.contains(key("final_logit_softcapping")))
            d.final_softcap = positive("final_logit_softcapping", &none);
        // Every so many layers one sees everything; the conversions write this only if it is not 6.
        int const window = dimension("attention.sliding_window");
        auto const every = static_cast<std::size_t>(file_.whole_or(key("attention.sliding_window_pattern"), 6, 1, 128));
        double const window_theta = positive("rope.freq_base_swa", &local_theta);
        if (every > 1) {
            d.window = window;
            d.window_rope_theta = window_theta;
            if (every <= static_cast<std::size_t>(d.layers))
                d.window_layers = std::string_view(std::string(every - 1, '1') + '0');
        }
        return d;
    }

    description read_gpt2() {
        description d;
        d.family = family::gpt2;
        read_sizes(d);
        read_heads(d);
        d.norm = norm::layer;
        d.norm_eps = positive("attention.layer_norm_epsilon");
        d.position = position::learned;
        d.positions = dimension("context_length");
        d.mlp = expects(family::gpt2) && expected_->mlp == mlp::gelu ? mlp::gelu : mlp::gelu_tanh;
        d.qkv_bias = d.out_bias = d.mlp_bias = true;
        return d;
    }

    description read_gpt_neox() {
        description d;
        d.family = family::gpt_neox;
        read_sizes(d);
        read_heads(d);
        read_rotary(d);
        d.norm = norm::layer;
        d.norm_eps = positive("attention.layer_norm_epsilon");
        d.residual = file_.flag_or(key("use_parallel_residual"), true) ? residual::parallel : residual::sequential;
        d.mlp = expects(family::gpt_neox) && expected_->mlp == mlp::gelu_tanh ? mlp::gelu_tanh : mlp::gelu;
        d.qkv_bias = biased("attn_qkv");
        d.out_bias = biased("attn_output");
        d.mlp_bias = true;
        return d;
    }

    /// A value that switches nothing on.
    bool is_off(std::string const& name, gguf_value const& value) const {
        if (value.is_array)
            return value.count == 0;
        if (value.type == gguf_type::text)
            return file_.text(name) == "none" || file_.text(name).empty();
        return gguf_number_at(value, 0) == 0;
    }

    void require_nothing_else() const {
        if (file_.contains(arch_ + ".attention.causal") && !file_.flag(arch_ + ".attention.causal"))
            unsupported(arch_ + ".attention.causal", "true");
        for (auto const& [name, value] : file_.metadata())
            if (name.starts_with(arch_ + ".") && !read_.contains(name) && name != arch_ + ".attention.causal" &&
                !is_off(name, value))
                unsupported(name, "none, 0 or not there");
    }

    gguf_file const& file_;
    description const* expected_;
    std::string arch_;
    std::set<std::string, std::less<>> read_;
};

} // namespace detail

ENGRAFT_BODY description read_config(gguf_file const& file, description const* expected) {
    return detail::gguf_config(file, expected).read();
}

} // namespace engraft
