#pragma once

#include <engraft/backend/cuda/kernels/arithmetic.hpp>
#include <engraft/backend/slice.hpp>

/// Kernels that are called once for each element of their output.
namespace engraft::kernels {

template <class T>
struct copied_elements {
    T* to;
    T const* from;

    ENGRAFT_DEVICE void operator()(std::size_t i) const { to[i] = from[i]; }
};

/// out[r] = table[index[r]]
template <class T>
struct gathered_rows {
    matrix<T> out;
    matrix<T const> table;
    std::int32_t const* index;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        auto const [r, c] = cell_of(i, out.columns);
        at(out, r, c) = at(table, static_cast<std::size_t>(index[r]), c);
    }
};

/// out[r] = weight[index[r]], as numbers of activations
template <class Storage, class T>
struct gathered_weights {
    matrix<T> out;
    matrix<Storage const> weight;
    std::int32_t const* index;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        auto const [r, c] = cell_of(i, out.columns);
        at(out, r, c) = static_cast<T>(widened(at(weight, static_cast<std::size_t>(index[r]), c)));
    }
};

/// out[to[r]] = in[from[r]]
template <class T>
struct copied_rows {
    matrix<T> out;
    std::int32_t const* to;
    matrix<T const> in;
    std::int32_t const* from;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        auto const [r, c] = cell_of(i, in.columns);
        at(out, static_cast<std::size_t>(to[r]), c) = at(in, static_cast<std::size_t>(from[r]), c);
    }
};

/// out[r] = in[r] as it is stored for a product; rows that `in` does not have are 0.
template <class Storage, class T>
struct staged_rows {
    matrix<Storage> out;
    matrix<T const> in;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        auto const [r, c] = cell_of(i, out.columns);
        at(out, r, c) = stored<Storage>(r < in.rows ? at(in, r, c) : T(0));
    }
};

/// to[r] += from[r]
template <class T>
struct added_rows {
    matrix<T> to;
    matrix<T const> from;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        auto const [r, c] = cell_of(i, to.columns);
        at(to, r, c) += at(from, r, c);
    }
};

/// x[r] += bias
template <class T>
struct added_bias {
    matrix<T> x;
    T const* bias;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        auto const [r, c] = cell_of(i, x.columns);
        at(x, r, c) += bias[c];
    }
};

/// to[r] += sum over p of a[r, p] - b[r, p]; a difference of 0 changes no bit.
template <class T>
struct added_difference {
    matrix<T> to;
    matrix<T const> a, b;
    std::size_t parts;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        auto const [r, c] = cell_of(i, to.columns);
        T sum = at(to, r, c);
        for (std::size_t p = 0; p < parts; ++p)
            if (T const d = at(a, r, p * to.columns + c) - at(b, r, p * to.columns + c); d != T(0))
                sum += d;
        at(to, r, c) = sum;
    }
};

/// x *= factor
template <class T>
struct scaled_rows {
    matrix<T> x;
    T factor;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        auto const [r, c] = cell_of(i, x.columns);
        at(x, r, c) *= factor;
    }
};

/// x = cap tanh(x / cap)
template <class T>
struct capped_rows {
    matrix<T> x;
    T cap;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        auto const [r, c] = cell_of(i, x.columns);
        at(x, r, c) = capped(at(x, r, c), cap);
    }
};

/// x = f(x)
template <class T>
struct activated_rows {
    matrix<T> x;
    mlp kind;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        auto const [r, c] = cell_of(i, x.columns);
        at(x, r, c) = activation(at(x, r, c), kind);
    }
};

/// out = f(gate) * out
template <class T>
struct gated_rows {
    matrix<T> out;
    matrix<T const> gate;
    mlp kind;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        auto const [r, c] = cell_of(i, out.columns);
        at(out, r, c) *= activation(at(gate, r, c), kind);
    }
};

/// Rotary embedding of every head by its row's position; called once for each rotated pair of elements. angles
/// [longest, 2 half], cosines first; turn: 1, or -1 for their negative.
template <class T>
struct rotated_rows {
    matrix<T> x;
    std::size_t heads, width, half;
    matrix<T const> angles;
    std::uint32_t const* positions;
    T turn;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        auto const [r, pair] = cell_of(i, heads * half);
        auto const [h, j] = cell_of(pair, half);
        T const cosine = at(angles, positions[r], j), sine = turn * at(angles, positions[r], half + j);
        T& a = at(x, r, h * width + j);
        T& b = at(x, r, h * width + half + j);
        T const rotated = fused(a, cosine, -(b * sine));
        b = fused(b, cosine, a * sine);
        a = rotated;
    }
};

/// out[g] = mean over the group's part of the list `rows` of in[rows[i]]; the sum is kept in double.
template <class T>
struct mean_rows {
    matrix<T> out;
    matrix<T const> in;
    std::uint64_t const* rows;
    row_group const* groups;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        auto const [g, c] = cell_of(i, in.columns);
        auto const group = groups[g];
        double sum = 0;
        for (std::size_t k = 0; k < group.count; ++k)
            sum += static_cast<double>(at(in, rows[group.first + k], c));
        at(out, g, c) = static_cast<T>(sum / static_cast<double>(group.count));
    }
};

/// out[r] = in[r, columns[r]]
template <class T>
struct picked_elements {
    double* out;
    matrix<T const> in;
    std::int32_t const* columns;

    ENGRAFT_DEVICE void operator()(std::size_t r) const {
        out[r] = static_cast<double>(at(in, r, static_cast<std::size_t>(columns[r])));
    }
};

/// out = in W^T in tiles of 4 rows by 4 outputs, one tile for each index. Every output is one sum in the order of the
/// inputs, so that its bits depend on its row and its weights alone: slow, and the same on every device.
template <class Storage, class T>
struct plain_product {
    static constexpr std::size_t tile = 4;
    matrix<T> out;
    matrix<Storage const> in, weight;

    /// Tiles of the output.
    std::size_t count() const { return (out.rows + tile - 1) / tile * across(); }
    std::size_t across() const { return (weight.rows + tile - 1) / tile; }

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        auto const [down, right] = cell_of(i, (weight.rows + tile - 1) / tile);
        std::size_t const row = down * tile, column = right * tile;
        Storage const *x[tile], *w[tile];
        for (std::size_t k = 0; k < tile; ++k) { // beyond the edge the last one is computed again, and not kept
            x[k] = &at(in, row + k < in.rows ? row + k : in.rows - 1, 0);
            w[k] = &at(weight, column + k < weight.rows ? column + k : weight.rows - 1, 0);
        }
        T sums[tile][tile] = {};
        for (std::size_t c = 0; c < in.columns; ++c)
            for (std::size_t a = 0; a < tile; ++a)
                for (std::size_t b = 0; b < tile; ++b)
                    sums[a][b] = fused(static_cast<T>(widened(x[a][c])), static_cast<T>(widened(w[b][c])), sums[a][b]);
        for (std::size_t a = 0; a < tile && row + a < in.rows; ++a)
            for (std::size_t b = 0; b < tile && column + b < weight.rows; ++b)
                at(out, row + a, column + b) = sums[a][b];
    }
};

/// out = in W in the same tiles, every element one sum in the order of W's rows.
template <class Storage, class T>
struct plain_product_back {
    static constexpr std::size_t tile = 4;
    matrix<T> out;
    matrix<Storage const> in, weight;

    std::size_t count() const { return (out.rows + tile - 1) / tile * ((weight.columns + tile - 1) / tile); }

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        auto const [down, right] = cell_of(i, (weight.columns + tile - 1) / tile);
        std::size_t const row = down * tile, column = right * tile;
        Storage const* x[tile];
        std::size_t across[tile];
        for (std::size_t k = 0; k < tile; ++k) {
            x[k] = &at(in, row + k < in.rows ? row + k : in.rows - 1, 0);
            across[k] = column + k < weight.columns ? column + k : weight.columns - 1;
        }
        T sums[tile][tile] = {};
        for (std::size_t o = 0; o < weight.rows; ++o)
            for (std::size_t a = 0; a < tile; ++a)
                for (std::size_t b = 0; b < tile; ++b)
                    sums[a][b] = fused(static_cast<T>(widened(x[a][o])),
                                       static_cast<T>(widened(at(weight, o, across[b]))), sums[a][b]);
        for (std::size_t a = 0; a < tile && row + a < in.rows; ++a)
            for (std::size_t b = 0; b < tile && column + b < weight.columns; ++b)
                at(out, row + a, column + b) = sums[a][b];
    }
};

} // namespace engraft::kernels
