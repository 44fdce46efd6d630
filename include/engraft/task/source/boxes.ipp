#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <engraft/core/linkage.hpp>
#include <engraft/core/random.hpp>
#include <engraft/intervene/where.hpp>
#include <engraft/run/batch.hpp>
#include <engraft/task/boxes.hpp>

namespace engraft::boxes {

ENGRAFT_BODY std::string scene::text() const {
    std::string t;
    for (std::size_t i = 0; i < objects.size(); ++i)
        t += (i ? ", the " : "The ") + objects[i] + " is in Box " + labels[i];
    return t + ". Box " + query + " contains the";
}

ENGRAFT_BODY engraft::role const& prompts::role_named(std::string_view name, std::array<engraft::role, 4> const& all) {
    for (auto const& r : all)
        if (r.name == name)
            return r;
    throw bad_input({"the boxes task has no role `", name,
                     "`; its roles are last, query_label, "
                     "previous_query_label and correct_object"});
}

} // namespace engraft::boxes

namespace engraft::boxes::detail {

ENGRAFT_BODY std::array<engraft::role, 4> no_roles() {
    return {{{last::name, {}, {}},
             {query_label::name, {}, {}},
             {previous_query_label::name, {}, {}},
             {correct_object::name, {}, {}}}};
}

ENGRAFT_BODY std::vector<long> places_of(std::vector<token> const& tokens, token t) {
    std::vector<long> places;
    for (std::size_t p = 0; p < tokens.size(); ++p)
        if (tokens[p] == t)
            places.push_back(static_cast<long>(p));
    return places;
}

ENGRAFT_BODY long place_of(std::vector<token> const& tokens, token t, bool first, scene const& s) {
    auto const places = places_of(tokens, t);
    if (places.empty())
        throw bad_input({"a word of \"", s.text(),
                         "\" is not a token of its own where it stands, so that its "
                         "position is not defined; the boxes task can't be used with this tokenizer"});
    return first ? places.front() : places.back();
}

ENGRAFT_BODY scene draw_scene(std::vector<std::string> const& objects, std::vector<char> const& labels,
                              std::size_t boxes, random& r) {
    scene s;
    for (auto i : r.sample(objects.size(), boxes))
        s.objects.push_back(objects[i]);
    for (auto i : r.sample(labels.size(), boxes))
        s.labels.push_back(labels[i]);
    return s;
}

} // namespace engraft::boxes::detail
