#include "models.hpp"

// Receivers are heads that read; attn_out has no heads.
auto receivers_of(eg::role const& last) {
#ifdef ENGRAFT_CONTROL
    return eg::receivers(eg::v, {{1, 0}}, last);
#else
    // [refused]
    return eg::receivers(eg::attn_out, {{1, 0}}, last);
    // [/refused]
#endif
}
