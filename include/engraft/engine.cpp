// The bodies of the engine's functions that are no templates, compiled once: `engraft::engine` of the CMake package. A
// program that defines ENGRAFT_COMPILED links this, and engraft.cpp if it reads files, instead of compiling them in
// each of its sources.

#ifndef ENGRAFT_COMPILED
#define ENGRAFT_COMPILED
#endif

#include <engraft/backend/cpu/source/adjoint_attention.ipp>
#include <engraft/backend/cpu/source/attention.ipp>
#include <engraft/backend/cpu/source/kernels.ipp>
#include <engraft/backend/cpu/source/parallel.ipp>
#include <engraft/backend/cpu/source/product.ipp>
#include <engraft/backend/cpu/source/product_back.ipp>
#include <engraft/circuit/source/circuit.ipp>
#include <engraft/circuit/source/discovery.ipp>
#include <engraft/circuit/source/eap_graph.ipp>
#include <engraft/circuit/source/edges.ipp>
#include <engraft/circuit/source/faithfulness_curve.ipp>
#include <engraft/circuit/source/head_patterns.ipp>
#include <engraft/circuit/source/heat_map.ipp>
#include <engraft/circuit/source/minimality.ipp>
#include <engraft/circuit/source/role_rows.ipp>
#include <engraft/circuit/source/trained_mask.ipp>
#include <engraft/intervene/source/bound_checks.ipp>
#include <engraft/intervene/source/footprint.ipp>
#include <engraft/intervene/source/selection.ipp>
#include <engraft/model/source/description_text.ipp>
#include <engraft/run/source/chunk_loop.ipp>
#include <engraft/run/source/finished_cases.ipp>
#include <engraft/run/source/lines_of.ipp>
#include <engraft/run/source/plan.ipp>
#include <engraft/run/source/sweep_result.ipp>

// See core/linkage.hpp.
#ifdef __ELF__
extern "C" {
extern char const engraft_is_linked;
[[gnu::visibility("hidden")]] extern char const engraft_is_in_headers_or_linked_but_not_both;
[[gnu::used]] char const engraft_is_linked = 0;
[[gnu::used]] char const engraft_is_in_headers_or_linked_but_not_both = 0;
}
#endif
