#pragma once

#include <memory>
#include <utility>

#include <engraft/core/error.hpp>
#include <engraft/io/tokenizer.hpp>
#include <engraft/run/model.hpp>

namespace engraft {

/// A model and the tokenizer of its files: what `load` returns. It can be used as a `model<D, Backend>` everywhere.
template <description const& D, class Backend = default_backend>
class loaded_model : public model<D, Backend> {
public:
    /// words: nothing if the files have no tokenizer
    loaded_model(model<D, Backend> m, std::shared_ptr<engraft::tokenizer const> words)
        : model<D, Backend>(std::move(m)), tokenizer_(std::move(words)) {}

    /// The tokenizer that came with the weights. throws bad_model when none came
    engraft::tokenizer const& tokenizer() const {
        if (!tokenizer_)
            throw bad_model("this model was loaded without a tokenizer; load it from a folder that has one");
        return *tokenizer_;
    }

    /// For other models with the same words.
    std::shared_ptr<engraft::tokenizer const> const& shared_tokenizer() const { return tokenizer_; }

private:
    std::shared_ptr<engraft::tokenizer const> tokenizer_;
};

} // namespace engraft
