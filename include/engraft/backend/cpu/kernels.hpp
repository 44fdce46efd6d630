#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <engraft/backend/slice.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/core/view.hpp>
#include <engraft/model/description.hpp>

/// What the cpu backend computes, as plain functions on one thread, compiled for several instruction sets. The program
/// chooses among them when it runs, so neither the compiler nor its options change a result or, at -O2, the speed. AVX2
/// and AVX-512 give the same bits: every fused multiply-add is written out, and the order of every sum does not depend
/// on the width of registers. Portable kernels, for processors without them, may round a product before it is added.
namespace engraft::detail {

/// out[r][c] (+)= sum over i < depth of in[r][i] weights[i][c] for a few rows r and 16 columns c of each panel.
/// in[r][i] stands at in + r * in_stride + i * in_step, weights[i][c] of panel p at weights + p * panel_step +
/// i * weight_step + c, and out[r][c] at out + r * out_stride + 16 p + c. Each number is one chain of fused additions
/// over i, from the first to the last, whichever tile computes it; a tile that goes on from what another one left
/// continues the chain. So the bits of a row depend neither on the rows beside it nor on how a product is cut.
struct tile_job {
    float const* in;
    std::size_t in_stride, in_step;
    float const* weights;
    std::size_t weight_step, panel_step;
    std::size_t depth;
    float* out;
    std::size_t out_stride;
    bool go_on; ///< continues the sums in `out`, rather than beginning with 0
};

/// Tiles of one instruction set by their number of rows, from 1 on.
struct tile_set {
    static constexpr std::size_t most_rows = 12;
    static constexpr std::size_t width = 16; ///< columns of a panel
    using tile = void (*)(tile_job const&);

    std::size_t rows;                   ///< of the highest tile
    std::size_t panels;                 ///< of a wide tile
    std::array<tile, most_rows> wide;   ///< of `panels` panels
    std::array<tile, most_rows> single; ///< of one panel
};

/// The keys [first, last] that each of 16 queries sees.
struct attention_lanes {
    static constexpr std::size_t count = 16;
    std::array<std::int32_t, count> first, last;
};

/// Every function computes each row of a matrix from that row alone.
struct cpu_kernels {
    char const* name; ///< of the instruction set
    tile_set tiles;

    void (*rms_norm)(matrix<float> out, matrix<float const> in, float const* gain, double eps);
    void (*layer_norm)(matrix<float> out, matrix<float const> in, float const* gain, float const* bias, double eps);
    void (*add)(matrix<float> to, matrix<float const> from);
    void (*add_bias)(matrix<float> to, float const* bias);
    void (*add_difference)(matrix<float> to, matrix<float const> a, matrix<float const> b, std::size_t parts);
    void (*scale)(matrix<float> x, float factor);
    void (*softcap)(matrix<float> x, float cap);
    void (*rotate)(matrix<float> x, std::size_t heads, matrix<float const> angles, std::uint32_t const* positions);
    void (*activate)(matrix<float> x, mlp kind);
    void (*gated)(matrix<float> out, matrix<float const> gate, mlp kind);
    double (*log_sum_exp)(float const* row, std::size_t count);

    /// to[i][l] = from[l][i] for i < width and l < 16: rows become columns; rows from `count` on are taken as zeros.
    void (*turn)(float* to, std::size_t to_step, float const* const* from, std::size_t count, std::size_t width);
    /// Whether all numbers of some rows are finite.
    bool (*finite)(matrix<float const> rows);
    /// Scores of 16 queries as they come from a tile, scores + key * step + lane: scaled, capped, and -infinity where a
    /// lane does not see the key, for the keys [begin, end). largest[lane] rises to the largest of them.
    void (*finish_scores)(float* scores, std::size_t step, std::size_t begin, std::size_t end,
                          attention_lanes const& lanes, float scale, float cap, float* largest);
    /// The two parts of `softmax`: e^(score - largest) and, as factors, one over its sum; then the scaling, which may
    /// be done some keys at a time.
    void (*exponentials)(float* scores, std::size_t step, std::size_t begin, std::size_t end, float const* largest,
                         float* factors);
    void (*scale_lanes)(float* x, std::size_t step, std::size_t begin, std::size_t end, float const* factors);
    /// Softmax of each lane over the keys [begin, end), hidden ones included, which become 0 and change no bit. The sum
    /// is that of blocks of 64 keys at fixed positions.
    void (*softmax)(float* scores, std::size_t step, std::size_t begin, std::size_t end);

    void (*scale_slice)(float* x, std::size_t n, float factor);
    void (*add_slice)(float* to, float const* from, std::size_t n, float factor);
    void (*blend_slice)(float* to, float const* from, std::size_t n, float const* weights, bool each);
    void (*project_slice)(float* to, float const* from, std::size_t n, matrix<float const> basis);

    void (*rms_norm_back)(matrix<float> dx, matrix<float const> dy, matrix<float const> x, float const* gain,
                          double eps, bool add);
    void (*layer_norm_back)(matrix<float> dx, matrix<float const> dy, matrix<float const> x, float const* gain,
                            double eps, bool add);
    void (*rotate_back)(matrix<float> dx, std::size_t heads, matrix<float const> angles,
                        std::uint32_t const* positions);
    void (*activate_back)(matrix<float> dx, matrix<float const> x, mlp kind);
    void (*gated_back)(matrix<float> dup, matrix<float> dgate, matrix<float const> up, matrix<float const> gate,
                       mlp kind);
    void (*softcap_back)(matrix<float> dx, matrix<float const> y, float cap);
    /// dp becomes that of the scores before scale and cap: p (dp - sum of p dp) times the scale and the cap's slope,
    /// for the keys [begin, end) of 16 lanes. capped: the scores, where there is a cap.
    void (*softmax_back)(float* dp, float const* p, float const* capped, std::size_t step, std::size_t begin,
                         std::size_t end, float scale, float cap);
    void (*softmax_seed)(float* to, float const* row, std::size_t count, float log_sum, float share);
};

/// The kernels of every instruction set that this processor has, the widest last.
std::span<cpu_kernels const* const> all_kernels();

/// The kernels that the backend uses: the widest ones.
cpu_kernels const& kernels();

} // namespace engraft::detail

#ifndef ENGRAFT_COMPILED
#include <engraft/backend/cpu/source/kernels.ipp>
#endif
