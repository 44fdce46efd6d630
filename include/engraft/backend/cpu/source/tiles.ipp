#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include <engraft/backend/cpu/kernels.hpp>

namespace engraft::detail {

/// f(first, count) for parts of [0, count) of at most `most`, of nearly one size.
template <class F>
void each_part(std::size_t count, std::size_t most, F const& f) {
    if (count == 0)
        return;
    std::size_t const parts = (count + most - 1) / most, least = count / parts, longer = count % parts;
    for (std::size_t i = 0, first = 0, size; i < parts; ++i, first += size) {
        size = least + (i < longer);
        f(first, size);
    }
}

/// out[r][c] (+)= sum over i of in[r][i] weights[i][c] for rows and columns of any number, by as many tiles as that
/// takes. `job` describes the first row and the first panel; panel p of `out` begins 16 p columns further on. Columns
/// behind the last one are not written. A panel's weights stay in a first-level cache while the rows take turns.
inline void multiply_tiles(tile_job const& job, std::size_t rows, std::size_t columns) {
    constexpr auto width = tile_set::width;
    auto const& set = kernels().tiles;
    auto const of = [&job](std::size_t row, std::size_t panel) {
        auto moved = job;
        moved.in += row * job.in_stride;
        moved.weights += panel * job.panel_step;
        moved.out += row * job.out_stride + panel * width;
        return moved;
    };
    auto const whole = columns / width, rest = columns % width;
    for (std::size_t p = 0, wide; p < whole; p += wide) {
        wide = p + set.panels <= whole ? set.panels : 1;
        auto const& by_rows = wide == 1 ? set.single : set.wide;
        each_part(rows, set.rows, [&](std::size_t first, std::size_t count) { by_rows[count - 1](of(first, p)); });
    }
    if (rest > 0)
        each_part(rows, set.rows, [&](std::size_t first, std::size_t count) {
            auto last = of(first, whole);
            std::array<float, tile_set::most_rows * width> lines{};
            for (std::size_t r = 0; r < count && job.go_on; ++r)
                std::copy_n(last.out + r * job.out_stride, rest, lines.data() + r * width);
            auto const out = last.out;
            last.out = lines.data(), last.out_stride = width;
            set.single[count - 1](last);
            for (std::size_t r = 0; r < count; ++r)
                std::copy_n(lines.data() + r * width, rest, out + r * job.out_stride);
        });
}

} // namespace engraft::detail
