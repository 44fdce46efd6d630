#pragma once

#include <utility>
#include <vector>

#include <engraft/circuit/dcm_trainer.hpp>

namespace engraft {

/// Desiderata-based component masking: for each group of a circuit and each desideratum, the heads that must take z
/// from the alternates so that the model gives the targets. A mask's weights w make z' = w z + (1 - w) z_alternate at
/// the group's role; they are trained on the mean logit of the target, evaluated as 0 or 1 every few batches, and the
/// best ones (of equal ones those that exchange more heads) are tested. Deterministic: the same arguments give the same
/// numbers. state: that of a training that was stopped, from `dcm_options::checkpoint`, which goes on as if it had not
/// been. throws bad_input and its family when data, state and model do not fit source Davies et al. 2023; Prakash et
/// al. 2024, section 5.1 and appendix H
///
///     auto const data = dcm_data::split(desiderata, 1000, 500, 500);
///     for (auto const& found : dcm(model, circuit, data))
///         std::cout << found.group << ' ' << found.desideratum << ' ' << found.test_accuracy << '\n';
template <description const& D, backend B>
std::vector<dcm_result> dcm(model<D, B> const& m, circuit const& groups, dcm_data const& data,
                            dcm_options const& options = {}, dcm_state state = {}) {
    return detail::dcm_trainer<D, B, masked_heads>(m, groups, data, {options.of}, options, std::move(state)).run();
}

/// The same with weights of directions in the z of each head.
template <description const& D, backend B>
std::vector<dcm_result> dcm(model<D, B> const& m, circuit const& groups, dcm_data const& data,
                            masked_directions const& directions, dcm_options const& options = {},
                            dcm_state state = {}) {
    return detail::dcm_trainer<D, B, masked_directions>(m, groups, data, directions, options, std::move(state)).run();
}

} // namespace engraft
