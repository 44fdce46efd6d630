#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <engraft/core/linkage.hpp>
#include <engraft/io/tokenizer.hpp>
#include <engraft/task/pairs.hpp>

namespace engraft {

struct task_options {
    std::size_t count = 100; ///< pairs
    std::uint64_t seed = 10;
};

/// Generators of prompts that the field knows by name. Each keeps to words that are one token of the tokenizer, names
/// the others in `left_out`, and throws bad_input when too few are left or no pair is asked for.
namespace tasks {

/// Which of the two names of the first clause is the one to be predicted: the first, the second, or either.
enum class name_order { mixed, abba, baba };

/// Indirect object identification: "Then, John and Mary went to the store. John gave a drink to" -> " Mary", not
/// " John". Corrupted ("ABC"): three other names in the same sentence. Roles: io, s1, s2, end.
/// source  Wang et al. 2023, "Interpretability in the wild"; templates, names, places and objects of its ioi_dataset.py
prompt_pairs ioi(tokenizer const& t, task_options const& o, name_order order = name_order::mixed);

/// "The war lasted from the year 1732 to the year 17" -> any of 33 to 99, none of 00 to 32. Corrupted: the first year
/// ends in 01. Years from 1102 to 1798 whose last two digits are one token; of each century, the first and the last of
/// them are left out. If digits are tokens of their own, the answers are the digits above the year's third, and the
/// wrong ones those below; years whose third digit is 0 or 9 are left out. Roles: noun, yy, end.
/// source  Hanna et al. 2023, "How does GPT-2 compute greater-than?", and its repository gpt2-greater-than
prompt_pairs greater_than(tokenizer const& t, task_options const& o);

/// A Python function with six arguments and a docstring that has described the third and the fourth: " fifth" comes
/// next. Wrong: the other arguments, of either prompt. Corrupted ("random_random"): other names in their place.
/// Roles: a_def, b_def, c_def, a_doc, b_doc, end.
/// source  Heimersheim and Janiak 2023, "A circuit for Python docstrings in a 4-layer attention-only transformer"
prompt_pairs docstring(tokenizer const& t, task_options const& o);

/// "So John is a really great friend, isn't" -> " he", not " she". Corrupted: "That person is a really great friend,
/// isn't". Five templates with ten names of men and ten of women, each used as often as the others.
/// Roles: name, is, end.
/// source  Mathwin et al. 2023, "Identifying a preliminary circuit for predicting gendered pronouns in GPT-2 small"
prompt_pairs gendered_pronoun(tokenizer const& t, task_options const& o);

/// 20 random tokens, then the first of them again up to a random one: the next is the answer. Corrupted: 20 others come
/// first. Wrong: what stands in the answer's place there. Roles: previous (the last token, the first time), answer (the
/// token behind it), end.
/// source  Olsson et al. 2022, "In-context learning and induction heads"
prompt_pairs induction(tokenizer const& t, task_options const& o);

/// Entity tracking with 7 boxes (task/boxes.hpp). Wrong: the other boxes' objects. Corrupted: the noise prompts. Roles:
/// last, query_label, previous_query_label, correct_object.
prompt_pairs entity_tracking(tokenizer const& t, task_options const& o);

/// The names that `sample` knows: ioi, ioi-abba, ioi-baba, greater-than, docstring, gendered-pronoun, induction, boxes.
std::vector<std::string> names();

/// Pairs of the task of this name; '_' may stand for '-'.
/// throws bad_input when there is no such task
prompt_pairs sample(std::string_view name, tokenizer const& t, task_options const& o);

} // namespace tasks

/// The pairs of a task: by its name, `o.count` of them; or of a file, all that it has.
/// throws bad_input when it is neither; as tasks::sample and read_pairs
prompt_pairs pairs_of(std::string const& name_or_file, tokenizer const& t, task_options const& o = {});

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/task/source/known_tasks.ipp>
#endif
