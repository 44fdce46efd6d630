#pragma once

// The paper's search for a circuit as its four sweeps: z of each head to the logits, to queries, and twice to values.
// source Prakash et al. 2024, section 4.1

#include <string>
#include <vector>

#include <engraft/engraft.hpp>

namespace bench {

/// One of the sweeps, and the heads that read what is sent.
struct search_sweep {
    engraft::discovery_step step;
    std::vector<engraft::node> readers;
};

inline constexpr std::size_t prompt_length = 54; ///< of the paper's prompts, in tokens

/// The four sweeps over such prompts: query labels stand third from the end, and before it at one of seven boxes.
inline std::vector<search_sweep> paper_search(std::size_t prompts, std::vector<engraft::node> value_fetchers,
                                              std::vector<engraft::node> position_transmitters,
                                              std::vector<engraft::node> position_detectors) {
    std::vector<long> boxes;
    for (std::size_t e = 0; e < prompts; ++e)
        boxes.push_back(static_cast<long>(6 + 7 * (e % 7)));
    engraft::role const last{"last", std::vector<long>(prompts, -1), {}},
        query_label{"query_label", std::vector<long>(prompts, -3), {}},
        previous_query_label{"previous_query_label", boxes, {}};
    using input = engraft::discovery_step::input;
    return {{{"value_fetcher", last, 58}, {}},
            {{"position_transmitter", last, 10, input::of_queries, "value_fetcher"}, std::move(value_fetchers)},
            {{"position_detector", query_label, 25, input::of_values, "position_transmitter"},
             std::move(position_transmitters)},
            {{"structure_reader", previous_query_label, 5, input::of_values, "position_detector"},
             std::move(position_detectors)}};
}

inline constexpr engraft::description llama_7b{.name = "llama-7b",
                                               .layers = 32,
                                               .d_model = 4096,
                                               .heads = 32,
                                               .kv_heads = 32,
                                               .d_head = 128,
                                               .d_mlp = 11008,
                                               .vocab = 32000,
                                               .norm_eps = 1e-6};

/// With the readers that the paper released for Llama-7B.
inline std::vector<search_sweep> llama_search(std::size_t prompts) {
    return paper_search(prompts, {{14, 13}, {15, 2},  {15, 5},  {15, 6},  {15, 13}, {15, 18}, {16, 23}, {16, 27},
                                  {17, 3},  {17, 27}, {17, 28}, {18, 3},  {18, 6},  {18, 8},  {18, 20}, {18, 25},
                                  {18, 28}, {19, 8},  {19, 11}, {19, 20}, {19, 26}, {19, 30}, {20, 14}, {20, 29},
                                  {21, 0},  {21, 3},  {21, 4},  {21, 25}, {21, 26}, {23, 5},  {23, 15}, {23, 16},
                                  {23, 17}, {23, 19}, {23, 20}, {24, 0},  {24, 5},  {24, 8},  {25, 14}, {29, 7}},
                        {{11, 23}, {12, 23}, {13, 0}, {13, 14}, {14, 27}, {16, 2}, {19, 12}},
                        {{1, 9},  {4, 4},  {6, 10}, {7, 9},  {7, 17},  {7, 26}, {8, 1},   {8, 22}, {9, 2},  {9, 7},
                         {9, 10}, {9, 21}, {10, 3}, {10, 4}, {10, 15}, {11, 7}, {11, 23}, {12, 0}, {13, 0}, {13, 14}});
}

} // namespace bench
