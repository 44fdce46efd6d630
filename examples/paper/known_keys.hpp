#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>

#include <engraft/core/error.hpp>
#include <engraft/io/json.hpp>

namespace paper {

/// throws bad_file, naming it, if the object has another key than these: a misspelt one would be a default
inline void require_known_keys(nlohmann::json const& object, std::initializer_list<std::string_view> known,
                               std::string const& where) {
    for (auto const& [key, value] : engraft::as_object(object, "the entry", where))
        if (std::ranges::find(known, key) == known.end()) {
            std::string names;
            for (auto const name : known)
                names.append(names.empty() ? "" : ", ").append(name);
            throw engraft::bad_file(
                where, {"the key '", engraft::detail::printable(key), "' is not known; there are ", names});
        }
}

} // namespace paper
