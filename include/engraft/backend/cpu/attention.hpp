#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <engraft/backend/attention_row.hpp>
#include <engraft/backend/attention_shape.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/core/ragged.hpp>
#include <engraft/core/view.hpp>

/// Attention of the cpu backend, at any length. One query head of one row is a lane. A block is 32 lanes that read the
/// same key/value head of one example; its scores are stored key by key, [keys][32]. Tiles compute the scores, softmax
/// runs over the keys for 16 lanes at once, and tiles compute z. So each number of a lane is one chain of additions
/// over the keys that it sees, in the order of their positions, wherever the keys are stored and whichever lanes are in
/// the block. The memory of a block grows with the length, not with its square. In a long example, up to four blocks
/// take turns over the keys, which are copied first so that those of one head stand together.
namespace engraft::detail {

/// Queries, keys and values of whole examples: what `attention`, `scores` and `mix` of the concept `backend` take.
struct attention_inputs {
    matrix<float const> queries, keys, values;
    attention_shape const& shape;
    ragged const& rows;
};

/// Single rows beside a clean run: what `attention_rows`, `score_rows` and `mix_rows` take. `keys` and `values` are the
/// clean run's.
struct beside_inputs {
    attention_inputs clean;
    std::span<attention_row const> queried;
    matrix<float const> own_keys, own_values;
    std::span<std::uint32_t const> own_positions;
};

void attend(int threads, matrix<float> out, attention_inputs const& of);
void attend_rows(int threads, matrix<float> out, beside_inputs const& of);

/// Flat patterns, [example][head][query position][key position].
void make_scores(int threads, float* lines, attention_inputs const& of);
void mix_pattern(int threads, matrix<float> out, float const* lines, attention_inputs const& of);
void softmax_pattern(int threads, float* lines, attention_shape const& shape, ragged const& rows);

/// Lines [queried * heads, columns].
void make_score_rows(int threads, matrix<float> lines, beside_inputs const& of);
void mix_row_lines(int threads, matrix<float> out, matrix<float const> lines, beside_inputs const& of);
void softmax_lines(int threads, matrix<float> lines);

/// Where an example's lines begin in a flat pattern.
std::size_t pattern_begin(ragged const& rows, attention_shape const& shape, std::size_t example);

} // namespace engraft::detail

#ifndef ENGRAFT_COMPILED
#include <engraft/backend/cpu/source/attention.ipp>
#endif
