#pragma once

#include <string>
#include <vector>

namespace engraft {

/// Where a checkpoint has the matrix of a linear map: as [out, in] or transposed, alone or as some rows of a matrix
/// that holds several maps.
struct stored_map {
    std::string weight;
    std::string bias{}; ///< empty: none
    int out = 0;        ///< outputs of the stored matrix
    int in = 0;
    bool transposed = false; ///< stored as [in, out]
    std::vector<int> rows{}; ///< the stored outputs that make up this map, in order; none means all

    int outputs() const { return rows.empty() ? out : static_cast<int>(rows.size()); }
};

/// `count` outputs from `first` on.
inline std::vector<int> row_range(int first, int count) {
    std::vector<int> rows;
    for (int i = 0; i < count; ++i)
        rows.push_back(first + i);
    return rows;
}

} // namespace engraft
