#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <engraft/backend/slice.hpp>
#include <engraft/core/hash.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/core/ragged.hpp>
#include <engraft/intervene/selection.hpp>
#include <engraft/intervene/where.hpp>

namespace engraft {

ENGRAFT_BODY bool selection::has_place(place const& at) const {
    return std::binary_search(places.begin(), places.end(), at, [](place const& a, place const& b) {
        return a.example != b.example ? a.example < b.example : a.position < b.position;
    });
}

ENGRAFT_BODY void selection::add_positions(std::size_t example, std::vector<std::uint32_t>& to) const {
    auto const count = to.size();
    to.push_back(0); // how many there are
    each_place(example, [&](place const& at) {
        to.push_back(static_cast<std::uint32_t>(at.position));
        ++to[count];
    });
    for (auto const& e : except)
        e.add_positions(example, to);
}

ENGRAFT_BODY void selection::add_to(hasher& h) const {
    h.add(heads).add(places.size());
    for (auto const& p : places)
        h.add(p.example).add(p.position).add(p.source_position);
    h.add(except.size());
    for (auto const& e : except)
        e.add_to(h);
}

namespace detail {

ENGRAFT_BODY void require_layer(long layer, int layers) {
    if (layer < 0 || layer >= layers)
        throw bad_layer(
            {"engraft [where.layer]: layer ", layer, " is out of range; the model's layers are 0 to ", layers - 1});
}

ENGRAFT_BODY void require_head(long head, int heads, char const* site) {
    if (head < 0 || head >= heads)
        throw bad_head(
            {"engraft [where.head]: head ", head, " is out of range; the heads of ", site, " are 0 to ", heads - 1});
}

ENGRAFT_BODY std::vector<int> items_of(axes::every, int count) {
    std::vector<int> all(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i)
        all[static_cast<std::size_t>(i)] = i;
    return all;
}

ENGRAFT_BODY std::vector<int> items_of(axes::range const& r, int) {
    if (r.first > r.last)
        throw bad_layer(
            {"engraft [where.layer]: the range of layers from ", r.first, " to ", r.last, " ends before it begins"});
    std::vector<int> items;
    for (long i = r.first; i < r.last; ++i)
        items.push_back(static_cast<int>(i));
    return items;
}

ENGRAFT_BODY std::vector<selection::place> places_of(axes::every, ragged const& rows) {
    std::vector<selection::place> places;
    places.reserve(rows.rows());
    for (std::size_t e = 0; e < rows.examples(); ++e)
        for (std::size_t p = 0; p < rows.length(e); ++p)
            places.push_back({e, p, static_cast<long>(p)});
    return places;
}

ENGRAFT_BODY std::vector<selection::place> places_of(axes::positions const& given, ragged const& rows) {
    std::vector<selection::place> places;
    for (std::size_t e = 0; e < rows.examples(); ++e) {
        std::vector<std::size_t> at;
        for (long p : given.items)
            at.push_back(rows.position(e, p));
        sort_unique(at);
        for (auto p : at)
            places.push_back({e, p, static_cast<long>(p)});
    }
    return places;
}

ENGRAFT_BODY std::vector<selection::place> places_of(axes::range const& given, ragged const& rows) {
    std::vector<selection::place> places;
    for (std::size_t e = 0; e < rows.examples(); ++e) {
        auto const length = static_cast<long>(rows.length(e));
        long const first = given.first < 0 ? given.first + length : given.first;
        long const last = given.last < 0                          ? given.last + length
                          : given.last == axes::range::to_the_end ? length
                                                                  : given.last;
        if (first < 0 || last < 0 || last > length)
            throw bad_position({"engraft [where.position]: positions ", first, " to before ", last,
                                " were asked of example ", e, ", which has ", length});
        for (long p = first; p < last; ++p)
            places.push_back({e, static_cast<std::size_t>(p), p});
    }
    return places;
}

ENGRAFT_BODY std::vector<selection::place> places_of(axes::each const& given, ragged const& rows) {
    if (given.items.size() != rows.examples())
        throw bad_input({"engraft [where.positions]: positions of ", given.items.size(),
                         " examples are given, the batch has ", rows.examples(), "; each example needs its entry"});
    std::vector<selection::place> places;
    for (std::size_t e = 0; e < rows.examples(); ++e) {
        std::vector<std::size_t> at;
        for (long p : given.items[e])
            at.push_back(rows.position(e, p));
        sort_unique(at);
        for (auto p : at)
            places.push_back({e, p, static_cast<long>(p)});
    }
    return places;
}

ENGRAFT_BODY std::vector<selection::place> places_of(role const& given, ragged const& rows) {
    auto const count = rows.examples();
    if (given.positions.size() != count || (!given.source_positions.empty() && given.source_positions.size() != count))
        throw bad_input({"engraft [where.role]: the role `", given.name, "` has ", given.positions.size(),
                         " positions (", given.source_positions.size(), " in the source), the batch has ", count,
                         " examples; a role needs one position for each"});
    std::vector<selection::place> places;
    for (std::size_t e = 0; e < count; ++e) {
        auto const p = rows.position(e, given.positions[e]);
        places.push_back({e, p, given.source_positions.empty() ? static_cast<long>(p) : given.source_positions[e]});
    }
    return places;
}

ENGRAFT_BODY void keep_examples(std::vector<selection::place>& places, axes::examples const& given,
                                ragged const& rows) {
    for (auto e : given.items)
        if (e >= rows.examples())
            throw bad_input(
                {"engraft [where.example]: example ", e, " was asked for; the batch has ", rows.examples()});
    std::erase_if(places, [&](selection::place const& at) {
        return std::find(given.items.begin(), given.items.end(), at.example) == given.items.end();
    });
}

ENGRAFT_BODY void require_some(selection const& s, char const* site) {
    if (s.empty())
        throw bad_input({"engraft [where.nothing]: no layer, head or position of ", site,
                         " is chosen; leave the policy out if that is meant, or wrap it in may_not_fire"});
}

} // namespace detail
} // namespace engraft
