#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <engraft/backend/cpu/attention.hpp>
#include <engraft/backend/cpu/kernels.hpp>
#include <engraft/backend/cpu/parallel.hpp>
#include <engraft/backend/cpu/source/attention_block.ipp>
#include <engraft/core/linkage.hpp>
#include <engraft/core/tensor.hpp>

namespace engraft::detail {

inline head_rows rows_of_head(matrix<float const> const& all, std::size_t first_row, std::size_t head,
                              std::size_t width) {
    return {all.data + first_row * all.stride + head * width, all.stride};
}

inline block_attention attention_of(attention_inputs const& of, std::size_t example, std::size_t kv) {
    auto const width = of.shape.width, begin = of.rows.begin(example);
    return {of.shape,
            {.clean = rows_of_head(of.keys, begin, kv, width), .width = width},
            {.clean = rows_of_head(of.values, begin, kv, width), .width = width},
            of.shape.hidden_of(of.rows, example),
            begin};
}

/// The lanes [first, first + 32) of the `all` lanes of an example's key/value head: row by row, each with its query
/// heads.
inline lane_block lanes_of(attention_inputs const& of, std::size_t example, std::size_t kv, std::size_t first,
                           std::size_t all) {
    auto const group = of.shape.group();
    lane_block lanes;
    for (std::size_t f = first; f < std::min(first + lane_block::most, all); ++f) {
        auto const position = f / group, head = kv * group + f % group, row = of.rows.begin(example) + position;
        lanes.add(of.queries.data + row * of.queries.stride + head * of.shape.width, row, head,
                  of.shape.first_visible(position), of.shape.end_visible(position, of.rows.length(example)) - 1);
    }
    lanes.close();
    return lanes;
}

/// From how many keys on an example is long: fewer stay in the caches by themselves.
inline constexpr std::size_t long_example = 512;

/// How many blocks of lanes take turns over the keys of an example. Each saves reading keys and values from memory once
/// more, and its scores leave less of a second-level cache to the others'.
inline std::size_t blocks_together(std::size_t keys) {
    constexpr std::size_t most_scores = 5 << 19; // bytes, of all blocks
    if (keys < long_example)
        return 1;
    return std::clamp<std::size_t>(most_scores / (keys * lane_block::most * sizeof(float)), 1,
                                   block_attention::most_blocks);
}

/// task(example, key/value head, blocks of lanes) for all of a batch, on several threads; long lines first. `together`:
/// up to how many blocks one task takes.
template <class Task>
void each_block(int threads, attention_inputs const& of, std::size_t together, Task const& task) {
    struct part {
        std::uint32_t example, kv, first, blocks;
    };
    std::vector<part> parts;
    for (std::size_t e = 0; e < of.rows.examples(); ++e) {
        auto const blocks = std::min(together, blocks_together(of.rows.length(e)));
        for (std::size_t first = 0; first < of.rows.length(e) * of.shape.group(); first += blocks * lane_block::most)
            for (std::size_t kv = 0; kv < of.shape.kv_heads; ++kv)
                parts.push_back({static_cast<std::uint32_t>(e), static_cast<std::uint32_t>(kv),
                                 static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(blocks)});
    }
    parallel_for(threads, parts.size(), [&](std::size_t i) {
        auto const& p = parts[parts.size() - 1 - i];
        auto const all = of.rows.length(p.example) * of.shape.group();
        std::array<lane_block, block_attention::most_blocks> blocks;
        std::size_t count = 0;
        for (std::size_t first = p.first; count < p.blocks && first < all; first += lane_block::most)
            blocks[count++] = lanes_of(of, p.example, p.kv, first, all);
        task(p.example, p.kv, std::span<lane_block const>(blocks.data(), count));
    });
}

/// [key/value heads * rows, width]: the rows of each head behind one another, so that the keys of a long example come
/// to the caches as one stream.
inline matrix_tensor<float, host_memory> heads_apart(int threads, matrix<float const> in,
                                                     attention_shape const& shape) {
    matrix_tensor<float, host_memory> out(extents<dynamic, dynamic>(shape.kv_heads * in.rows, shape.width));
    parallel_rows(threads, in.rows, shape.kv_heads * shape.width, [&](std::size_t first, std::size_t count) {
        for (std::size_t r = first; r < first + count; ++r)
            for (std::size_t h = 0; h < shape.kv_heads; ++h)
                std::copy_n(in.data + r * in.stride + h * shape.width, shape.width,
                            out.data() + (h * in.rows + r) * shape.width);
    });
    return out;
}

/// As attention_of, of keys and values that heads_apart has made.
inline block_attention attention_apart(attention_inputs const& of, std::size_t example, std::size_t kv) {
    auto const width = of.shape.width, first = kv * of.keys.rows / of.shape.kv_heads + of.rows.begin(example);
    return {of.shape,
            {.clean = rows_of_head(of.keys, first, 0, width), .width = width},
            {.clean = rows_of_head(of.values, first, 0, width), .width = width},
            of.shape.hidden_of(of.rows, example),
            of.rows.begin(example)};
}

/// Each lane's sums to its row and head of `out`.
inline void put_lanes(matrix<float> out, float const* sums, lane_block const& lanes, std::size_t width,
                      std::size_t padded) {
    for (std::size_t l = 0; l < lanes.count; ++l)
        std::copy_n(sums + l * padded, width, out.data + lanes.row[l] * out.stride + lanes.head[l] * width);
}

ENGRAFT_BODY std::size_t pattern_begin(ragged const& rows, attention_shape const& shape, std::size_t example) {
    std::size_t begin = 0;
    for (std::size_t e = 0; e < example; ++e)
        begin += shape.heads * rows.length(e) * rows.length(e);
    return begin;
}

/// As `attend`, where keys may be hidden.
inline void attend_shown(int threads, matrix<float> out, attention_inputs const& of) {
    each_block(threads, of, 1, [&](std::size_t e, std::size_t kv, std::span<lane_block const> blocks) {
        auto const block = attention_of(of, e, kv);
        auto const sums = block.mix(block.pattern(blocks.front()), blocks.front(), block.values());
        put_lanes(out, sums, blocks.front(), of.shape.width, block.values().padded());
    });
}

ENGRAFT_BODY void attend(int threads, matrix<float> out, attention_inputs const& of) {
    if (!of.shape.hidden.empty())
        return attend_shown(threads, out, of);
    auto const task = [&](attention_inputs const& from, bool apart) {
        each_block(threads, from, block_attention::most_blocks,
                   [&](std::size_t e, std::size_t kv, std::span<lane_block const> blocks) {
                       auto const block = apart ? attention_apart(from, e, kv) : attention_of(from, e, kv);
                       auto const sums = block.attend(blocks);
                       auto const wide = block.values().padded();
                       for (std::size_t b = 0; b < blocks.size(); ++b)
                           put_lanes(out, sums + b * lane_block::most * wide, blocks[b], from.shape.width, wide);
                   });
    };
    std::size_t longest = 0;
    for (std::size_t e = 0; e < of.rows.examples(); ++e)
        longest = std::max(longest, of.rows.length(e));
    if (longest < long_example)
        return task(of, false);
    auto const keys = heads_apart(threads, of.keys, of.shape), values = heads_apart(threads, of.values, of.shape);
    task({of.queries, as_matrix(keys), as_matrix(values), of.shape, of.rows}, true);
}

/// Copies one lane's scores, which are stored key by key, into a line; keys that no lane of the block sees are hidden.
inline void put_line(float* line, std::size_t size, float const* scores, lane_block const& lanes, std::size_t lane) {
    constexpr float hidden = -std::numeric_limits<float>::infinity();
    auto const begin = lanes.begin(), end = lanes.end();
    std::fill(line, line + begin, hidden);
    for (std::size_t j = begin; j < end; ++j)
        line[j] = scores[j * lane_block::most + lane];
    std::fill(line + end, line + size, hidden);
}

ENGRAFT_BODY void make_scores(int threads, float* lines, attention_inputs const& of) {
    each_block(threads, of, 1, [&](std::size_t e, std::size_t kv, std::span<lane_block const> blocks) {
        auto const& lanes = blocks.front();
        auto const scores = attention_of(of, e, kv).make_scores(lanes);
        auto const n = of.rows.length(e);
        auto const first = lines + pattern_begin(of.rows, of.shape, e);
        for (std::size_t l = 0; l < lanes.count; ++l)
            put_line(first + (lanes.head[l] * n + lanes.row[l] - of.rows.begin(e)) * n, n, scores, lanes, l);
    });
}

/// sums[r] += weights[r] times rows, for `count` lines of weights; sums [count][padded width].
inline void mix_lines(float* sums, std::size_t wide, float const* weights, std::size_t stride, std::size_t count,
                      head_rows const& rows, std::size_t keys) {
    constexpr std::size_t some = 128;
    for (std::size_t j = 0; j < keys; j += some)
        multiply_tiles({.in = weights + j,
                        .in_stride = stride,
                        .in_step = 1,
                        .weights = rows.at(j),
                        .weight_step = rows.stride,
                        .panel_step = 16,
                        .depth = std::min(some, keys - j),
                        .out = sums,
                        .out_stride = wide,
                        .go_on = true},
                       count, wide);
}

ENGRAFT_BODY void mix_pattern(int threads, matrix<float> out, float const* lines, attention_inputs const& of) {
    auto const width = of.shape.width, wide = padded_width(width);
    parallel_for(threads, of.rows.examples() * of.shape.heads, [&](std::size_t i) {
        auto const e = i / of.shape.heads, head = i % of.shape.heads, n = of.rows.length(e);
        std::vector<float> copy, sums(n * wide);
        auto const rows =
            whole_panels(rows_of_head(of.values, of.rows.begin(e), head / of.shape.group(), width), n, width, copy);
        mix_lines(sums.data(), wide, lines + pattern_begin(of.rows, of.shape, e) + head * n * n, n, n, rows, n);
        for (std::size_t s = 0; s < n; ++s)
            std::copy_n(sums.data() + s * wide, width, out.data + (of.rows.begin(e) + s) * out.stride + head * width);
    });
}

ENGRAFT_BODY void softmax_lines(int threads, matrix<float> lines) {
    parallel_for(threads, (lines.rows + 15) / 16, [&](std::size_t i) {
        auto const count = std::min<std::size_t>(16, lines.rows - 16 * i);
        std::array<float const*, 16> from{};
        for (std::size_t l = 0; l < count; ++l)
            from[l] = lines.data + (16 * i + l) * lines.stride;
        auto const turned = block_memory::room(block_memory::of_this_thread().scores, lines.columns * 16);
        kernels().turn(turned, 16, from.data(), count, lines.columns);
        kernels().softmax(turned, 16, 0, lines.columns);
        for (std::size_t l = 0; l < count; ++l)
            for (std::size_t j = 0; j < lines.columns; ++j)
                lines.data[(16 * i + l) * lines.stride + j] = turned[j * 16 + l];
    });
}

ENGRAFT_BODY void softmax_pattern(int threads, float* lines, attention_shape const& shape, ragged const& rows) {
    for (std::size_t e = 0; e < rows.examples(); ++e) {
        auto const n = rows.length(e);
        softmax_lines(threads, {lines + pattern_begin(rows, shape, e), shape.heads * n, n, n});
    }
}

/// `count` lanes of a key/value head, beginning with a head of a queried row.
inline lane_block lanes_beside(beside_inputs const& of, std::size_t kv, std::size_t row, std::size_t head,
                               std::size_t count) {
    auto const& shape = of.clean.shape;
    auto const& queries = of.clean.queries;
    lane_block lanes;
    for (std::size_t f = head; f < head + count; ++f) {
        auto const& r = of.queried[row + f / shape.group()];
        auto const h = kv * shape.group() + f % shape.group();
        lanes.add(queries.data + r.query * queries.stride + h * shape.width, r.out, h, shape.first_visible(r.position),
                  shape.end_visible(r.position, of.clean.rows.length(r.example)) - 1, {r.own_first, r.own_count});
    }
    lanes.close();
    return lanes;
}

inline block_attention attention_beside(beside_inputs const& of, std::size_t example, std::size_t kv) {
    auto const width = of.clean.shape.width, begin = of.clean.rows.begin(example);
    auto const seen = [&](matrix<float const> const& clean, matrix<float const> const& own) {
        return seen_rows{.clean = rows_of_head(clean, begin, kv, width),
                         .own = rows_of_head(own, 0, kv, width),
                         .own_positions = of.own_positions.data(),
                         .width = width};
    };
    return {of.clean.shape, seen(of.clean.keys, of.own_keys), seen(of.clean.values, of.own_values),
            of.clean.shape.hidden_of(of.clean.rows, example), begin};
}

/// task(attention, lanes, number in `queried` of the first one's row, its head in the group) for blocks of rows of one
/// example each.
template <class Task>
void each_block_beside(int threads, beside_inputs const& of, Task const& task) {
    auto const& shape = of.clean.shape;
    auto const group = shape.group();
    struct part {
        std::size_t row, head, lanes; ///< of the first lane, and how many
    };
    std::vector<part> parts;
    for (std::size_t i = 0, next; i < of.queried.size(); i = next) {
        for (next = i + 1; next < of.queried.size() && of.queried[next].example == of.queried[i].example;)
            ++next;
        for (std::size_t f = 0, all = (next - i) * group; f < all; f += lane_block::most)
            parts.push_back({i + f / group, f % group, std::min(lane_block::most, all - f)});
    }
    parallel_for(threads, parts.size() * shape.kv_heads, [&](std::size_t p) {
        auto const& part = parts[p / shape.kv_heads];
        auto const kv = p % shape.kv_heads;
        task(attention_beside(of, of.queried[part.row].example, kv),
             lanes_beside(of, kv, part.row, part.head, part.lanes), part.row, part.head);
    });
}

ENGRAFT_BODY void attend_rows(int threads, matrix<float> out, beside_inputs const& of) {
    each_block_beside(threads, of,
                      [&](block_attention const& block, lane_block const& lanes, std::size_t, std::size_t) {
                          put_lanes(out, block.mix(block.pattern(lanes), lanes, block.values()), lanes,
                                    block.values().width, block.values().padded());
                      });
}

ENGRAFT_BODY void make_score_rows(int threads, matrix<float> lines, beside_inputs const& of) {
    auto const& shape = of.clean.shape;
    each_block_beside(
        threads, of, [&](block_attention const& block, lane_block const& lanes, std::size_t row, std::size_t head) {
            auto const scores = block.make_scores(lanes);
            for (std::size_t l = 0; l < lanes.count; ++l)
                put_line(lines.data + ((row + (head + l) / shape.group()) * shape.heads + lanes.head[l]) * lines.stride,
                         lines.columns, scores, lanes, l);
        });
}

ENGRAFT_BODY void mix_row_lines(int threads, matrix<float> out, matrix<float const> lines, beside_inputs const& of) {
    auto const& shape = of.clean.shape;
    auto const width = shape.width, wide = padded_width(width), group = shape.group();
    parallel_for(threads, of.queried.size() * shape.kv_heads, [&](std::size_t i) {
        auto const q = i / shape.kv_heads, kv = i % shape.kv_heads;
        auto const& r = of.queried[q];
        seen_rows const seen{.clean = rows_of_head(of.clean.values, of.clean.rows.begin(r.example), kv, width),
                             .own = rows_of_head(of.own_values, 0, kv, width),
                             .own_positions = of.own_positions.data(),
                             .width = width};
        std::vector<float> copy, sums(group * wide);
        auto const weights = lines.data + (q * shape.heads + kv * group) * lines.stride;
        seen.each_run(0, of.clean.rows.length(r.example), {r.own_first, r.own_count},
                      [&](std::size_t j, std::size_t stop, head_rows const& run, bool, std::size_t) {
                          mix_lines(sums.data(), wide, weights + j, lines.stride, group,
                                    whole_panels(run, stop - j, width, copy), stop - j);
                      });
        for (std::size_t m = 0; m < group; ++m)
            std::copy_n(sums.data() + m * wide, width, out.data + r.out * out.stride + (kv * group + m) * width);
    });
}

} // namespace engraft::detail
