// SmolLM2-135M's shape in fp32, with weights from a seed: see measure.cuh.

#include "measure.cuh"

#include "../smollm2.hpp"

int main(int argc, char** argv) {
    return bench::measure<smollm2, engraft::cuda<engraft::fp32>>(
        argc, argv, 50, 53, {{12, 3}, {14, 5}, {15, 1}, {17, 7}, {18, 2}, {20, 0}, {21, 4}, {22, 8}, {24, 6}, {26, 2}});
}
