#include "prompts.hpp"

#include <algorithm>
#include <utility>

#include <engraft/core/hash.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/task/known_tasks.hpp>
#include <engraft/task/pairs.hpp>

namespace example {

namespace eg = engraft;

namespace {

std::string names_of(std::vector<eg::role> const& roles) {
    std::string names;
    for (auto const& r : roles)
        names += (names.empty() ? "" : ", ") + r.name;
    return names.empty() ? "none" : names;
}

eg::role const& named(std::string_view name, std::vector<eg::role> const& roles, std::string const& task) {
    for (auto const& r : roles)
        if (r.name == name)
            return r;
    throw eg::bad_input({"the prompts of '", task, "' have no role '", eg::detail::printable(name, 60),
                         "' in each pair; the roles that they have: ", names_of(roles)});
}

prompts of_boxes(eg::tokenizer const& t, eg::boxes::options const& o) {
    auto made = eg::boxes::sample(t, o);
    auto const segments = eg::boxes::segments(t, made);
    prompts p{"boxes",
              std::to_string(o.examples) + " prompts of " + std::to_string(o.boxes) + " boxes, seed " +
                  std::to_string(o.seed),
              std::move(made.tokens),
              std::move(made.noise_tokens),
              {made.roles.begin(), made.roles.end()},
              {made.noise_roles.begin(), made.noise_roles.end()},
              std::move(made.answers),
              {},
              made.left_out.size()};
    for (std::size_t e = 0; e < made.scenes.size(); ++e) {
        p.own_segment.push_back(segments[made.scenes[e].queried][e]);
        auto& others = p.other_segments.emplace_back();
        for (std::size_t i = 0; i < segments.size(); ++i)
            if (i != made.scenes[e].queried)
                others.insert(others.end(), segments[i][e].begin(), segments[i][e].end());
    }
    return p;
}

} // namespace

eg::role const& prompts::role(std::string_view name) const { return named(name, roles, task); }

eg::role prompts::with_source(std::string_view name) const { return role(name).from(named(name, noise_roles, task)); }

eg::role const& prompts::last_role() const {
    for (auto const& r : roles) {
        std::size_t e = 0;
        for (; e < examples() && tokens.rows().position(e, r.positions[e]) + 1 == tokens.rows().length(e); ++e)
            ;
        if (e == examples())
            return r;
    }
    throw eg::bad_input({"no role of '", task, "' stands at the last token of each prompt, where the answer is read; ",
                         "add one with \"position\": -1 to the file, or say the roles with --roles"});
}

std::uint64_t hash_of(prompts const& p) {
    eg::hasher h;
    for (auto const* tokens : {&p.tokens, &p.noise_tokens}) {
        h.add(tokens->tokens());
        for (std::size_t e = 0; e < tokens->examples(); ++e)
            h.add(tokens->rows().begin(e));
    }
    for (auto const* roles : {&p.roles, &p.noise_roles})
        for (auto const& r : *roles)
            h.add(r.name).add(r.positions);
    h.add(p.answers);
    if (!p.wrong.empty())
        h.add(p.wrong);
    return h.value();
}

void task::add_name_to(options& app, int least_boxes) {
    std::string known;
    for (auto const& of_field : eg::tasks::names())
        known += (known.empty() ? "" : ", ") + of_field;
    app.add("--task", name, "A task, or a file of pairs of prompts (JSON lines, or .csv): " + known).with_default();
    app.add("--boxes", boxes.boxes, {least_boxes, 26}, "Boxes in a prompt of the task boxes").with_default();
    app.add("--objects", objects_file,
            "File of the objects' names for the task boxes; the paper's where it is left out");
}

void task::add_to(options& app, std::string const& about) {
    app.examples(boxes.examples, about + "; of a file, the first so many");
    app.seed(boxes.seed, "Seed of these prompts");
    add_name_to(app);
}

eg::boxes::options task::boxes_options() const {
    auto o = boxes;
    if (!objects_file.empty())
        o.objects = words_of(objects_file);
    return o;
}

prompts task::sample(eg::tokenizer const& t) const {
    if (is_boxes())
        return of_boxes(t, boxes_options());
    if (!objects_file.empty() || boxes.boxes != eg::boxes::options{}.boxes)
        throw eg::bad_input({"--boxes and --objects are for the task boxes; leave them out with --task '",
                             eg::detail::printable(name), "'"});
    auto made = eg::pairs_of(name, t, {.count = boxes.examples, .seed = boxes.seed});
    made.pairs.resize(std::min(made.pairs.size(), boxes.examples));
    bool const is_file = std::ranges::none_of(eg::tasks::names(), [&](std::string known) {
        auto said = name;
        std::ranges::replace(said, '_', '-');
        return known == said;
    });
    std::string const shown = eg::detail::printable(name);
    prompts p{shown,
              std::to_string(made.pairs.size()) + (made.pairs.size() == 1 ? " pair of " : " pairs of ") + shown +
                  (is_file ? "" : ", seed " + std::to_string(boxes.seed)),
              made.clean(),
              made.corrupted(),
              {},
              {},
              made.first_answers(),
              {},
              made.left_out.size()};
    if (std::ranges::none_of(made.pairs, [](eg::prompt_pair const& pair) { return pair.wrong.empty(); }))
        p.wrong = made.first_wrong();
    for (auto const& r : made.pairs.front().roles) {
        auto const has_it = [&](eg::prompt_pair const& pair) {
            return std::ranges::any_of(pair.roles, [&](eg::role_place const& of) { return of.name == r.name; });
        };
        if (!std::ranges::all_of(made.pairs, has_it))
            continue;
        p.roles.push_back({r.name, made.role(r.name).positions, {}});
        p.noise_roles.push_back(made.corrupted_role(r.name));
    }
    return p;
}

json json_of(task const& t, prompts const& p) {
    json numbers{{"examples", p.examples()}, {"seed", t.boxes.seed}};
    if (t.is_boxes())
        numbers["boxes"] = t.boxes.boxes;
    else
        numbers["task"] = p.task;
    return numbers;
}

} // namespace example
