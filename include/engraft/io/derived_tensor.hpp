#pragma once

#include <string>

#include <engraft/core/linkage.hpp>
#include <engraft/io/checkpoint.hpp>
#include <engraft/model/derived_tensor.hpp>
#include <engraft/model/description.hpp>

namespace engraft {

/// Compares a tensor that follows from the description or from another tensor with what it must hold, a piece at a
/// time. throws bad_model, naming the first element that differs
void require_derived(checkpoint const& from, description const& d, std::string const& name, derived_tensor tensor);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/derived_tensor.ipp>
#endif
