#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/core/random.hpp>
#include <engraft/core/token.hpp>
#include <engraft/io/pair_row.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/tokenizer.hpp>
#include <engraft/task/boxes.hpp>
#include <engraft/task/known_tasks.hpp>
#include <engraft/task/known_words.hpp>
#include <engraft/task/pairs.hpp>
#include <engraft/task/source/pairs.ipp>

namespace engraft::tasks {

namespace detail {

inline std::vector<std::string> words_in(std::string_view text) {
    std::vector<std::string> words;
    while (!text.empty()) {
        auto const end = std::min(text.find(' '), text.size());
        words.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return words;
}

inline std::string const& any_of(std::vector<std::string> const& words, random& r) {
    return words[r.below(words.size())];
}

/// Every `from` becomes `to`.
inline std::string with(std::string text, std::string_view from, std::string_view to) {
    for (auto at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
    return text;
}

/// The words that are one token behind a space inside a text. The others are put into `left_out`.
/// throws bad_input when there are fewer than `least`
inline std::vector<std::string> one_token_words(tokenizer const& t, std::vector<std::string> const& words,
                                                std::size_t least, std::string_view task,
                                                std::vector<std::string>& left_out) {
    auto const before = t.encode("a", false).size();
    std::vector<std::string> kept;
    for (auto const& word : words)
        (t.encode("a " + word, false).size() == before + 1 ? kept : left_out).push_back(word);
    if (kept.size() < least)
        throw bad_input({task, ": only ", kept.size(), " of its ", words.size(),
                         " words are one token for this tokenizer; ", least, " are needed"});
    return kept;
}

inline said_role at_text(std::string name, std::string text, std::size_t occurrence = 1) {
    return {std::move(name), {.text = std::move(text), .occurrence = occurrence}};
}
inline said_role at_end() { return {"end", {.position = -1}}; }

/// `row(i)` makes pair i.
template <class Row>
prompt_pairs made_of(tokenizer const& t, task_options const& o, Row const& row) {
    if (o.count == 0)
        throw bad_input("a task needs at least one pair");
    prompt_pairs all;
    all.pairs.reserve(o.count);
    for (std::size_t i = 0; i < o.count; ++i)
        all.pairs.push_back(encode_pair(t, row(i)));
    return all;
}

/// A template whose names stand the other way round in the first clause.
inline std::string abba(std::string text) {
    auto const b = text.find("[B]"), a = text.find("[A]");
    text[b + 1] = 'A';
    text[a + 1] = 'B';
    return text;
}

} // namespace detail

ENGRAFT_BODY prompt_pairs ioi(tokenizer const& t, task_options const& o, name_order order) {
    std::vector<std::string> left_out;
    auto const names = detail::one_token_words(t, detail::words_in(detail::ioi_names), 5, "ioi", left_out);
    auto const places = detail::words_in(detail::ioi_places), objects = detail::words_in(detail::ioi_objects);
    random r(o.seed);
    auto all = detail::made_of(t, o, [&](std::size_t) {
        std::string text(detail::ioi_templates[r.below(std::size(detail::ioi_templates))]);
        if (order == name_order::abba || (order == name_order::mixed && r.below(2) == 0))
            text = detail::abba(text);
        text = detail::with(text, "[PLACE]", detail::any_of(places, r));
        text = detail::with(text, "[OBJECT]", detail::any_of(objects, r));
        auto const drawn = r.sample(names.size(), 5); // two of the clean prompt, three others
        auto const &io = names[drawn[0]], &s = names[drawn[1]];
        auto other = text;
        other.replace(other.rfind("[B]"), 3, names[drawn[4]]);
        other = detail::with(detail::with(other, "[A]", names[drawn[2]]), "[B]", names[drawn[3]]);
        pair_row row{.clean = detail::with(detail::with(text, "[A]", io), "[B]", s), .corrupted = other};
        row.answers = {" " + io};
        row.wrong = {" " + s};
        row.roles = {detail::at_text("io", io), detail::at_text("s1", s), detail::at_text("s2", s, 2),
                     detail::at_end()};
        return row;
    });
    all.left_out = std::move(left_out);
    return all;
}

namespace detail {

/// What numbers become.
struct years {
    bool digits = false;          ///< each digit is a token of its own; otherwise two of them are
    std::vector<int> usable;      ///< years that prompts may have
    std::vector<token> numbers{}; ///< 00 to 99, or 0 to 9
};

inline std::string two_digits(int number) {
    return {static_cast<char>('0' + number / 10), static_cast<char>('0' + number % 10)};
}

/// The token that stands for a number behind "17".
inline std::optional<token> number_token(tokenizer const& t, std::string const& number) {
    if (auto const alone = t.single_token(number))
        return alone;
    auto const before = t.encode("the year 17", false), all = t.encode("the year 17" + number, false);
    return all.size() == before.size() + 1 ? std::optional(all.back()) : std::nullopt;
}

/// The tokens of numbers; nothing if one is not a token.
inline std::vector<token> number_tokens(tokenizer const& t, bool digits) {
    std::vector<token> all;
    for (int n = 0; n < (digits ? 10 : 100); ++n)
        if (auto const id = number_token(t, digits ? std::to_string(n) : two_digits(n)))
            all.push_back(*id);
        else
            return {};
    return all;
}

/// Whether a year in a sentence ends in the tokens of its last digits, and its first two are those of the century.
inline bool is_cut_well(tokenizer const& t, int year, bool digits, std::vector<token> const& numbers) {
    auto const all = t.encode("the year " + std::to_string(year), false);
    auto expected = t.encode("the year " + std::to_string(year / 100), false);
    if (digits) {
        expected.push_back(numbers[static_cast<std::size_t>(year / 10 % 10)]);
        expected.push_back(numbers[static_cast<std::size_t>(year % 10)]);
    } else {
        expected.push_back(numbers[static_cast<std::size_t>(year % 100)]);
    }
    return all == expected;
}

inline std::vector<int> usable_years(tokenizer const& t, bool digits, std::vector<token> const& numbers) {
    std::vector<int> all;
    for (int century = 11; century <= 17 && !numbers.empty(); ++century) {
        auto const tokens_of = [&](int year) { return t.encode("the year " + std::to_string(year), false).size(); };
        std::vector<int> of_century;
        for (int year = century * 100 + 2; year < century * 100 + 99; ++year)
            if (is_cut_well(t, year, digits, numbers) && tokens_of(year) == tokens_of(century * 100 + 1))
                of_century.push_back(year);
        for (std::size_t i = 1; i + 1 < of_century.size(); ++i)
            if (int const third = of_century[i] / 10 % 10; !digits || (third > 0 && third < 9))
                all.push_back(of_century[i]);
    }
    return all;
}

/// throws bad_input when the tokenizer cuts years in another way
inline years years_of(tokenizer const& t) {
    for (bool const digits : {false, true}) {
        auto numbers = number_tokens(t, digits);
        if (auto usable = usable_years(t, digits, numbers); !usable.empty())
            return {digits, std::move(usable), std::move(numbers)};
    }
    throw bad_input(
        "greater-than: this tokenizer cuts no year from 1102 to 1798 before its last two digits, as the task "
        "needs it to, and has no token for each digit");
}

} // namespace detail

ENGRAFT_BODY prompt_pairs greater_than(tokenizer const& t, task_options const& o) {
    auto const nouns = detail::words_in(detail::greater_than_nouns);
    auto const years = detail::years_of(t);
    random r(o.seed);
    return detail::made_of(t, o, [&](std::size_t) {
        auto const& noun = detail::any_of(nouns, r);
        int const year = years.usable[r.below(years.usable.size())], century = year / 100;
        auto const prompt = [&](int of) {
            return "The " + noun + " lasted from the year " + std::to_string(of) + " to the year " +
                   std::to_string(century);
        };
        pair_row row{.clean = prompt(year), .corrupted = prompt(century * 100 + 1)};
        int const limit = years.digits ? year / 10 % 10 : year % 100;
        for (int n = 0; n < static_cast<int>(years.numbers.size()); ++n)
            if (!years.digits || n != limit) // the last digit decides
                (n > limit ? row.answers : row.wrong).push_back(years.numbers[static_cast<std::size_t>(n)]);
        row.roles = {detail::at_text("noun", noun), detail::at_text("yy", std::to_string(year)), detail::at_end()};
        return row;
    });
}

namespace detail {

/// The prompt up to the name of the argument that is described next.
inline std::string docstring_text(std::string const& function, std::vector<std::string> const& arguments,
                                  std::vector<std::string> const& described, std::vector<std::string> const& words) {
    auto text = "\ndef " + function + "(self";
    for (auto const& argument : arguments)
        text += ", " + argument;
    text += "):\n    \"\"\"" + words[0] + ' ' + words[1] + ' ' + words[2] + "\n\n";
    for (std::size_t i = 0; i < described.size(); ++i)
        text += "    :param " + described[i] + ": " + words[3 + 2 * i] + ' ' + words[4 + 2 * i] + '\n';
    return text + "    :param";
}

/// Words drawn at random, each once.
inline std::vector<std::string> some_of(std::vector<std::string> const& words, std::size_t count, random& r) {
    std::vector<std::string> drawn;
    for (auto const i : r.sample(words.size(), count))
        drawn.push_back(words[i]);
    return drawn;
}

} // namespace detail

ENGRAFT_BODY prompt_pairs docstring(tokenizer const& t, task_options const& o) {
    // As in the source's generator: the function, the answer of another corruption, three arguments and two described
    // ones of this corruption, two of another, the three that matter, two before them and one behind.
    constexpr std::size_t drawn_names = 15;
    std::vector<std::string> left_out;
    auto const names =
        detail::one_token_words(t, detail::words_in(detail::docstring_arguments), drawn_names, "docstring", left_out);
    auto const nouns = detail::one_token_words(t, detail::words_in(detail::docstring_nouns), 7, "docstring", left_out);
    random r(o.seed);
    auto all = detail::made_of(t, o, [&](std::size_t) {
        auto const n = detail::some_of(names, drawn_names, r);
        auto words = detail::some_of(nouns, 3, r); // each of the three descriptions by itself
        for (int argument = 0; argument < 2; ++argument)
            for (auto& word : detail::some_of(nouns, 2, r))
                words.push_back(std::move(word));
        auto const &a = n[9], &b = n[10], &c = n[11];
        pair_row row{.clean = detail::docstring_text(n[0], {n[12], n[13], a, b, c, n[14]}, {a, b}, words),
                     .corrupted =
                         detail::docstring_text(n[0], {n[12], n[13], n[2], n[3], n[4], n[14]}, {n[5], n[6]}, words)};
        row.answers = {" " + c};
        for (std::size_t i = 1; i < drawn_names; ++i)
            if (n[i] != c)
                row.wrong.emplace_back(" " + n[i]);
        row.roles = {detail::at_text("a_def", ", " + a),      detail::at_text("b_def", ", " + b),
                     detail::at_text("c_def", ", " + c),      detail::at_text("a_doc", ":param " + a),
                     detail::at_text("b_doc", ":param " + b), detail::at_end()};
        return row;
    });
    all.left_out = std::move(left_out);
    return all;
}

ENGRAFT_BODY prompt_pairs gendered_pronoun(tokenizer const& t, task_options const& o) {
    std::vector<std::string> left_out;
    auto const men =
        detail::one_token_words(t, detail::words_in(detail::names_of_men), 1, "gendered-pronoun", left_out);
    auto const women =
        detail::one_token_words(t, detail::words_in(detail::names_of_women), 1, "gendered-pronoun", left_out);
    auto const templates = std::size(detail::pronoun_templates), prompts = templates * (men.size() + women.size());
    random r(o.seed);
    std::vector<std::size_t> turn;
    auto all = detail::made_of(t, o, [&](std::size_t i) {
        if (i % prompts == 0)
            turn = r.sample(prompts, prompts); // all of them once
        auto const person = turn[i % prompts] / templates;
        bool const man = person < men.size();
        auto const& name = man ? men[person] : women[person - men.size()];
        std::string const rest(detail::pronoun_templates[turn[i % prompts] % templates]);
        pair_row row{.clean = "So " + name + rest, .corrupted = "That person" + rest};
        row.answers = {man ? " he" : " she"};
        row.wrong = {man ? " she" : " he"};
        row.roles = {detail::at_text("name", name), detail::at_text("is", "is"), detail::at_end()};
        row.roles[0].corrupted = said_place{.text = "person"};
        row.roles[1].corrupted = said_place{.text = "is"};
        return row;
    });
    all.left_out = std::move(left_out);
    return all;
}

ENGRAFT_BODY prompt_pairs induction(tokenizer const& t, task_options const& o) {
    constexpr std::size_t length = 20;
    std::vector<token> usable;
    for (std::size_t i = 0; i < t.size(); ++i)
        if (auto const id = static_cast<token>(i); t.contains(id) && !t.is_special(id))
            usable.push_back(id);
    if (usable.size() < 2 * length)
        throw bad_input({"induction: this vocabulary has ", usable.size(), " tokens that are not special; ", 2 * length,
                         " are needed"});
    auto const before = t.encode("");
    random r(o.seed);
    return detail::made_of(t, o, [&](std::size_t) {
        std::vector<token> clean = before, corrupted = before;
        auto const drawn = r.sample(usable.size(), 2 * length);
        auto const last = r.below(length - 1); // of the repetition
        for (std::size_t i = 0; i < length; ++i) {
            clean.push_back(usable[drawn[i]]);
            corrupted.push_back(usable[drawn[length + i]]);
        }
        for (std::size_t i = 0; i <= last; ++i)
            for (auto* prompt : {&clean, &corrupted})
                prompt->push_back(usable[drawn[i]]);
        pair_row row{.clean = clean, .corrupted = corrupted};
        row.answers = {usable[drawn[last + 1]]};
        row.wrong = {usable[drawn[length + last + 1]]};
        auto const at = static_cast<long>(before.size() + last);
        row.roles = {{"previous", {.position = at}}, {"answer", {.position = at + 1}}, detail::at_end()};
        return row;
    });
}

ENGRAFT_BODY prompt_pairs entity_tracking(tokenizer const& t, task_options const& o) {
    auto const p = boxes::sample(t, {.examples = o.count, .seed = o.seed});
    prompt_pairs all;
    all.left_out = p.left_out;
    for (std::size_t e = 0; e < o.count; ++e) {
        prompt_pair pair{p.tokens.sequence(e), p.noise_tokens.sequence(e), {p.answers[e]}, {}, {}};
        auto const& scene = p.scenes[e];
        for (std::size_t i = 0; i < scene.objects.size(); ++i)
            if (i != scene.queried)
                pair.wrong.push_back(t.require_token(" " + scene.objects[i]));
        for (std::size_t i = 0; i < p.roles.size(); ++i)
            pair.roles.push_back({p.roles[i].name, p.roles[i].positions[e], p.noise_roles[i].positions[e]});
        engraft::detail::put_in_order(pair.roles);
        all.pairs.push_back(std::move(pair));
    }
    return all;
}

namespace detail {

struct known_task {
    std::string_view name;
    prompt_pairs (*make)(tokenizer const&, task_options const&);
};

template <name_order Order>
prompt_pairs ioi_in(tokenizer const& t, task_options const& o) {
    return ioi(t, o, Order);
}

inline constexpr known_task known_tasks[] = {
    {"ioi", ioi_in<name_order::mixed>},
    {"ioi-abba", ioi_in<name_order::abba>},
    {"ioi-baba", ioi_in<name_order::baba>},
    {"greater-than", greater_than},
    {"docstring", docstring},
    {"gendered-pronoun", gendered_pronoun},
    {"induction", induction},
    {"boxes", entity_tracking},
};

inline known_task const* find_task(std::string_view name) {
    auto const wanted = with(std::string(name), "_", "-");
    auto const* const found = std::ranges::find(known_tasks, wanted, &known_task::name);
    return found == std::end(known_tasks) ? nullptr : found;
}

inline std::string list_of_tasks() {
    std::string list;
    for (auto const& task : known_tasks)
        (list += list.empty() ? "" : ", ") += task.name;
    return list;
}

} // namespace detail

ENGRAFT_BODY std::vector<std::string> names() {
    std::vector<std::string> all;
    for (auto const& task : detail::known_tasks)
        all.emplace_back(task.name);
    return all;
}

ENGRAFT_BODY prompt_pairs sample(std::string_view name, tokenizer const& t, task_options const& o) {
    if (auto const* task = detail::find_task(name))
        return task->make(t, o);
    throw bad_input(
        {"there is no task '", engraft::detail::printable(name, 60), "'; the tasks are ", detail::list_of_tasks()});
}

} // namespace engraft::tasks

namespace engraft {

ENGRAFT_BODY prompt_pairs pairs_of(std::string const& name_or_file, tokenizer const& t, task_options const& o) {
    if (tasks::detail::find_task(name_or_file))
        return tasks::sample(name_or_file, t, o);
    std::error_code ignored;
    if (!std::filesystem::exists(name_or_file, ignored))
        throw bad_input({"there is no file and no task '", detail::printable(name_or_file, 200), "'; the tasks are ",
                         tasks::detail::list_of_tasks()});
    return read_pairs(name_or_file, t);
}

} // namespace engraft
