#include <cstring>

#include <engraft/io/config.hpp>
#include <engraft/model/description_text.hpp>

#include "target.hpp"

void engraft_fuzz::config(std::string_view input) {
    auto const file = folder::one().put("config.json", input);
    accepted([&] {
        auto const read = engraft::read_config(file);
        require(engraft::what_is_wrong(read).empty(), "an ill-formed description came out");
        require(!engraft::cpp_text(read, "model").empty(), "a description has no text");
        require(accepted([&] { engraft::require_same(read, read, "config.json"); }), "a description is not itself");
        require(!accepted([&] { engraft::require_same({}, read, "config.json"); }), "a description is empty");
    });
}
