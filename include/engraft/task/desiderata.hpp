#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <engraft/circuit/desideratum.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/task/boxes.hpp>

namespace engraft::boxes {

/// What activations may carry from the alternate prompt into the original one. Every alternate is another scene with
/// other objects and labels, asked for a box at another place. The eleven below `position` alter how it tells of its
/// boxes: where the model still answers with the object at the alternate's place, what moves is not disturbed by the
/// alteration. source Prakash et al. 2024: Figure 2 and appendix G for the first three, appendix J (Tables A11 to A13)
/// for eleven
enum class hypothesis {
    /// "identify attention heads that encode the value of the correct object in their output". Target: the alternate's
    /// object, which the original does not name.
    object,
    /// "identify circuit components that are encoding the query box label value". The alternate asks for a label that
    /// the original has too, told at another place. Target: the original's object in the box of that label.
    label,
    /// The same with an alternate that asks for the label without having told of it, as in the pair's own analysis.
    label_untold,
    /// "identify circuit components that encode the positional information of the correct object". Target: the
    /// original's object at the place of the alternate's.
    position,
    /// "Random text at the start": There are a bunch of boxes containing objects, the ...
    text_at_start,
    /// "Random text at the end": ..., these are a bunch of boxes containing objects.
    text_at_end,
    /// "Additional tokens between object and box": the fan is contained in the Box H
    words_in_segment,
    /// "Additional segment at the start": The apple is in Box O, the ... Places count without it.
    segment_at_start,
    /// "Additional segment at the end": ..., the apple is in Box O.
    segment_at_end,
    /// "Additional boxes before correct segment": there are three additional boxes, Box PP, Box BB and Box AA, the ...
    boxes_before_segment,
    /// "Incorrect box segment": nothing is altered; the target is the original's object one place behind (behind the
    /// last one the first).
    next_segment,
    /// "Altered box object order": Box C contains the disk
    other_order,
    /// "Altered association btw box and object": the wheel is not in Box G
    other_relation,
    /// "No comma to separate segments": the ... is in Box U the ... is in Box D the ...
    no_comma,
    /// "Additional comma after the object": The clock, is in Box M, the bomb, is in Box J
    comma_after_object,
};

/// A hypothesis and its names.
struct named_hypothesis {
    hypothesis what;
    char const* name;
    char const* released; ///< its name in the files that the paper's authors released; empty: not among them
};

inline constexpr std::array<named_hypothesis, 15> all_hypotheses{{
    {hypothesis::object, "object", "object_value"},
    {hypothesis::label, "label", "box_label_value"},
    {hypothesis::label_untold, "label_untold", ""},
    {hypothesis::position, "position", "positional"},
    {hypothesis::text_at_start, "text_at_start", "random_text_start"},
    {hypothesis::text_at_end, "text_at_end", "random_text_end"},
    {hypothesis::words_in_segment, "words_in_segment", "add_tokens_btw_box_and_obj"},
    {hypothesis::segment_at_start, "segment_at_start", "add_seg_start"},
    {hypothesis::segment_at_end, "segment_at_end", "add_seg_end"},
    {hypothesis::boxes_before_segment, "boxes_before_segment", "add_box_before_correct_segment"},
    {hypothesis::next_segment, "next_segment", "incorrect_segment"},
    {hypothesis::other_order, "other_order", "altered_box_obj_order"},
    {hypothesis::other_relation, "other_relation", "altered_box_obj_association"},
    {hypothesis::no_comma, "no_comma", "no_comma"},
    {hypothesis::comma_after_object, "comma_after_object", "add_comma"},
}};

inline constexpr std::array<hypothesis, 3> main_hypotheses{hypothesis::object, hypothesis::label, hypothesis::position};

inline char const* name_of(hypothesis h) {
    return std::find_if(all_hypotheses.begin(), all_hypotheses.end(), [&](auto const& n) { return n.what == h; })->name;
}

/// By either name. throws bad_input when there is no such hypothesis
hypothesis hypothesis_named(std::string_view name);

/// One example of a desideratum, in words.
struct triple {
    scene original, alternate;
    std::string added_object; ///< of the segment that two hypotheses add
    char added_label = 'O';
    std::string target;
};

/// The prompt that a hypothesis makes of a triple's alternate.
std::string alternate_text(hypothesis h, triple const& t);

/// The number of the segment that the target is told in: of the alternate for `object`, of the original for the others.
std::size_t target_place(hypothesis h, scene const& original, scene const& alternate);

namespace detail {

/// Draws an alternate for an original: other objects, other labels, asked for another place.
triple draw_triple(hypothesis h, scene const& original, words const& all, random& r);

} // namespace detail

/// Draws triples. Originals are scenes asked for each of their boxes in turn, as in `sample(tokenizer, o)`. A triple is
/// a pure function of the seed and its number, and its original the same for every hypothesis; `object`, `position` and
/// those below it, less `next_segment`, have the same alternate scenes too.
/// throws bad_input when options make no prompt, there are fewer than 3 boxes, or objects or labels for two scenes
/// (and a segment more) do not suffice
template <tokenizer_of_prompts T>
std::vector<triple> draw_triples(T const& tokenizer, hypothesis h, options const& o) {
    auto const all = detail::words_of(tokenizer, o);
    auto const boxes = static_cast<std::size_t>(o.boxes);
    if (boxes < 3)
        throw bad_input({"boxes: a desideratum needs prompts of at least 3 boxes, not ", o.boxes,
                         ", for places of their own for answer, position and label"});
    auto const needed = 2 * boxes + (h == hypothesis::segment_at_start || h == hypothesis::segment_at_end);
    if (all.objects.size() < needed || all.labels.size() < needed)
        throw bad_input({"boxes: the desideratum `", name_of(h), "` needs ", needed, " objects and labels for ", boxes,
                         " boxes, the alternate's being others than the original's; there are ", all.objects.size(),
                         " and ", all.labels.size()});
    std::vector<triple> triples;
    constexpr auto scenes = std::uint64_t{1} << 32, alternates = std::uint64_t{2} << 32; // streams of random numbers
    for (std::size_t j = 0; j < o.examples; ++j) {
        random of_scene(o.seed, scenes + j / boxes), of_alternate(o.seed, alternates + j);
        auto original = detail::draw_scene(all.objects, all.labels, boxes, of_scene);
        original.queried = j % boxes;
        original.query = original.labels[original.queried];
        triples.push_back(detail::draw_triple(h, original, all, of_alternate));
    }
    return triples;
}

/// Triples as tokens, with the roles of the task in both prompts. In an alternate of `label_untold` the previous query
/// label and the correct object, which it lacks, are looked for where the original has them.
/// throws bad_input when a word is not one token where it stands
template <tokenizer_of_prompts T>
desideratum encode(T const& tokenizer, hypothesis h, std::vector<triple> const& triples) {
    std::vector<std::vector<token>> originals, alternates;
    std::vector<token> targets;
    auto roles = detail::no_roles();
    for (auto const& t : triples) {
        auto const original = tokenizer.encode(t.original.text());
        auto const at = detail::places_of_roles(tokenizer, t.original, original);
        auto const alternate = tokenizer.encode(alternate_text(h, t));
        auto const there =
            h == hypothesis::label_untold ? at : detail::places_of_roles(tokenizer, t.alternate, alternate);
        for (std::size_t r = 0; r < roles.size(); ++r) {
            roles[r].positions.push_back(at[r]);
            roles[r].source_positions.push_back(there[r]);
        }
        originals.push_back(original);
        alternates.push_back(alternate);
        targets.push_back(detail::word(tokenizer, t.target));
    }
    return {name_of(h), batch(originals), batch(alternates), std::move(targets), {roles.begin(), roles.end()}};
}

/// Draws a desideratum of the boxes task. throws as `draw_triples` and `encode`
template <tokenizer_of_prompts T>
desideratum sample(T const& tokenizer, hypothesis h, options const& o) {
    return encode(tokenizer, h, draw_triples(tokenizer, h, o));
}

} // namespace engraft::boxes

#ifndef ENGRAFT_COMPILED
#include <engraft/task/source/desiderata.ipp>
#else // with the library's own tokenizer, too
namespace engraft::boxes {
extern template std::vector<triple> draw_triples(tokenizer const&, hypothesis, options const&);
extern template desideratum encode(tokenizer const&, hypothesis, std::vector<triple> const&);
extern template desideratum sample(tokenizer const&, hypothesis, options const&);
} // namespace engraft::boxes
#endif
