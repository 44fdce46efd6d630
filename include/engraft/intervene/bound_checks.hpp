#pragma once

#include <cstddef>
#include <vector>

#include <engraft/backend/attention_shape.hpp>
#include <engraft/backend/slice.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/core/ragged.hpp>
#include <engraft/intervene/selection.hpp>

/// What a composition is asked and refused for once it is bound to a run, as far as its types do not matter.
namespace engraft::detail {

using selections = std::vector<selection const*>; ///< of one policy

/// throws bad_input when one policy writes to a place that another one holds
void require_apart(selections const& held, selections const& written);

/// blocked: slices of a layer's pattern, of all policies together; throws bad_input when they leave a query no key
void require_key(std::vector<row_slice> blocked, attention_shape const& shape, ragged const& rows, int layer);

/// counts: slices that each policy acted on; throws bad_input when policy i acted on none
void require_fired(std::size_t i, std::vector<std::size_t> const& counts);

/// throws bad_input when policy i acts only behind the first `layers` blocks
void require_chosen(selections const& chosen, int layers, std::size_t i);

/// The first block that is chosen, but `first` where that is none before it. layers: of the model
int first_chosen(selections const& chosen, int first, int layers);

} // namespace engraft::detail

#ifndef ENGRAFT_COMPILED
#include <engraft/intervene/source/bound_checks.ipp>
#endif
