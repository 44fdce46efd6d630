#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <engraft/core/linkage.hpp>
#include <engraft/core/random.hpp>
#include <engraft/intervene/where.hpp>
#include <engraft/run/batch.hpp>

namespace engraft {

/// Roles of the entity tracking task, as tags: `prompts.role<last>()`.
struct last {
    static constexpr char const* name = "last";
};
/// The box asked for, in "Box Q contains the".
struct query_label {
    static constexpr char const* name = "query_label";
};
/// The same box where its content is told.
struct previous_query_label {
    static constexpr char const* name = "previous_query_label";
};
/// The object in that box: the answer, where it is told.
struct correct_object {
    static constexpr char const* name = "correct_object";
};

/// Entity tracking: "The apple is in Box O, the bell is in Box Q, ... . Box Q contains the" -> " bell".
/// source Prakash et al. 2024, section 3.1 and appendix B; Kim and Schuster 2023
namespace boxes {

/// The paper's nouns.
inline constexpr std::array<std::string_view, 85> paper_objects{
    "book",     "car",      "paper", "letter",   "game",     "computer", "picture",   "plant",      "cup",
    "machine",  "bill",     "glass", "note",     "stone",    "fish",     "drug",      "television", "card",
    "document", "rock",     "radio", "ball",     "tea",      "file",     "newspaper", "branch",     "train",
    "fig",      "flower",   "bag",   "boat",     "key",      "painting", "phone",     "drink",      "engine",
    "bus",      "coffee",   "sheet", "plate",    "magazine", "egg",      "block",     "brain",      "map",
    "crown",    "ring",     "leaf",  "dress",    "fan",      "milk",     "ticket",    "gift",       "cross",
    "plane",    "mirror",   "coat",  "wheel",    "string",   "ice",      "rose",      "boot",       "hat",
    "suit",     "creature", "bomb",  "camera",   "bread",    "meat",     "apple",     "pipe",       "guitar",
    "disk",     "medicine", "clock", "chemical", "seed",     "tie",      "watch",     "shell",      "wire",
    "pot",      "brick",    "bell",  "magnet",
};

/// What the task needs of a tokenizer: `encode(text)` with the special tokens that a prompt begins with, and
/// `single_token(text)`, empty unless the text is one token.
template <class T>
concept tokenizer_of_prompts = requires(T const& t, std::string const& text) {
    { t.encode(text) } -> std::convertible_to<std::vector<token>>;
    { t.single_token(text) } -> std::convertible_to<std::optional<token>>;
};

struct options {
    std::size_t examples = 300;
    std::uint64_t seed = 10;
    int boxes = 7; ///< segments of a prompt; at most 26
    std::vector<std::string> objects = default_objects();

    static std::vector<std::string> default_objects() { return {paper_objects.begin(), paper_objects.end()}; }
};

/// One prompt's words. The query label is that of the box asked for, unless a noise prompt replaces it.
struct scene {
    std::vector<std::string> objects; ///< in order of telling
    std::vector<char> labels;
    std::size_t queried = 0;
    char query = 'A';

    /// "The apple is in Box O, the bell is in Box Q. Box Q contains the"
    std::string text() const;
};

/// Prompts with what is known of them. Example i of the noise prompts belongs to example i of the prompts.
struct prompts {
    std::vector<scene> scenes, noise_scenes;
    batch tokens, noise_tokens;
    std::vector<token> answers;        ///< the token of the object asked for, with its leading space
    std::vector<std::string> left_out; ///< objects that are not one token for this tokenizer
    std::array<engraft::role, 4> roles,
        noise_roles; ///< in the order last, query_label, previous_query_label, correct_object

    /// One position per example. R is last, query_label, previous_query_label or correct_object.
    template <class R>
    engraft::role role() const {
        return roles_of<R>(roles);
    }
    /// The role of that name, as a circuit's file has it. throws bad_input when the task has none
    engraft::role const& role(std::string_view name) const { return role_named(name, roles); }
    /// The same in the noise prompts. throws as `role`
    engraft::role const& noise_role(std::string_view name) const { return role_named(name, noise_roles); }
    /// As `role<R>` in the noise prompts; `previous_query_label`, which they lack, is one of their label positions
    /// drawn at random, as in the paper's code.
    template <class R>
    engraft::role noise_role() const {
        return roles_of<R>(noise_roles);
    }

private:
    static engraft::role const& role_named(std::string_view name, std::array<engraft::role, 4> const& all);

    template <class R>
    static engraft::role roles_of(std::array<engraft::role, 4> const& all) {
        constexpr int index = std::is_same_v<R, last>                   ? 0
                              : std::is_same_v<R, query_label>          ? 1
                              : std::is_same_v<R, previous_query_label> ? 2
                              : std::is_same_v<R, correct_object>       ? 3
                                                                        : -1;
        static_assert(index >= 0, "engraft [boxes.role]: the boxes task has no such role; its roles are last, "
                                  "query_label, previous_query_label and correct_object");
        return all[static_cast<std::size_t>(index)];
    }
};

namespace detail {

std::array<engraft::role, 4> no_roles();

std::vector<long> places_of(std::vector<token> const& tokens, token t);

/// A word that stands in a prompt behind a space. throws bad_input when the tokenizer splits it
template <class T>
token word(T const& tokenizer, std::string const& text) {
    auto const t = tokenizer.single_token(" " + text);
    if (!t)
        throw bad_input({"`", text, "` is not one token of this tokenizer, as the boxes task needs it to be"});
    return *t;
}

/// What prompts can be made of.
struct words {
    std::vector<std::string> objects; ///< that are one token
    std::vector<char> labels;
    std::vector<std::string> left_out; ///< objects that are not one token
};

/// throws bad_input when options make no prompt or too few objects are one token
template <class T>
words words_of(T const& tokenizer, options const& o) {
    if (o.examples == 0)
        throw bad_input("boxes: at least one example is needed");
    if (o.boxes < 1 || o.boxes > 26)
        throw bad_input({"boxes: a prompt has 1 to 26 boxes, one per capital letter, not ", o.boxes});
    words found;
    for (auto const& object : o.objects) {
        if (std::ranges::count(o.objects, object) > 1)
            throw bad_input({"boxes: the object '", object, "' is given twice; give each object once"});
        (tokenizer.single_token(" " + object) ? found.objects : found.left_out).push_back(object);
    }
    for (char c = 'A'; c <= 'Z'; ++c)
        if (tokenizer.single_token(std::string(" ") + c))
            found.labels.push_back(c);
    auto const boxes = static_cast<std::size_t>(o.boxes);
    if (found.objects.size() < boxes || found.labels.size() < boxes)
        throw bad_input({"boxes: only ", found.objects.size(), " of ", o.objects.size(), " objects and ",
                         found.labels.size(), " of 26 labels are one token for this tokenizer; ", boxes,
                         " are needed"});
    return found;
}

/// Where the token stands, the first or the last time. throws bad_input when it does not
long place_of(std::vector<token> const& tokens, token t, bool first, scene const& s);

/// Objects and labels of a scene, without a question. throws bad_input when there are too few
scene draw_scene(std::vector<std::string> const& objects, std::vector<char> const& labels, std::size_t boxes,
                 random& r);

/// Where the roles stand in a scene's prompt, in the order of `no_roles`. The previous query label is the last one
/// before the question: altered prompts may name a box before that.
template <class T>
std::array<long, 4> places_of_roles(T const& tokenizer, scene const& s, std::vector<token> const& prompt) {
    auto const label = word(tokenizer, std::string(1, s.query));
    auto const asked = place_of(prompt, label, false, s);
    std::vector<token> const told(prompt.begin(), prompt.begin() + asked);
    return {static_cast<long>(prompt.size()) - 1, asked, place_of(told, label, false, s),
            place_of(prompt, word(tokenizer, s.objects[s.queried]), true, s)};
}

} // namespace detail

/// Draws prompts. Scenes of `boxes` objects and labels are asked for each of their boxes in turn, so that example j
/// asks for box j mod `boxes`; the noise prompt of j is another scene, asked for the box after that, with the label in
/// the question replaced by a random letter.
/// throws bad_input when options make no prompt or too few objects are one token
template <tokenizer_of_prompts T>
prompts sample(T const& tokenizer, options const& o) {
    auto const words = detail::words_of(tokenizer, o);
    auto const boxes = static_cast<std::size_t>(o.boxes);

    random r(o.seed);
    auto const draw = [&] { return detail::draw_scene(words.objects, words.labels, boxes, r); };
    std::vector<scene> scenes, noise_scenes;
    for (std::size_t j = 0; j < o.examples; ++j) {
        scenes.push_back(j % boxes == 0 ? draw() : scenes.back());
        scenes.back().queried = j % boxes;
        scenes.back().query = scenes.back().labels[j % boxes];
        noise_scenes.push_back(draw());
        noise_scenes.back().queried = (j + 1) % boxes;
        noise_scenes.back().query = words.labels[r.below(words.labels.size())];
    }

    std::vector<std::vector<token>> tokens, noise_tokens;
    std::vector<token> answers;
    auto roles = detail::no_roles(), noise_roles = detail::no_roles();
    for (std::size_t j = 0; j < o.examples; ++j) {
        auto const& s = scenes[j];
        auto const t = tokenizer.encode(s.text());
        answers.push_back(detail::word(tokenizer, s.objects[s.queried]));
        auto const places = detail::places_of_roles(tokenizer, s, t);
        for (std::size_t i = 0; i < places.size(); ++i)
            roles[i].positions.push_back(places[i]);
        tokens.push_back(t);

        auto const& n = noise_scenes[j];
        auto const u = tokenizer.encode(n.text());
        auto const drawn = n.labels[r.below(boxes)];
        noise_roles[0].positions.push_back(static_cast<long>(u.size()) - 1);
        noise_roles[1].positions.push_back(
            detail::place_of(u, detail::word(tokenizer, std::string(1, n.query)), false, n));
        noise_roles[2].positions.push_back(
            detail::place_of(u, detail::word(tokenizer, std::string(1, drawn)), true, n));
        noise_roles[3].positions.push_back(detail::place_of(u, detail::word(tokenizer, n.objects[n.queried]), true, n));
        noise_tokens.push_back(u);
    }

    return {std::move(scenes),  std::move(noise_scenes), batch(tokens),    batch(noise_tokens),
            std::move(answers), words.left_out,          std::move(roles), std::move(noise_roles)};
}

/// Where the segments "the apple is in Box O" of each example are, from the word before the object to the label; which
/// of them is the one asked for, the scenes say. [segment][example][position]
/// throws bad_input when a word is not a token of its own where it stands
template <tokenizer_of_prompts T>
std::vector<std::vector<std::vector<long>>> segments(T const& tokenizer, prompts const& p) {
    std::vector<std::vector<std::vector<long>>> all(p.scenes.empty() ? 0 : p.scenes[0].objects.size());
    for (std::size_t e = 0; e < p.scenes.size(); ++e) {
        auto const& s = p.scenes[e];
        auto const begin = p.tokens.tokens().begin() + static_cast<std::ptrdiff_t>(p.tokens.rows().begin(e));
        std::vector<token> const tokens(begin, begin + static_cast<std::ptrdiff_t>(p.tokens.rows().length(e)));
        for (std::size_t i = 0; i < all.size(); ++i) {
            auto const object = detail::place_of(tokens, detail::word(tokenizer, s.objects[i]), true, s);
            auto const label = detail::place_of(tokens, detail::word(tokenizer, std::string(1, s.labels[i])), true, s);
            auto& places = all[i].emplace_back();
            for (long at = std::max(object - 1, 0L); at <= label; ++at)
                places.push_back(at);
        }
    }
    return all;
}

} // namespace boxes
} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/task/source/boxes.ipp>
#else // with the library's own tokenizer, too
#include <engraft/io/tokenizer.hpp>
namespace engraft::boxes {
extern template prompts sample(tokenizer const&, options const&);
extern template std::vector<std::vector<std::vector<long>>> segments(tokenizer const&, prompts const&);
} // namespace engraft::boxes
#endif
