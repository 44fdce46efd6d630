#pragma once

// What the example programs run on: prompts of the boxes task, of another task that the field knows, or of a file. The
// bodies are in prompts.cpp.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <engraft/io/tokenizer.hpp>
#include <engraft/task/boxes.hpp>

#include "program.hpp"

namespace example {

/// Prompts with what is known of them. Example i of the noise prompts belongs to example i of the prompts.
struct prompts {
    std::string task;                              ///< "boxes", the name of another task, or a file
    std::string about;                             ///< "300 prompts of 7 boxes, seed 10"
    engraft::batch tokens, noise_tokens;           ///< clean and corrupted
    std::vector<engraft::role> roles, noise_roles; ///< where they stand in either; the same names
    std::vector<engraft::token> answers;
    std::vector<engraft::token> wrong; ///< one of each example; none where the task says none
    std::size_t left_out = 0;          ///< words of the task that are not one token here

    /// Positions of the part of each prompt that tells of the box asked for, and of the parts that tell of the others;
    /// empty unless the task is boxes.
    std::vector<std::vector<long>> own_segment{}, other_segments{};

    std::size_t examples() const { return answers.size(); }
    /// throws bad_input when the task has no such role
    engraft::role const& role(std::string_view name) const;
    /// The role, with its positions in the noise prompts for policies that take activations from there. throws as
    /// `role`
    engraft::role with_source(std::string_view name) const;
    /// The role that stands at the last token of every prompt, where the answer is read.
    /// throws bad_input when there is none
    engraft::role const& last_role() const;
};

/// Tells prompts apart, with all that is known of them: what a journal is about.
std::uint64_t hash_of(prompts const& p);

/// Which prompts a program is to run on. Boxes unless its options say otherwise.
struct task {
    std::string name = "boxes"; ///< or a file
    engraft::boxes::options boxes{};
    std::string objects_file{};

    /// Adds --task, --examples, --seed, --boxes and --objects. about: what the examples are for
    void add_to(options& app, std::string const& about);
    /// Adds --task, --boxes and --objects only. least_boxes: in a prompt
    void add_name_to(options& app, int least_boxes = 2);

    bool is_boxes() const { return name == "boxes"; }
    /// `boxes`, with the objects of the file. throws bad_file as `words_of`
    engraft::boxes::options boxes_options() const;
    /// Of boxes or another task, `boxes.examples` of them, drawn by `boxes.seed`; of a file, the first
    /// `boxes.examples`.
    /// throws bad_input for options of boxes with another task, and as boxes::sample and pairs_of
    prompts sample(engraft::tokenizer const& t) const;
};

/// The prompts as a program's numbers begin with them: how many, the seed, and the task or, for boxes, their number.
json json_of(task const& t, prompts const& p);

} // namespace example
