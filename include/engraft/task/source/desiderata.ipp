#pragma once

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <string>
#include <vector>

#include <engraft/circuit/desideratum.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/task/boxes.hpp>
#include <engraft/task/desiderata.hpp>

namespace engraft::boxes {

ENGRAFT_BODY hypothesis hypothesis_named(std::string_view name) {
    std::string known;
    for (auto const& n : all_hypotheses) {
        if (name == n.name || (name == n.released && !name.empty()))
            return n.what;
        known += (known.empty() ? "" : ", ") + std::string(n.name);
    }
    throw bad_input({"there is no desideratum `", name, "`; there are ", known});
}

ENGRAFT_BODY std::string alternate_text(hypothesis h, triple const& t) {
    auto const& s = t.alternate;
    auto const box = [](char label) { return std::string("Box ") + label; };
    std::vector<std::string> segments;
    for (std::size_t i = 0; i < s.objects.size(); ++i) {
        bool const queried = i == s.queried;
        std::string const object = "the " + s.objects[i], label = box(s.labels[i]);
        if (queried && h == hypothesis::boxes_before_segment)
            segments.push_back("there are three additional boxes, Box PP, Box BB and Box AA");
        if (queried && h == hypothesis::words_in_segment)
            segments.push_back(object + " is contained in the " + label);
        else if (queried && h == hypothesis::other_order)
            segments.push_back(label + " contains " + object);
        else if (queried && h == hypothesis::other_relation)
            segments.push_back(object + " is not in " + label);
        else
            segments.push_back(object + (h == hypothesis::comma_after_object ? ", is in " : " is in ") + label);
    }
    auto const added = "the " + t.added_object + " is in " + box(t.added_label);
    if (h == hypothesis::text_at_start)
        segments.insert(segments.begin(), "there are a bunch of boxes containing objects");
    else if (h == hypothesis::text_at_end)
        segments.push_back("these are a bunch of boxes containing objects");
    else if (h == hypothesis::segment_at_start)
        segments.insert(segments.begin(), added);
    else if (h == hypothesis::segment_at_end)
        segments.push_back(added);

    std::string text;
    for (auto const& segment : segments)
        text += (text.empty() ? "" : h == hypothesis::no_comma ? " " : ", ") + segment;
    text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
    return text + ". " + box(s.query) + " contains the";
}

ENGRAFT_BODY std::size_t target_place(hypothesis h, scene const& original, scene const& alternate) {
    if (h == hypothesis::label || h == hypothesis::label_untold)
        return static_cast<std::size_t>(std::find(original.labels.begin(), original.labels.end(), alternate.query) -
                                        original.labels.begin());
    return h == hypothesis::next_segment ? (alternate.queried + 1) % original.objects.size() : alternate.queried;
}

} // namespace engraft::boxes

namespace engraft::boxes::detail {

ENGRAFT_BODY triple draw_triple(hypothesis h, scene const& original, words const& all, random& r) {
    auto const boxes = original.objects.size();
    auto const unused = [](auto const& from, auto const& taken) {
        auto rest = from;
        std::erase_if(rest, [&](auto const& x) { return std::find(taken.begin(), taken.end(), x) != taken.end(); });
        return rest;
    };
    auto const objects = unused(all.objects, original.objects);
    auto const labels = unused(all.labels, original.labels);
    triple t{original, draw_scene(objects, labels, boxes, r), "apple", 'O', ""};
    auto& a = t.alternate;

    // Answer, place and label of either prompt never point at one segment, so that a target follows from its hypothesis
    // alone.
    auto const other_than = [&](std::vector<std::size_t> const& taken) {
        std::vector<std::size_t> places(boxes);
        for (std::size_t i = 0; i < boxes; ++i)
            places[i] = i;
        auto const free = unused(places, taken);
        return free[r.below(free.size())];
    };
    a.queried = h == hypothesis::next_segment ? other_than({original.queried, (original.queried + boxes - 1) % boxes})
                                              : other_than({original.queried});
    a.query = a.labels[a.queried];
    if (h == hypothesis::label)
        a.query = a.labels[a.queried] = original.labels[other_than({original.queried, a.queried})];
    else if (h == hypothesis::label_untold)
        a.query = original.labels[a.queried];

    auto const has = [](auto const& list, auto const& x) {
        return std::find(list.begin(), list.end(), x) != list.end();
    };
    auto const free_objects = unused(objects, a.objects);
    auto const free_labels = unused(labels, a.labels);
    if (!has(free_objects, t.added_object))
        t.added_object = free_objects.empty() ? "" : free_objects[r.below(free_objects.size())];
    if (!has(free_labels, t.added_label))
        t.added_label = free_labels.empty() ? ' ' : free_labels[r.below(free_labels.size())];
    t.target = (h == hypothesis::object ? a : original).objects[target_place(h, original, a)];
    return t;
}

} // namespace engraft::boxes::detail
