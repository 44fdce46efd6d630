#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <engraft/backend/attention_row.hpp>
#include <engraft/backend/attention_shape.hpp>
#include <engraft/backend/cpu/kernels.hpp>
#include <engraft/backend/cpu/source/lane_block.ipp>
#include <engraft/backend/cpu/source/tiles.ipp>

namespace engraft::detail {

/// Rows of one head, `stride` elements apart.
struct head_rows {
    float const* data = nullptr;
    std::size_t stride = 0;

    float const* at(std::size_t row) const { return data + row * stride; }
};

/// The width of rows that consist of whole panels.
inline std::size_t padded_width(std::size_t width) { return (width + 15) / 16 * 16; }

/// What a block's lanes read: rows of the example, and the cases' own rows, which replace them at their positions.
struct seen_rows {
    head_rows clean, own{};
    std::uint32_t const* own_positions = nullptr;
    std::size_t width = 0; ///< of the head

    std::size_t padded() const { return padded_width(width); }

    /// f(first position, end, rows, whether they are the case's own, number of the first row) for runs of the positions
    /// [begin, end), in order.
    template <class F>
    void each_run(std::size_t begin, std::size_t end, own_range const& rows, F const& f) const {
        std::size_t o = rows.first, const_end = rows.first + rows.count;
        while (o < const_end && own_positions[o] < begin)
            ++o;
        for (std::size_t j = begin; j < end;) {
            std::size_t const next = o < const_end ? own_positions[o] : end;
            if (j < next) {
                auto const stop = std::min(next, end);
                f(j, stop, head_rows{clean.at(j), clean.stride}, false, j);
                j = stop;
                continue;
            }
            std::size_t run = 0;
            while (o + run < const_end && j + run < end && own_positions[o + run] == j + run)
                ++run;
            f(j, j + run, head_rows{own.at(o), own.stride}, true, o);
            j += run, o += run;
        }
    }
};

/// Memory of one thread, reused by each block.
struct block_memory {
    std::vector<float> turned, scores, capped, slopes, own, sums, padded, turned_slopes;

    static block_memory& of_this_thread() {
        thread_local block_memory memory;
        return memory;
    }
    static float* room(std::vector<float>& in, std::size_t count) {
        if (in.size() < count)
            in.resize(count);
        return in.data();
    }
};

/// Rows as whole panels: themselves, or a copy with zeros behind them.
inline head_rows whole_panels(head_rows const& from, std::size_t count, std::size_t width, std::vector<float>& copy) {
    auto const wide = padded_width(width);
    if (wide == width)
        return from;
    auto const to = block_memory::room(copy, count * wide);
    for (std::size_t r = 0; r < count; ++r)
        std::fill(std::copy_n(from.at(r), width, to + r * wide), to + (r + 1) * wide, 0.0f);
    return {to, wide};
}

/// Attention of one block.
class block_attention {
public:
    static constexpr std::size_t step = lane_block::most;
    static constexpr std::size_t most_blocks = 4; ///< that `attend` takes

    /// hidden: rows of the example, which begins with row `begin`, whose keys no lane sees
    block_attention(attention_shape const& shape, seen_rows const& keys, seen_rows const& values,
                    std::span<std::uint32_t const> hidden, std::size_t begin)
        : shape_(shape), keys_(keys), values_(values), hidden_(hidden), begin_(begin),
          memory_(block_memory::of_this_thread()) {}

    /// Softmax of the lanes' scores, [key][32], for the keys that any of them sees; before: what is done to the scores.
    template <class Before>
    float* pattern(lane_block const& lanes, Before const& before) const {
        auto const scores = make_scores(lanes);
        before(scores);
        for (std::size_t g = 0; g < lanes.groups(); ++g)
            kernels().softmax(scores + 16 * g, step, lanes.begin(), lanes.end());
        return scores;
    }
    float* pattern(lane_block const& lanes) const {
        return pattern(lanes, [](float*) {});
    }

    /// Scaled, capped, and hidden where a lane does not see a key.
    float* make_scores(lane_block const& lanes) const {
        auto const scores = products(memory_.scores, memory_.turned, lanes.query.data(), lanes, keys_);
        auto largest = lowest();
        finish(scores, lanes, lanes.begin(), lanes.end(), largest.data());
        fill_hidden(scores, lanes, -std::numeric_limits<float>::infinity());
        return scores;
    }

    /// Gives all lanes a number where a key is hidden, in lines [key][32].
    void fill_hidden(float* lines, lane_block const& lanes, float number) const {
        for (auto const row : hidden_)
            if (auto const key = row - begin_; key >= lanes.begin() && key < lanes.end())
                std::fill_n(lines + key * step, step, number);
    }

    /// z of blocks of lanes that read nothing but the clean run: [block][32][padded width]. The blocks take turns over
    /// some keys at a time, which stay in a first-level cache meanwhile; so do the scores while they are finished, and
    /// while they are scaled and mixed. The bits are those of `pattern` and `mix`. No key may be hidden.
    float* attend(std::span<lane_block const> blocks) const {
        auto const wide = values_.padded(), first = blocks.front().begin(), last = blocks.back().end();
        auto const scores = block_memory::room(memory_.scores, blocks.size() * last * step);
        auto const turned = block_memory::room(memory_.turned, blocks.size() * keys_.width * step);
        auto const sums = block_memory::room(memory_.sums, blocks.size() * step * wide);
        std::fill_n(sums, blocks.size() * step * wide, 0.0f);
        std::array<lane_numbers, most_blocks> largest, factors;
        largest.fill(lowest());
        auto const each = [&](auto const& f) { // f(block, its number, the scores)
            for (std::size_t b = 0; b < blocks.size(); ++b)
                f(blocks[b], b, scores + b * last * step);
        };
        auto const each_some = [&](std::size_t some, auto const& f) { // f(block, its number, scores, keys' begin, end)
            for (std::size_t j = first; j < last; j += some)
                each([&](lane_block const& lanes, std::size_t b, float* of) {
                    auto const begin = std::max(j, lanes.begin()), end = std::min(j + some, lanes.end());
                    if (begin < end)
                        f(lanes, b, of, begin, end);
                });
        };
        each([&](lane_block const& lanes, std::size_t b, float*) {
            turn(turned + b * keys_.width * step, lanes.query.data(), lanes, keys_.width);
        });
        each_some(keys_at_once, [&](lane_block const& lanes, std::size_t b, float* of, std::size_t j, std::size_t end) {
            multiply(of + j * step, {keys_.clean.at(j), keys_.clean.stride}, end - j, turned + b * keys_.width * step,
                     keys_.width, lanes.groups());
            finish(of, lanes, j, end, largest[b].data());
        });
        each([&](lane_block const& lanes, std::size_t b, float* of) {
            for (std::size_t g = 0; g < lanes.groups(); ++g)
                kernels().exponentials(of + 16 * g, step, lanes.begin(), lanes.end(), largest[b].data() + 16 * g,
                                       factors[b].data() + 16 * g);
        });
        each_some(values_at_once,
                  [&](lane_block const& lanes, std::size_t b, float* of, std::size_t j, std::size_t end) {
                      for (std::size_t g = 0; g < lanes.groups(); ++g)
                          kernels().scale_lanes(of + 16 * g, step, j, end, factors[b].data() + 16 * g);
                      mix_some(sums + b * step * wide, of, lanes, j, end, values_);
                  });
        return sums;
    }

    /// [key][32]: the product of each lane's vector with each row that it sees. Other entries are arbitrary.
    float* products(std::vector<float>& to, std::vector<float>& turned_memory, float const* const* vectors,
                    lane_block const& lanes, seen_rows const& rows) const {
        auto const begin = lanes.begin(), end = lanes.end();
        auto const out = block_memory::room(to, end * step);
        auto const turned = block_memory::room(turned_memory, rows.width * step);
        turn(turned, vectors, lanes, rows.width);
        auto const clean_end = end_of_clean(lanes, rows, begin, end);
        if (clean_end > begin)
            multiply(out + begin * step, {rows.clean.at(begin), rows.clean.stride}, clean_end - begin, turned,
                     rows.width, lanes.groups());
        lanes.each_case([&](std::size_t l, std::size_t next, own_range const& own) {
            if (own.count == 0)
                return;
            rows.each_run(begin, lanes.most_of([&](std::size_t m) { return lanes.end(m); }, l, next), own,
                          [&](std::size_t j, std::size_t stop, head_rows const& from, bool own_run, std::size_t) {
                              if (!own_run)
                                  return;
                              auto const group = l / 16, groups = (next - 1) / 16 + 1 - group;
                              auto const lines = block_memory::room(memory_.own, (stop - j) * step);
                              multiply(lines, from, stop - j, turned + 16 * group, rows.width, groups);
                              for (std::size_t i = 0; i < stop - j; ++i)
                                  std::copy_n(lines + i * step + (l - 16 * group), next - l, out + (j + i) * step + l);
                          });
        });
        return out;
    }

    /// sums[lane] = sum over the keys that it sees of weights[key][lane] times the row, in the order of the keys;
    /// [32][padded width].
    float* mix(float const* weights, lane_block const& lanes, seen_rows const& rows) const {
        auto const wide = rows.padded();
        auto const sums = block_memory::room(memory_.sums, step * wide);
        std::fill_n(sums, lanes.count * wide, 0.0f);
        auto const begin = lanes.begin(), end = lanes.end();
        auto const shared_end = first_own(lanes, rows, begin, end);
        each_shown(begin, shared_end, [&](std::size_t shown, std::size_t shown_end) {
            for (std::size_t j = shown; j < shown_end; j += values_at_once)
                mix_some(sums, weights, lanes, j, std::min(j + values_at_once, shown_end), rows);
        });
        if (shared_end < end)
            lanes.each_case([&](std::size_t l, std::size_t next, own_range const& own) {
                auto const last = lanes.most_of([&](std::size_t m) { return lanes.end(m); }, l, next);
                rows.each_run(
                    shared_end, last, own,
                    [&](std::size_t begin_of_run, std::size_t end_of_run, head_rows const& run, bool, std::size_t) {
                        each_shown(begin_of_run, end_of_run, [&](std::size_t j, std::size_t stop) {
                            auto const from = whole_panels({run.at(j - begin_of_run), run.stride}, stop - j, rows.width,
                                                           memory_.padded);
                            each_part(next - l, kernels().tiles.rows, [&](std::size_t first, std::size_t count) {
                                mix_run(sums, weights, lanes, l + first, l + first + count, j, stop, from, wide);
                            });
                        });
                    });
            });
        return sums;
    }

    block_memory& memory() const { return memory_; }
    seen_rows const& keys() const { return keys_; }
    seen_rows const& values() const { return values_; }
    attention_shape const& shape() const { return shape_; }

private:
    /// f(first, end) for the runs of [begin, end) without a hidden key, whose row may hold anything.
    template <class F>
    void each_shown(std::size_t begin, std::size_t end, F const& f) const {
        for (auto const row : hidden_) {
            auto const key = row - begin_;
            if (key < begin)
                continue;
            if (key >= end)
                break;
            if (key > begin)
                f(begin, key);
            begin = key + 1;
        }
        if (begin < end)
            f(begin, end);
    }

    using lane_numbers = std::array<float, step>;
    /// So that their rows stay in a first-level cache while the lanes take turns.
    static constexpr std::size_t keys_at_once = 96, values_at_once = 128;

    static lane_numbers lowest() {
        lane_numbers all;
        all.fill(-std::numeric_limits<float>::infinity());
        return all;
    }

    /// [width][32]: the lanes' vectors as columns.
    static void turn(float* to, float const* const* vectors, lane_block const& lanes, std::size_t width) {
        for (std::size_t g = 0; g < lanes.groups(); ++g)
            kernels().turn(to + 16 * g, step, vectors + 16 * g, std::min<std::size_t>(16, lanes.count - 16 * g), width);
    }

    static void multiply(float* lines, head_rows const& in, std::size_t count, float const* turned, std::size_t width,
                         std::size_t groups) {
        multiply_tiles({.in = in.data,
                        .in_stride = in.stride,
                        .in_step = 1,
                        .weights = turned,
                        .weight_step = step,
                        .panel_step = 16,
                        .depth = width,
                        .out = lines,
                        .out_stride = step,
                        .go_on = false},
                       count, 16 * groups);
    }

    void finish(float* scores, lane_block const& lanes, std::size_t begin, std::size_t end, float* largest) const {
        for (std::size_t g = 0; g < lanes.groups(); ++g)
            kernels().finish_scores(scores + 16 * g, step, begin, end, lanes.sees[g], static_cast<float>(shape_.scale),
                                    static_cast<float>(shape_.softcap), largest + 16 * g);
    }

    /// sums[lane] += the sum of weights[key * 32 + lane] times the key's row.
    static void mix_tiles(float* sums, float const* weights, std::size_t lanes, std::size_t keys, head_rows const& from,
                          std::size_t wide) {
        multiply_tiles({.in = weights,
                        .in_stride = 1,
                        .in_step = step,
                        .weights = from.data,
                        .weight_step = from.stride,
                        .panel_step = 16,
                        .depth = keys,
                        .out = sums,
                        .out_stride = wide,
                        .go_on = true},
                       lanes, wide);
    }

    /// The keys [j, stop) of the clean run, for all lanes.
    void mix_some(float* sums, float const* weights, lane_block const& lanes, std::size_t j, std::size_t stop,
                  seen_rows const& rows) const {
        auto const from = whole_panels({rows.clean.at(j), rows.clean.stride}, stop - j, rows.width, memory_.padded);
        if (lanes.all_see(j, stop))
            return mix_tiles(sums, weights + j * step, lanes.count, stop - j, from, rows.padded());
        each_part(lanes.count, kernels().tiles.rows, [&](std::size_t first, std::size_t count) {
            mix_run(sums, weights, lanes, first, first + count, j, stop, from, rows.padded());
        });
    }

    /// The end of the keys that some lane reads from the clean run.
    static std::size_t end_of_clean(lane_block const& lanes, seen_rows const& rows, std::size_t begin,
                                    std::size_t end) {
        std::size_t clean_end = begin;
        lanes.each_case([&](std::size_t l, std::size_t next, own_range const& own) {
            auto last = std::min(end, lanes.most_of([&](std::size_t m) { return lanes.end(m); }, l, next));
            std::size_t o = own.count;
            while (o > 0 && rows.own_positions[own.first + o - 1] >= last)
                --o;
            for (; o > 0 && rows.own_positions[own.first + o - 1] + 1 == last; --o)
                --last;
            clean_end = std::max(clean_end, last);
        });
        return clean_end;
    }

    /// The first key that is some case's own.
    static std::size_t first_own(lane_block const& lanes, seen_rows const& rows, std::size_t begin, std::size_t end) {
        std::size_t first = end;
        lanes.each_case([&](std::size_t, std::size_t, own_range const& own) {
            for (std::size_t o = own.first; o < own.first + own.count; ++o)
                if (rows.own_positions[o] >= begin) {
                    first = std::min<std::size_t>(first, rows.own_positions[o]);
                    break;
                }
        });
        return first;
    }

    /// The lanes [a, b) and the keys [j, stop), whose rows begin at `from`. A key that a lane does not see has weight 0
    /// there and changes none of its bits, unless the key's row is not finite: then only lanes that see it take it.
    static void mix_run(float* sums, float const* weights, lane_block const& lanes, std::size_t a, std::size_t b,
                        std::size_t j, std::size_t stop, head_rows const& from, std::size_t wide) {
        auto const take = [&](std::size_t lane, std::size_t count, std::size_t begin, std::size_t end) {
            if (begin < end)
                mix_tiles(sums + lane * wide, weights + begin * step + lane, count, end - begin,
                          {from.at(begin - j), from.stride}, wide);
        };
        auto const begin = std::max(j, lanes.most_of([&](std::size_t l) { return lanes.first(l); }, a, b));
        auto const end =
            std::max(begin, std::min(stop, lanes.least([&](std::size_t l) { return lanes.end(l); }, a, b)));
        auto const all_finite = [&](std::size_t first, std::size_t last) {
            return kernels().finite({from.at(first - j), last - first, wide, from.stride});
        };
        auto const least = std::max(j, lanes.least([&](std::size_t l) { return lanes.first(l); }, a, b));
        auto const most = std::min(stop, lanes.most_of([&](std::size_t l) { return lanes.end(l); }, a, b));
        if (least >= most)
            return;
        if (begin < end ? all_finite(least, begin) && all_finite(end, most) : all_finite(least, most))
            return take(a, b - a, least, most);
        for (std::size_t l = a; l < b; ++l)
            take(l, 1, std::max(j, lanes.first(l)), std::min({begin, stop, lanes.end(l)}));
        take(a, b - a, begin, end);
        for (std::size_t l = a; l < b; ++l)
            take(l, 1, std::max(end, lanes.first(l)), std::min(stop, lanes.end(l)));
    }

    attention_shape const& shape_;
    seen_rows keys_, values_;
    std::span<std::uint32_t const> hidden_;
    std::size_t begin_;
    block_memory& memory_;
};

} // namespace engraft::detail
