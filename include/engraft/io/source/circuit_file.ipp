#pragma once

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <engraft/circuit/circuit.hpp>
#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/circuit_file.hpp>
#include <engraft/io/json.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/whole_file.hpp>

namespace engraft {

namespace detail {

/// Reads pairs [layer, head]. throws bad_file when one is not that, or comes twice
inline std::vector<node> read_heads(nlohmann::json const& value, std::string const& where) {
    std::vector<node> heads;
    std::set<node> seen;
    for (auto const& item : as_array(value, "heads", where)) {
        auto const& pair = as_array(item, "heads", where);
        if (pair.size() != 2)
            throw bad_file(where, "each head must be a pair [layer, head]");
        heads.push_back({static_cast<int>(as_int(pair[0], "layer", where, 0, 1 << 20)),
                         static_cast<int>(as_int(pair[1], "head", where, 0, 1 << 20))});
        if (!seen.insert(heads.back()).second)
            throw bad_file(where, {"head [", heads.back().layer, ", ", heads.back().head, "] stands twice"});
    }
    return heads;
}

} // namespace detail

ENGRAFT_BODY circuit read_circuit(std::filesystem::path const& path, group_order order) {
    circuit c;
    std::vector<std::string> names;
    auto const document = read_json(path, &names, results_size_limit);
    for (auto const& [name, entry] : as_object(document, "the circuit", path.string())) {
        auto const where = path.string() + ": " + detail::printable(name);
        require_name(name, "a group's name", path.string());
        require_only(entry, {"role", "heads"}, where);
        c.groups.push_back({name, require_name(require_string(entry, "role", where), "a role", where),
                            detail::read_heads(require_value(entry, "heads", where), where)});
    }
    if (c.groups.empty())
        throw bad_file(path.string(), "the circuit has no group");
    if (order == group_order::as_written)
        std::ranges::sort(c.groups, {}, [&](circuit_group const& g) { return std::ranges::find(names, g.name); });
    return c;
}

ENGRAFT_BODY void write_circuit(std::filesystem::path const& path, circuit const& c) {
    std::string text;
    for (auto const& group : c.groups) {
        if (!detail::is_name(group.name) || !detail::is_name(group.role))
            throw bad_input({"a circuit can't be written whose group's name or role does not have 1 to 120 bytes, or ",
                             "has control characters: '", detail::printable(group.name, 40), "'"});
        text += (text.empty() ? "{\n " : ",\n ") + detail::quoted(group.name) +
                ": {\n  \"role\": " + detail::quoted(group.role) + ",\n  \"heads\": [";
        for (std::size_t i = 0; i < group.heads.size(); ++i)
            text += (i ? ", [" : "[") + std::to_string(group.heads[i].layer) + ", " +
                    std::to_string(group.heads[i].head) + "]";
        text += "]\n }";
        for (auto const& other : c.groups)
            if (&other != &group && other.name == group.name)
                throw bad_input({"a circuit with two groups `", group.name, "` can't be written"});
        if (heads_in(group.heads, group.heads).size() != std::set(group.heads.begin(), group.heads.end()).size())
            throw bad_input({"a group `", group.name, "` with a head that comes twice can't be written"});
    }
    if (c.groups.empty())
        throw bad_input("a circuit without groups can't be written");
    write_whole_file(path, text + "\n}\n");
}

} // namespace engraft
