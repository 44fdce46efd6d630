#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <engraft/core/linkage.hpp>
#include <engraft/model/map_layout.hpp>
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

/// A low-rank adapter as PEFT saves it: a folder with adapter_config.json and adapter_model.safetensors. Reading it
/// refuses each setting that would change the result and is not one of these: rank, alpha, rsLoRA, patterns of rank and
/// alpha by module, the modules and layers that are adapted. `load` and `adapt` then hold it against the base model.
/// source  PEFT's LoraConfig; Hu et al. 2022; for rsLoRA's scale, Kalajdzievski 2023
/// throws  bad_file, naming the setting or tensor
class lora {
public:
    class fitted;

    explicit lora(std::filesystem::path const& folder);

    /// The adapter for a base model that stores its linear maps so; `output` is the name of its unembedding.
    /// throws bad_model, naming the module, for an adapter of another model
    fitted fit(std::vector<stored_map> const& maps, std::string_view output) const;
    template <description const& D>
    fitted fit(map_layout<D> const& base) const;

private:
    struct state; ///< settings and tensors, known to the source alone

    std::shared_ptr<state const> state_;
};

/// An adapter that was held against a base model: each of its modules is one of the model's, with its shape.
class lora::fitted {
public:
    /// What is added to the stored matrix of this name; none where the adapter has nothing for it.
    /// throws bad_file, naming the element, for a number that is not finite
    std::optional<low_rank> find(std::string_view weight) const;

private:
    friend class lora;
    struct state;

    explicit fitted(std::shared_ptr<state const> s);

    std::shared_ptr<state const> state_;
};

template <description const& D>
lora::fitted lora::fit(map_layout<D> const& base) const {
    return fit(maps_of<D>(base), base.unembedding.weight);
}

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/lora.ipp>
#endif
