#pragma once

// Models, policies, runs, sweeps and circuits, with the backend cpu, or, where nvcc compiles it, with cuda in its
// place. Needs no other library than Boost's headers; engraft.hpp adds what reads files.

#include <engraft/version.hpp>

#if defined(__CUDACC__)
#include <engraft/backend/cuda/cuda.cuh>
#else
#include <engraft/backend/cpu/cpu.hpp>
#endif
#include <engraft/backend/planning.hpp>
#include <engraft/backend/reference/reference.hpp>
#include <engraft/circuit/acdc.hpp>
#include <engraft/circuit/attention_attribution.hpp>
#include <engraft/circuit/attention_report.hpp>
#include <engraft/circuit/attribution.hpp>
#include <engraft/circuit/chosen_heads.hpp>
#include <engraft/circuit/circuit.hpp>
#include <engraft/circuit/circuit_curves.hpp>
#include <engraft/circuit/completeness.hpp>
#include <engraft/circuit/dcm.hpp>
#include <engraft/circuit/desiderata_runs.hpp>
#include <engraft/circuit/desideratum.hpp>
#include <engraft/circuit/detect_heads.hpp>
#include <engraft/circuit/discovery.hpp>
#include <engraft/circuit/eap_graph.hpp>
#include <engraft/circuit/edge_attribution.hpp>
#include <engraft/circuit/edge_patching.hpp>
#include <engraft/circuit/faithfulness.hpp>
#include <engraft/circuit/faithfulness_curve.hpp>
#include <engraft/circuit/head_patterns.hpp>
#include <engraft/circuit/mean_ablation.hpp>
#include <engraft/circuit/mean_activations.hpp>
#include <engraft/circuit/minimality.hpp>
#include <engraft/circuit/overlap.hpp>
#include <engraft/circuit/path_patching.hpp>
#include <engraft/core/hash.hpp>
#include <engraft/intervene/ablate.hpp>
#include <engraft/intervene/capture.hpp>
#include <engraft/intervene/compose.hpp>
#include <engraft/intervene/edit.hpp>
#include <engraft/intervene/freeze.hpp>
#include <engraft/intervene/knockout.hpp>
#include <engraft/intervene/mask.hpp>
#include <engraft/intervene/mask_directions.hpp>
#include <engraft/intervene/patch.hpp>
#include <engraft/intervene/picked.hpp>
#include <engraft/intervene/scale.hpp>
#include <engraft/intervene/steer.hpp>
#include <engraft/intervene/subspace.hpp>
#include <engraft/intervene/swap.hpp>
#include <engraft/intervene/tap.hpp>
#include <engraft/model/block.hpp>
#include <engraft/model/empty_weights.hpp>
#include <engraft/model/random_weights.hpp>
#include <engraft/run/adjoint.hpp>
#include <engraft/run/gradient_beside.hpp>
#include <engraft/run/gradient_cost.hpp>
#include <engraft/run/sweep.hpp>
