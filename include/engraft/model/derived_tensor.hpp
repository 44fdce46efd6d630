#pragma once

#include <string_view>

namespace engraft {

/// A checkpoint may have tensors that follow from the description or from another tensor: what such a tensor must hold.
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
