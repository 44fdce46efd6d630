#include "models.hpp"

// A role that prompts of the boxes task do not have.
struct subject {
    static constexpr char const* name = "subject";
};
#ifdef ENGRAFT_CONTROL
auto role_of(eg::boxes::prompts const& prompts) { return prompts.role<eg::last>(); }
#else
// [refused]
auto role_of(eg::boxes::prompts const& prompts) { return prompts.role<subject>(); }
// [/refused]
#endif
