#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include <engraft/circuit/circuit.hpp>
#include <engraft/core/error.hpp>
#include <engraft/io/circuit_file.hpp>
#include <engraft/io/json.hpp>
#include <engraft/io/linkage.hpp>

namespace engraft {

ENGRAFT_IO circuit read_circuit(std::filesystem::path const& path) {
    circuit c;
    auto const document = read_json(path);
    for (auto const& [name, entry] : as_object(document, "the circuit", path.string())) {
        auto const where = path.string() + ": " + name;
        circuit_group group{name, require_string(entry, "role", where), {}};
        for (auto const& item : require_array(entry, "heads", where)) {
            auto const& pair = as_array(item, "heads", where);
            if (pair.size() != 2)
                throw bad_file(where, "each head must be a pair [layer, head]");
            group.heads.push_back({static_cast<int>(as_int(pair[0], "layer", where, 0, 1 << 20)),
                                   static_cast<int>(as_int(pair[1], "head", where, 0, 1 << 20))});
        }
        c.groups.push_back(std::move(group));
    }
    if (c.groups.empty())
        throw bad_file(path.string(), "the circuit has no group");
    return c;
}

} // namespace engraft
