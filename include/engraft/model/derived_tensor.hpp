#pragma once

#include <string_view>

namespace engraft {

/// What a tensor must hold that a checkpoint carries although it follows from the description or from another tensor.
struct derived_tensor {
    enum class content {
        none,        ///< it does not follow from anything
        copy,        ///< what the tensor `of` holds, which is the embedding
        frequencies, ///< those of rotary embedding
        causal_mask, ///< ones up to the diagonal, zeros behind it
        masked_score ///< one number, far below every score
    };

    content holds = content::none;
    std::string_view of{};
};

} // namespace engraft
