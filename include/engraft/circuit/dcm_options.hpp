#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <engraft/circuit/dcm_state.hpp>
#include <engraft/circuit/desiderata_runs.hpp>
#include <engraft/circuit/mask_kinds.hpp>

namespace engraft {

/// Desiderata for training, for choosing the best mask, and for the accuracy that is reported; the same ones in the
/// same order, of other examples.
struct dcm_data {
    std::vector<desideratum> train, evaluate, test;

    /// The first examples of each desideratum to train, those behind to evaluate, then those to test.
    /// throws bad_input when there are fewer
    static dcm_data split(std::vector<desideratum> const& all, std::size_t train, std::size_t evaluate,
                          std::size_t test) {
        dcm_data data;
        for (auto const& d : all) {
            data.train.push_back(d.part(0, train));
            data.evaluate.push_back(d.part(train, evaluate));
            data.test.push_back(d.part(train + evaluate, test));
        }
        return data;
    }
};

/// The defaults are the paper's.
struct dcm_options {
    mask_rule rule{};
    granularity of = granularity::head; ///< of masks of heads
    std::size_t epochs = 2;
    std::size_t batch = 32;
    std::size_t evaluate_every = 4;   ///< batches, from the first of each epoch on
    std::size_t rows_at_once = 16384; ///< of masks in training, computed together
    desiderata_options runs{};        ///< memory, for evaluation and test; cost, of all
    /// Called with the share of all batches that is done, from 0 to 1.
    std::function<void(double)> progress{};
    /// Called after each evaluation and at the end of training, with all that is needed to go on from there.
    std::function<void(dcm_state const&)> checkpoint{};
};

/// What DCM finds of one group and desideratum.
struct dcm_result {
    std::string group, role, desideratum;
    std::vector<double> mask; ///< the best mask's weights before rounding, one per head, or elements of head after head
    std::vector<node> chosen; ///< heads of which something is exchanged
    std::size_t exchanged = 0; ///< weights that round to 0
    double accuracy = 0;       ///< share of the evaluated examples that follow the target under the rounded mask
    double test_accuracy = 0;  ///< the same of the test's
    double group_accuracy = 0; ///< of the test's, when the whole group is exchanged
    double clean_accuracy = 0; ///< of the test's, when nothing is
};

} // namespace engraft
