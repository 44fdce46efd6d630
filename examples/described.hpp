#pragma once

// The description that a program is compiled for, as `described`, and where its model is: the trained pair's base
// model, or what CMake was given as ENGRAFT_MODEL.

#ifdef ENGRAFT_DESCRIBED_MODEL
#include <engraft_models/described.hpp>
#else
#include "pair/pair.hpp"
#define ENGRAFT_DESCRIBED_MODEL ENGRAFT_PAIR_FOLDER "/base"
inline constexpr engraft::description described = pair_model;
#endif
