#pragma once

#include <cstddef>
#include <string>

#include <engraft/core/error.hpp>
#include <engraft/core/extents.hpp>
#include <engraft/model/description.hpp>
#include <engraft/model/site.hpp>

namespace engraft {

/// Heads of the site's activation: 1 where it is not divided into heads.
template <description const& D, site S>
inline constexpr int site_heads = [] {
    switch (S::kind) {
    case site_kind::query_head:
    case site_kind::pattern:
    case site_kind::head_contribution:
        return D.heads;
    case site_kind::kv_head:
        return D.kv_heads;
    case site_kind::expert_contribution:
        return D.experts_per_token;
    default:
        return 1;
    }
}();

/// Elements of one slice (one head of one row) of the site's activation; dynamic for attention patterns, whose slices
/// are as wide as their example is long.
template <description const& D, site S>
inline constexpr std::size_t site_width = [] {
    switch (S::kind) {
    case site_kind::query_head:
    case site_kind::kv_head:
        return static_cast<std::size_t>(D.d_head);
    case site_kind::pattern:
        return dynamic;
    case site_kind::neuron:
        return static_cast<std::size_t>(D.d_mlp);
    case site_kind::router:
        return static_cast<std::size_t>(D.experts);
    case site_kind::expert_weight:
        return static_cast<std::size_t>(D.experts_per_token);
    case site_kind::logits:
        return static_cast<std::size_t>(output_vocab(D));
    default:
        return static_cast<std::size_t>(D.d_model);
    }
}();

/// Whether models of this description have the site.
template <description const& D, site S>
inline constexpr bool has_site = known_sites::contains<S>&& S::exists(D);

namespace detail {
inline void require_layer_of(char const* site, int layer, int layers) {
    if (layer < 0 || layer >= layers)
        throw bad_layer({"engraft [hook_point.layer]: ", site, " of layer ", layer,
                         " was asked of a model whose layers are 0 to ", layers - 1});
}

template <description const& D, site S>
struct shape_of {
    using type = extents<dynamic, site_width<D, S>>;
};
template <description const& D, per_head_site S>
struct shape_of<D, S> {
    using type = extents<dynamic, static_cast<std::size_t>(site_heads<D, S>), site_width<D, S>>;
};
template <description const& D, per_head_site S>
    requires(S::kind == site_kind::pattern)
struct shape_of<D, S> {
    using type = extents<dynamic>;
};
} // namespace detail

/// A site of a described model at a layer. Its type fixes the shape of the activation but for the number of rows:
///
///     hook_point<llama_7b, sites::z>::shape        // extents<dynamic, 32, 128>
///     hook_point<llama_7b, sites::z>::at<31>()     // checked by the compiler [hook_point.layer]
///     hook_point<llama_7b, sites::z>(layer)        // checked when it runs, throws bad_layer
///
/// Attention patterns are ragged and therefore flat: [example][head][query position][key position].
template <description const& D, site S>
class hook_point {
    static_assert(has_site<D, S>, "engraft [site.exists]: models of this description have no such site; see the "
                                  "description's residual, position and mlp fields");

public:
    using site_type = S;
    using shape = typename detail::shape_of<D, S>::type;
    static constexpr description const& model = D;
    static constexpr int heads = site_heads<D, S>;
    static constexpr int layers = S::in_block ? D.layers : 1;

    /// throws bad_layer when the model has no such layer
    explicit hook_point(int layer) : layer_(layer) { detail::require_layer_of(S::name, layer, layers); }

    template <int Layer>
    static hook_point at() {
        static_assert(Layer >= 0 && Layer < layers,
                      "engraft [hook_point.layer]: the description has no such layer; layers count from 0");
        return hook_point(Layer);
    }

    int layer() const { return layer_; }

private:
    int layer_;
};

} // namespace engraft
