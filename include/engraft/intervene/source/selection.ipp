#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
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

/// Appends an example's places, each once. One that is given from both ends is taken from the beginning.
ENGRAFT_BODY void add_places(std::vector<selection::place>& places, std::size_t example,
                             std::vector<long> const& positions, ragged const& rows) {
    std::vector<selection::place> of_example;
    for (long p : positions)
        of_example.push_back({example, rows.position(example, p), p});
    std::sort(of_example.begin(), of_example.end(), [](selection::place const& a, selection::place const& b) {
        return a.position != b.position ? a.position < b.position : a.source_position > b.source_position;
    });
    std::unique_copy(of_example.begin(), of_example.end(), std::back_inserter(places),
                     [](selection::place const& a, selection::place const& b) { return a.position == b.position; });
}

ENGRAFT_BODY std::vector<selection::place> places_of(axes::positions const& given, ragged const& rows) {
    std::vector<selection::place> places;
    for (std::size_t e = 0; e < rows.examples(); ++e)
        add_places(places, e, given.items, rows);
    return places;
}

ENGRAFT_BODY std::vector<selection::place> places_of(axes::range const& given, ragged const& rows) {
    bool const from_end = given.first < 0 && (given.last < 0 || given.last == axes::range::to_the_end);
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
            places.push_back({e, static_cast<std::size_t>(p), from_end ? p - length : p});
    }
    return places;
}

ENGRAFT_BODY std::vector<selection::place> places_of(axes::each const& given, ragged const& rows) {
    if (given.items.size() != rows.examples())
        throw bad_input({"engraft [where.positions]: positions of ", given.items.size(),
                         " examples are given, the batch has ", rows.examples(), "; each example needs its entry"});
    std::vector<selection::place> places;
    for (std::size_t e = 0; e < rows.examples(); ++e)
        add_places(places, e, given.items[e], rows);
    return places;
}

ENGRAFT_BODY std::vector<selection::place> places_of(role const& given, ragged const& rows) {
    auto const count = rows.examples();
    if (given.positions.size() != count || (!given.source_positions.empty() && given.source_positions.size() != count))
        throw bad_input({"engraft [where.role]: the role `", given.name, "` has ", given.positions.size(),
                         " positions (", given.source_positions.size(), " in the source), the batch has ", count,
                         " examples; a role needs one position for each"});
    bool const paired = !given.source_positions.empty();
    std::vector<selection::place> places;
    for (std::size_t e = 0; e < count; ++e)
        places.push_back(
            {e, rows.position(e, given.positions[e]), paired ? given.source_positions[e] : given.positions[e], paired});
    return places;
}

ENGRAFT_BODY void require_source_places(selection const& chosen, ragged const& rows, ragged const& source,
                                        std::vector<std::size_t> const& source_examples) {
    for (auto const& at : chosen.places) {
        auto const example = source_examples[at.example];
        auto const here = rows.length(at.example), there = source.length(example);
        if (!at.paired && at.source_position >= 0 && here != there)
            throw bad_input({"engraft [source.length]: example ", at.example, " has ", here,
                             " positions in this run, and example ", example, ", its source, has ", there,
                             " in the source run, so position ", at.position,
                             " is not the same place in both; count it from the end, as at(-1) does, or say where it "
                             "stands in the source with a role: at(here.from(there))"});
        auto const from_begin = at.source_position + (at.source_position < 0 ? static_cast<long>(there) : 0);
        if (from_begin < 0 || from_begin >= static_cast<long>(there))
            throw bad_position({"engraft [source.position]: example ", example, " of the source run has ", there,
                                " positions, and position ", at.source_position,
                                " is not one of them; it was asked for as the source of position ", at.position,
                                " of example ", at.example, " in this run"});
    }
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
