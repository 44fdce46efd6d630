#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <engraft/backend/backend.hpp>
#include <engraft/core/token.hpp>
#include <engraft/model/rotary.hpp>
#include <engraft/model/weights.hpp>

/// What passes over rows need for the steps of a block: angles, shapes of attention, norms.
namespace engraft::detail {

/// What backend `rotate` takes: cosines and sines of all positions before `longest`; layers with a window may have some
/// of their own.
template <description const& D, backend B>
class rotary_angles {
public:
    using T = typename B::value_type;

    rotary_angles() = default;
    explicit rotary_angles(std::size_t longest) : usual_(made(longest, false)) {
        if constexpr (D.window_rope_theta > 0)
            in_window_ = made(longest, true);
    }

    matrix<T const> of(int layer) const {
        return as_matrix(D.window_rope_theta > 0 && has_window(D, layer) ? in_window_ : usual_);
    }

private:
    using table = matrix_tensor<T, typename B::memory_type>;

    static table made(std::size_t longest, bool in_window) {
        auto const frequencies = rotary_frequencies(D, in_window);
        double const factor = rotary_factor(D, in_window);
        std::vector<T> angles;
        for (std::size_t p = 0; p < longest; ++p) {
            for (double f : frequencies)
                angles.push_back(static_cast<T>(factor * std::cos(static_cast<double>(p) * f)));
            for (double f : frequencies)
                angles.push_back(static_cast<T>(factor * std::sin(static_cast<double>(p) * f)));
        }
        return table::from_host(angles, extents<dynamic, dynamic>(longest, rotary_width(D)));
    }

    table usual_, in_window_;
};

/// The attention of a model's layers over a batch: rows with the padding token are no keys.
template <description const& D>
class attention_shapes {
public:
    attention_shapes() = default;
    /// tokens: of all rows
    explicit attention_shapes([[maybe_unused]] std::vector<token> const& tokens) {
        if constexpr (D.pad_token >= 0)
            for (std::size_t r = 0; r < tokens.size(); ++r)
                if (tokens[r] == D.pad_token)
                    hidden_.push_back(static_cast<std::uint32_t>(r));
    }

    /// Valid as long as this is.
    attention_shape of(int layer) const {
        auto shape = shape_of_attention<D>(layer);
        shape.hidden = hidden_;
        return shape;
    }

private:
    std::vector<std::uint32_t> hidden_;
};

/// in, out: [rows, columns], one row behind the other, may be the same
template <description const& D, class B>
void normalize(B const& b, matrix<typename B::value_type> out, matrix<typename B::value_type const> in,
               typename block_weights<D, B>::norm const& w) {
    if (in.rows == 0)
        return;
    if constexpr (D.norm == norm::none) {
        if (out.data != in.data)
            b.copy(out.data, in.data, in.rows * in.columns);
    } else if constexpr (D.norm == norm::rms)
        b.rms_norm(out, in, w.gain, D.norm_eps);
    else
        b.layer_norm(out, in, w.gain, w.bias, D.norm_eps);
}

/// Each head of each row by itself. x: [rows, heads, d_head]
template <description const& D, class B>
void normalize_heads(B const& b, matrix<typename B::value_type> x, std::size_t heads,
                     typename block_weights<D, B>::norm const& w) {
    matrix<typename B::value_type> const each{x.data, x.rows * heads, D.d_head, D.d_head};
    if (x.rows > 0)
        b.rms_norm(each, each, w.gain, D.norm_eps);
}

} // namespace engraft::detail
