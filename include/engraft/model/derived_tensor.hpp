#pragma once

#include <string_view>

namespace engraft {

/// A checkpoint may have tensors that follow from the description or from another tensor: what such a tensor must hold.
struct derived_tensor {
    enum class content {
        none,        ///< it does not follow from anything
        copy,        ///< what the tensor `of` holds, which is the embedding
        frequencies, ///< those of rotary embedding
        cosines,     ///< of rotary embedding, [positions, rotated elements]: of all pairs twice
        sines,       ///< the same
        causal_mask, ///< ones up to the diagonal, zeros behind it
        masked_score ///< one number, far below every score
    };

    content holds = content::none;
    std::string_view of{};
    int window = 0; ///< of a causal mask: how many of the ones up to the diagonal are there; 0 means all
};

} // namespace engraft
