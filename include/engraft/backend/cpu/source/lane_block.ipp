#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <engraft/backend/cpu/kernels.hpp>

namespace engraft::detail {

/// The rows that a case has of its own, of keys and of values.
struct own_range {
    std::size_t first = 0, count = 0;

    friend bool operator==(own_range const&, own_range const&) = default;
};

/// Up to 32 query heads of rows that read one key/value head of one example; those of one case are adjacent.
struct lane_block {
    static constexpr std::size_t most = 32;

    std::size_t count = 0;
    std::array<float const*, most> query;
    std::array<std::size_t, most> row, head; ///< where the lane's result goes
    std::array<attention_lanes, most / 16> sees;
    std::array<own_range, most> own;

    void add(float const* q, std::size_t r, std::size_t h, std::size_t first, std::size_t last,
             own_range const& rows = {}) {
        query[count] = q, row[count] = r, head[count] = h, own[count] = rows;
        sees[count / 16].first[count % 16] = static_cast<std::int32_t>(first);
        sees[count / 16].last[count % 16] = static_cast<std::int32_t>(last);
        ++count;
    }
    /// After the last add(). Lanes without a query see everything, so that they hide no key.
    void close() {
        begin_ = least([this](std::size_t l) { return first(l); }, 0, count);
        end_ = most_of([this](std::size_t l) { return end(l); }, 0, count);
        all_begin_ = most_of([this](std::size_t l) { return first(l); }, 0, count);
        all_end_ = least([this](std::size_t l) { return end(l); }, 0, count);
        using limits = std::numeric_limits<std::int32_t>;
        for (std::size_t l = count; l < (count + 15) / 16 * 16; ++l)
            sees[l / 16].first[l % 16] = limits::min(), sees[l / 16].last[l % 16] = limits::max();
    }

    std::size_t groups() const { return (count + 15) / 16; }
    std::size_t first(std::size_t l) const { return static_cast<std::size_t>(sees[l / 16].first[l % 16]); }
    std::size_t end(std::size_t l) const { return static_cast<std::size_t>(sees[l / 16].last[l % 16] + 1); }

    /// The keys that any lane sees: [begin, end).
    std::size_t begin() const { return begin_; }
    std::size_t end() const { return end_; }

    /// Whether each lane sees all of the keys [j, stop).
    bool all_see(std::size_t j, std::size_t stop) const { return j >= all_begin_ && stop <= all_end_; }

    template <class F>
    static std::size_t least(F const& f, std::size_t from, std::size_t to) {
        std::size_t x = f(from);
        for (std::size_t l = from + 1; l < to; ++l)
            x = std::min(x, f(l));
        return x;
    }
    template <class F>
    static std::size_t most_of(F const& f, std::size_t from, std::size_t to) {
        std::size_t x = f(from);
        for (std::size_t l = from + 1; l < to; ++l)
            x = std::max(x, f(l));
        return x;
    }

    /// f(first lane, end of the lanes, own rows) for each case.
    template <class F>
    void each_case(F const& f) const {
        for (std::size_t l = 0, next; l < count; l = next) {
            for (next = l + 1; next < count && own[next] == own[l];)
                ++next;
            f(l, next, own[l]);
        }
    }

private:
    std::size_t begin_, end_, all_begin_, all_end_;
};

} // namespace engraft::detail
