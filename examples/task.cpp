// Shows pairs of prompts, from a file or of a task that the field knows, as a tokenizer sees them: which token stands
// under each role (docs/how_to/tasks.md).
// test: boxes --tokenizer @PAIR@/base --count 8
// test: induction --tokenizer @PAIR@/base/tokenizer.json
// refused: ioi --tokenizer @PAIR@/base
// refused: nothing --tokenizer @PAIR@/base
// refused: boxes --tokenizer @PAIR@/base --count 0
// refused: boxes

#include <algorithm>
#include <cstddef>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include <engraft/io/tokenizer.hpp>
#include <engraft/task/known_tasks.hpp>
#include <engraft/task/pairs.hpp>

#include "program.hpp"

namespace eg = engraft;

namespace {

/// On one line; what a file says may be anything.
std::string shown(std::string const& text) {
    std::string out;
    for (char const c : text)
        out += c == '\n' ? std::string("\\n") : std::string(1, c);
    out = eg::one_line(out);
    return out;
}

std::string shown(eg::tokenizer const& t, eg::token id) { return '\'' + shown(t.decode(std::span(&id, 1))) + '\''; }

std::string shown(eg::tokenizer const& t, std::vector<eg::token> const& all) {
    constexpr std::size_t most = 8;
    std::string list;
    for (std::size_t i = 0; i < std::min(most, all.size()); ++i)
        list += (i ? ", " : "") + shown(t, all[i]);
    return all.size() > most ? list + " and " + std::to_string(all.size() - most) + " more" : list;
}

std::string name_of(std::string text) {
    text.resize(std::max<std::size_t>(text.size(), 9), ' ');
    return "  " + text + "  ";
}

void show(eg::tokenizer const& t, std::size_t number, eg::prompt_pair const& pair) {
    std::cout << "\npair " << number << '\n'
              << name_of("clean") << shown(t.decode(pair.clean)) << '\n'
              << name_of("corrupted") << shown(t.decode(pair.corrupted)) << '\n'
              << name_of("answer") << shown(t, pair.answers) << '\n';
    if (!pair.wrong.empty())
        std::cout << name_of("wrong") << shown(t, pair.wrong) << '\n';
    for (auto const& role : pair.roles)
        std::cout << name_of(role.name) << shown(t, pair.clean[static_cast<std::size_t>(role.clean)]) << " at "
                  << role.clean << "; in the corrupted prompt "
                  << shown(t, pair.corrupted[static_cast<std::size_t>(role.corrupted)]) << " at " << role.corrupted
                  << '\n';
}

/// A prompt: its tokens, and the position of each role.
example::json json_of(std::vector<eg::token> const& tokens, std::vector<eg::role_place> const& roles,
                      long eg::role_place::*position) {
    auto places = example::json::object();
    for (auto const& role : roles)
        places[role.name] = role.*position;
    return {{"tokens", tokens}, {"roles", places}};
}

example::json json_of(eg::prompt_pair const& pair) {
    auto wrong = example::json::array();
    for (auto const id : pair.wrong)
        wrong.push_back(std::vector<eg::token>{id});
    return {{"clean", json_of(pair.clean, pair.roles, &eg::role_place::clean)},
            {"corrupted", json_of(pair.corrupted, pair.roles, &eg::role_place::corrupted)},
            {"answer", pair.answers},
            {"wrong", wrong}};
}

} // namespace

int main(int argc, char** argv) {
    example::options app("Shows pairs of prompts as a tokenizer sees them, with the word under each role.", "task");
    std::string task, tokenizer, write;
    std::size_t count = 0;
    eg::task_options o{.count = 10};
    std::string known;
    for (auto const& name : eg::tasks::names())
        known += (known.empty() ? "" : ", ") + name;
    app.add("task", task, "File with pairs (JSON lines, or .csv), or the name of a task: " + known).required();
    app.add("--tokenizer", tokenizer, "Folder of a model, its tokenizer.json, or a GGUF file").required();
    app.add("--count", count, {1, example::most_examples}, "Pairs; without it 10 of a task, or all of a file");
    app.seed(o.seed, "Seed of a task's pairs");
    app.add("--write", write, "Write the pairs to this file as tokens: JSON lines that this program reads");
    return example::run(app, argc, argv, [&] {
        if (count > 0)
            o.count = count;
        auto const t = eg::tokenizer::load(tokenizer);
        auto all = eg::pairs_of(task, t, o);
        if (count > 0 && all.pairs.size() > count)
            all.pairs.resize(count);

        std::cout << shown(task) << ": " << all.pairs.size() << (all.pairs.size() == 1 ? " pair" : " pairs");
        if (!all.left_out.empty())
            std::cout << " (" << all.left_out.size() << " words left out: not one token here)";
        std::cout << '\n';
        for (std::size_t i = 0; i < all.pairs.size(); ++i)
            show(t, i + 1, all.pairs[i]);

        if (!write.empty())
            eg::write_pairs(write, all);
        auto pairs = example::json::array();
        for (auto const& pair : all.pairs)
            pairs.push_back(json_of(pair));
        auto found = example::json::object();
        found["pairs"] = pairs;
        return found;
    });
}
