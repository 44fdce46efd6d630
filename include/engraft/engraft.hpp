#pragma once

// Everything for a program: the engine (engine.hpp), files and tasks.

#include <engraft/engine.hpp>
#include <engraft/io/adapt.hpp>
#include <engraft/io/circuit_file.hpp>
#include <engraft/io/config.hpp>
#include <engraft/io/dcm_file.hpp>
#include <engraft/io/eap_file.hpp>
#include <engraft/io/journal_file.hpp>
#include <engraft/io/load.hpp>
#include <engraft/io/npy.hpp>
#include <engraft/io/write_store.hpp>
#include <engraft/task/boxes.hpp>
#include <engraft/task/desiderata.hpp>
#include <engraft/task/known_tasks.hpp>
#include <engraft/task/pairs.hpp>
