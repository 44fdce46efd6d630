// SmolLM2-135M's shape in fp32, with weights from a seed: see measure.cuh.

#include "measure.cuh"

#include "../smollm2.hpp"

int main(int argc, char** argv) {
    auto const search = [](std::size_t prompts) {
        return bench::paper_search(
            prompts, {{12, 3}, {14, 5}, {15, 1}, {17, 7}, {18, 2}, {20, 0}, {21, 4}, {22, 8}, {24, 6}, {26, 2}},
            {{8, 1}, {10, 4}, {11, 7}, {13, 0}, {16, 2}}, {{4, 4}, {6, 8}, {7, 3}, {9, 2}, {10, 0}});
    };
    return bench::measure<smollm2, engraft::cuda<engraft::fp32>>(argc, argv, 50, 4, search);
}
