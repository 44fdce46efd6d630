#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace engraft {

/// Where a checkpoint has the matrix of a linear map: as [out, in] or transposed, alone or as some rows of a matrix
/// that holds several maps, or with the heads as a dimension of their own.
struct stored_map {
    std::string weight;
    std::string bias{}; ///< empty: none
    int out = 0;        ///< outputs of the stored matrix
    int in = 0;
    bool transposed = false; ///< stored as [in, out]
    std::vector<int> rows{}; ///< the stored outputs that make up this map, in order; none means all
    int out_heads = 0;       ///< where not 0: stored as [out_heads, in, out / out_heads], the bias without `in`
    int in_heads = 0;        ///< where not 0: stored as [in_heads, in / in_heads, out]

    int outputs() const { return rows.empty() ? out : static_cast<int>(rows.size()); }

    std::vector<std::size_t> weight_shape() const {
        if (out_heads > 0)
            return sizes({out_heads, in, out / out_heads});
        if (in_heads > 0)
            return sizes({in_heads, in / in_heads, out});
        return transposed ? sizes({in, out}) : sizes({out, in});
    }
    std::vector<std::size_t> bias_shape() const {
        return out_heads > 0 ? sizes({out_heads, out / out_heads}) : sizes({out});
    }

private:
    static std::vector<std::size_t> sizes(std::vector<int> const& of) { return {of.begin(), of.end()}; }
};

/// `count` outputs from `first` on.
inline std::vector<int> row_range(int first, int count) {
    std::vector<int> rows;
    for (int i = 0; i < count; ++i)
        rows.push_back(first + i);
    return rows;
}

} // namespace engraft
