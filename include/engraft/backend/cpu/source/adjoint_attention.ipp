#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <engraft/backend/cpu/adjoint_attention.hpp>
#include <engraft/backend/cpu/kernels.hpp>
#include <engraft/backend/cpu/parallel.hpp>
#include <engraft/backend/cpu/source/attention.ipp>
#include <engraft/backend/cpu/source/attention_block.ipp>
#include <engraft/core/linkage.hpp>

namespace engraft::detail {

/// Pointers to each lane's elements in rows of all heads.
inline std::array<float const*, lane_block::most> elements_of(lane_block const& lanes, matrix<float const> const& all,
                                                              std::size_t width, std::size_t const* rows) {
    std::array<float const*, lane_block::most> at{};
    for (std::size_t l = 0; l < lanes.count; ++l)
        at[l] = all.data + rows[l] * all.stride + lanes.head[l] * width;
    return at;
}

/// Gradients of keys or values of one head while they are added up: rows as whole panels.
class row_sums {
public:
    row_sums(std::size_t rows, std::size_t width) : width_(width), wide_(padded_width(width)), sums_(rows * wide_) {}

    /// Row first + i gets the sum over lanes m < depth of weights[i * stride + m * step] times vectors[m].
    void add(std::size_t first, std::size_t count, float const* weights, std::size_t stride, std::size_t step,
             float const* const* vectors, std::size_t depth) {
        gathered_.assign(depth * wide_, 0.0f);
        for (std::size_t m = 0; m < depth; ++m)
            std::copy_n(vectors[m], width_, gathered_.data() + m * wide_);
        multiply_tiles({.in = weights,
                        .in_stride = stride,
                        .in_step = step,
                        .weights = gathered_.data(),
                        .weight_step = wide_,
                        .panel_step = 16,
                        .depth = depth,
                        .out = sums_.data() + first * wide_,
                        .out_stride = wide_,
                        .go_on = true},
                       count, wide_);
    }

    void add(row_sums const& other) {
        auto const count = std::min(sums_.size(), other.sums_.size());
        kernels().add({sums_.data(), 1, count, count}, {other.sums_.data(), 1, count, count});
    }

    void put(matrix<float> to, std::size_t first_row, std::size_t head) const {
        for (std::size_t r = 0; r * wide_ < sums_.size(); ++r)
            std::copy_n(sums_.data() + r * wide_, width_, to.data + (first_row + r) * to.stride + head * width_);
    }

private:
    std::size_t width_, wide_;
    std::vector<float> sums_, gathered_;
};

/// One block backwards. The gradients of keys and values go to add_keys(weights, vectors) and
/// add_values(weights, vectors), weights [key][32].
template <class AddKeys, class AddValues>
void block_back(block_attention const& block, lane_block const& lanes, matrix<float> dq, std::size_t const* dq_rows,
                matrix<float const> dz, AddKeys const& add_keys, AddValues const& add_values) {
    constexpr auto step = block_attention::step;
    auto const begin = lanes.begin(), end = lanes.end();
    auto const cap = static_cast<float>(block.shape().softcap);
    auto& memory = block.memory();
    float* capped = nullptr;
    auto const weights = block.pattern(lanes, [&](float* scores) {
        if (cap > 0) {
            capped = block_memory::room(memory.capped, end * step);
            std::copy(scores + begin * step, scores + end * step, capped + begin * step);
        }
    });
    auto const of_z = elements_of(lanes, dz, block.values().width, lanes.row.data());
    auto const slopes = block.products(memory.slopes, memory.turned_slopes, of_z.data(), lanes, block.values());
    for (std::size_t l = 0; l < lanes.count; ++l) { // keys that a lane does not see have no gradient from it
        for (std::size_t j = begin; j < lanes.first(l); ++j)
            slopes[j * step + l] = 0;
        for (std::size_t j = lanes.end(l); j < end; ++j)
            slopes[j * step + l] = 0;
    }
    block.fill_hidden(slopes, lanes, 0);
    add_values(weights, of_z.data());
    for (std::size_t g = 0; g < lanes.groups(); ++g) {
        kernels().softmax_back(slopes + 16 * g, weights + 16 * g, cap > 0 ? capped + 16 * g : nullptr, step, begin, end,
                               static_cast<float>(block.shape().scale), cap);
    }
    auto const sums = block.mix(slopes, lanes, block.keys());
    for (std::size_t l = 0; l < lanes.count; ++l)
        std::copy_n(sums + l * block.keys().padded(), block.keys().width,
                    dq.data + dq_rows[l] * dq.stride + lanes.head[l] * block.keys().width);
    add_keys(slopes, lanes.query.data());
}

/// The number of query positions that one task adds up: an example has at most about four parts, whatever the number of
/// threads.
inline std::size_t back_part(std::size_t length) {
    constexpr std::size_t least = 512;
    return std::max(least, (length / 4 + least - 1) / least * least);
}

ENGRAFT_BODY void attend_back(int threads, matrix<float> dq, matrix<float> dk, matrix<float> dv, matrix<float const> dz,
                              attention_inputs const& of) {
    auto const group = of.shape.group(), width = of.shape.width;
    struct part {
        std::size_t example, kv, begin, end; ///< of query positions
        row_sums keys, values;
    };
    std::vector<part> parts;
    for (std::size_t e = 0; e < of.rows.examples(); ++e)
        for (std::size_t kv = 0; kv < of.shape.kv_heads; ++kv)
            for (std::size_t s = 0, n = of.rows.length(e); s < n; s += back_part(n)) {
                auto const end = std::min(n, s + back_part(n));
                auto const seen = of.shape.end_visible(end - 1, n);
                parts.push_back({e, kv, s, end, row_sums(seen, width), row_sums(seen, width)});
            }
    parallel_for(threads, parts.size(), [&](std::size_t i) {
        auto& p = parts[parts.size() - 1 - i];
        auto const block = attention_of(of, p.example, p.kv);
        for (std::size_t f = p.begin * group; f < p.end * group; f += lane_block::most) {
            auto const lanes = lanes_of(of, p.example, p.kv, f, p.end * group);
            auto const begin = lanes.begin(), count = lanes.end() - begin;
            auto const add_to = [&](row_sums& sums) {
                return [&, begin, count](float const* weights, float const* const* vectors) {
                    sums.add(begin, count, weights + begin * block_attention::step, block_attention::step, 1, vectors,
                             lanes.count);
                };
            };
            block_back(block, lanes, dq, lanes.row.data(), dz, add_to(p.keys), add_to(p.values));
        }
    });
    for (std::size_t i = 0, next; i < parts.size(); i = next) {
        auto& last = parts[i];
        for (next = i + 1; next < parts.size() && parts[next].begin > 0; ++next) {
            parts[next].keys.add(parts[next - 1].keys); // the shorter one's rows into the longer
            parts[next].values.add(parts[next - 1].values);
        }
        auto const& all = parts[next - 1];
        all.keys.put(dk, of.rows.begin(last.example), last.kv);
        all.values.put(dv, of.rows.begin(last.example), last.kv);
    }
}

ENGRAFT_BODY void attend_rows_back(int threads, matrix<float> dq, matrix<float> dk, matrix<float> dv,
                                   matrix<float const> dz, beside_inputs const& of) {
    auto const& shape = of.clean.shape;
    auto const group = shape.group(), width = shape.width;
    // Whole cases of one example, enough for a block of lanes.
    std::vector<std::size_t> begins;
    for (std::size_t i = 0; i < of.queried.size(); ++i) {
        bool const new_case = i == 0 || of.queried[i].own_first != of.queried[i - 1].own_first;
        if (begins.empty() || of.queried[i].example != of.queried[begins.back()].example ||
            (new_case && (i - begins.back()) * group >= lane_block::most))
            begins.push_back(i);
    }
    begins.push_back(of.queried.size());
    parallel_for(threads, of.queried.empty() ? 0 : (begins.size() - 1) * shape.kv_heads, [&](std::size_t task) {
        auto const kv = task % shape.kv_heads, begin = begins[task / shape.kv_heads],
                   end = begins[task / shape.kv_heads + 1];
        auto const own_first = of.queried[begin].own_first,
                   own_end = of.queried[end - 1].own_first + of.queried[end - 1].own_count;
        row_sums keys(own_end - own_first, width), values(own_end - own_first, width);
        auto const block = attention_beside(of, of.queried[begin].example, kv);
        for (std::size_t f = 0, all = (end - begin) * group; f < all; f += lane_block::most) {
            auto const lanes = lanes_beside(of, kv, begin + f / group, f % group, std::min(lane_block::most, all - f));
            std::array<std::size_t, lane_block::most> query_rows{};
            for (std::size_t l = 0; l < lanes.count; ++l)
                query_rows[l] = of.queried[begin + (f + l) / group].query;
            auto const add_to = [&](row_sums& sums) {
                return [&](float const* weights, float const* const* vectors) {
                    lanes.each_case([&](std::size_t l, std::size_t next, own_range const& own) {
                        auto const last = lanes.most_of([&](std::size_t m) { return lanes.end(m); }, l, next);
                        block.keys().each_run(
                            lanes.begin(), last, own,
                            [&](std::size_t j, std::size_t stop, head_rows const&, bool is_own, std::size_t o) {
                                if (is_own)
                                    sums.add(o - own_first, stop - j, weights + j * block_attention::step + l,
                                             block_attention::step, 1, vectors + l, next - l);
                            });
                    });
                };
            };
            block_back(block, lanes, dq, query_rows.data(), dz, add_to(keys), add_to(values));
        }
        keys.put(dk, own_first, kv);
        values.put(dv, own_first, kv);
    });
}

ENGRAFT_BODY void scores_back(int threads, matrix<float> dq, matrix<float> dk, float* ds, attention_inputs const& of) {
    constexpr auto step = block_attention::step;
    auto const group = of.shape.group(), width = of.shape.width;
    auto const scale = static_cast<float>(of.shape.scale), cap = static_cast<float>(of.shape.softcap);
    parallel_for(threads, of.rows.examples() * of.shape.kv_heads, [&](std::size_t i) {
        auto const e = i / of.shape.kv_heads, kv = i % of.shape.kv_heads, n = of.rows.length(e);
        auto const first = ds + pattern_begin(of.rows, of.shape, e);
        auto const block = attention_of(of, e, kv);
        row_sums keys(n, width);
        for (std::size_t f = 0; f < n * group; f += lane_block::most) {
            auto const lanes = lanes_of(of, e, kv, f, n * group);
            auto const begin = lanes.begin(), end = lanes.end();
            auto const capped = cap > 0 ? block.make_scores(lanes) : nullptr;
            auto const slopes = block_memory::room(block.memory().slopes, end * step);
            std::fill(slopes + begin * step, slopes + end * step, 0.0f);
            for (std::size_t l = 0; l < lanes.count; ++l) {
                auto const line = first + (lanes.head[l] * n + lanes.row[l] - of.rows.begin(e)) * n;
                for (std::size_t j = lanes.first(l); j < lanes.end(l); ++j) {
                    float const share = cap > 0 ? capped[j * step + l] / cap : 0;
                    slopes[j * step + l] = line[j] * scale * std::fma(-share, share, 1.0f);
                }
            }
            block.fill_hidden(slopes, lanes, 0);
            put_lanes(dq, block.mix(slopes, lanes, block.keys()), lanes, width, block.keys().padded());
            keys.add(begin, end - begin, slopes + begin * step, step, 1, lanes.query.data(), lanes.count);
        }
        keys.put(dk, of.rows.begin(e), kv);
    });
}

ENGRAFT_BODY void softmax_pattern_back(int threads, float* dp, float const* p, attention_shape const& shape,
                                       ragged const& rows) {
    for (std::size_t e = 0; e < rows.examples(); ++e) {
        auto const n = rows.length(e), lines = shape.heads * n, first = pattern_begin(rows, shape, e);
        parallel_for(threads, (lines + 15) / 16, [&](std::size_t i) {
            auto const count = std::min<std::size_t>(16, lines - 16 * i);
            auto& memory = block_memory::of_this_thread();
            auto const turned = [&](std::vector<float>& in, float const* from) {
                std::array<float const*, 16> at{};
                for (std::size_t l = 0; l < count; ++l)
                    at[l] = from + first + (16 * i + l) * n;
                auto const to = block_memory::room(in, n * 16);
                kernels().turn(to, 16, at.data(), count, n);
                return to;
            };
            auto const slopes = turned(memory.slopes, dp);
            kernels().softmax_back(slopes, turned(memory.scores, p), nullptr, 16, 0, n, 1, 0);
            for (std::size_t l = 0; l < count; ++l)
                for (std::size_t j = 0; j < n; ++j)
                    dp[first + (16 * i + l) * n + j] = slopes[j * 16 + l];
        });
    }
}

ENGRAFT_BODY void mix_pattern_back(int threads, float* dp, matrix<float> dv, matrix<float const> dz, float const* p,
                                   attention_inputs const& of) {
    constexpr auto most = lane_block::most;
    auto const group = of.shape.group(), width = of.shape.width;
    parallel_for(threads, of.rows.examples() * of.shape.kv_heads, [&](std::size_t i) {
        auto const e = i / of.shape.kv_heads, kv = i % of.shape.kv_heads, n = of.rows.length(e);
        auto const block = attention_of(of, e, kv);
        row_sums values(n, width);
        for (std::size_t head = kv * group; head < (kv + 1) * group; ++head) {
            auto const line = pattern_begin(of.rows, of.shape, e) + head * n * n;
            for (std::size_t s = 0; s < n; s += most) {
                lane_block lanes; // which see all: a pattern that a policy wrote may have weight anywhere
                for (std::size_t r = s; r < std::min(n, s + most); ++r)
                    lanes.add(dz.data + (of.rows.begin(e) + r) * dz.stride + head * width, r, head, 0, n - 1);
                lanes.close();
                auto& memory = block.memory();
                auto const slopes =
                    block.products(memory.slopes, memory.turned_slopes, lanes.query.data(), lanes, block.values());
                for (std::size_t l = 0; l < lanes.count; ++l)
                    for (std::size_t j = 0; j < n; ++j)
                        dp[line + (s + l) * n + j] = slopes[j * most + l];
                values.add(0, n, p + line + s * n, 1, n, lanes.query.data(), lanes.count);
            }
        }
        values.put(dv, of.rows.begin(e), kv);
    });
}

} // namespace engraft::detail
