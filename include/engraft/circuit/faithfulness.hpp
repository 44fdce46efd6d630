#pragma once

#include <cstddef>
#include <limits>
#include <vector>

#include <engraft/circuit/circuit.hpp>

namespace engraft {

/// How much of the model's score a circuit has by itself.
/// source Prakash et al. 2024, section 4.2 and Table 1
struct faithfulness {
    double circuit = 0; ///< F(Cir): all else mean-ablated
    double model = 0;   ///< F(M)

    /// F(Cir) / F(M); NaN where the model's is 0.
    double ratio() const { return model == 0 ? std::numeric_limits<double>::quiet_NaN() : circuit / model; }
};

/// Circuits with as many heads per group and role, drawn at random: what faithfulness is compared with.
/// throws bad_input when a role has more heads than the model
inline std::vector<circuit> random_circuits(circuit const& like, std::size_t count, int layers, int heads, random& r) {
    std::vector<circuit> drawn;
    for (std::size_t i = 0; i < count; ++i)
        drawn.push_back(random_like(like, layers, heads, r));
    return drawn;
}

} // namespace engraft
