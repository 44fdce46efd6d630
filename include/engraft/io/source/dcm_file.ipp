#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/dcm_file.hpp>
#include <engraft/io/json.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/source/circuit_file.ipp>
#include <engraft/io/whole_file.hpp>

namespace engraft {

namespace detail {

/// A number as short as tells any two doubles apart.
inline std::string exact(double x) {
    char text[32];
    auto const end = std::to_chars(text, text + sizeof text, x).ptr;
    return {text, end};
}

inline std::string exact(std::vector<double> const& numbers) {
    std::string text = "[";
    for (std::size_t i = 0; i < numbers.size(); ++i)
        text += (i ? ", " : "") + exact(numbers[i]);
    return text + "]";
}

inline std::vector<double> read_numbers(nlohmann::json const& object, std::string_view name, std::string const& where) {
    std::vector<double> numbers;
    for (auto const& x : require_array(object, name, where))
        numbers.push_back(as_number(x, name, where));
    return numbers;
}

} // namespace detail

ENGRAFT_BODY void write_dcm_state(std::filesystem::path const& path, dcm_state const& state) {
    using detail::exact;
    std::string text =
        "{\n \"of\": " + detail::quoted(state.of) + ",\n \"step\": " + std::to_string(state.step) + ",\n \"masks\": [";
    for (std::size_t i = 0; i < state.masks.size(); ++i) {
        auto const& m = state.masks[i];
        text +=
            (i ? ",\n  {" : "\n  {") + ("\"group\": " + detail::quoted(m.group)) +
            ", \"desideratum\": " + detail::quoted(m.desideratum) + ",\n   \"parameters\": " + exact(m.now.parameters) +
            ",\n   \"first\": " + exact(m.now.optimizer.first) + ",\n   \"second\": " + exact(m.now.optimizer.second) +
            ",\n   \"steps\": " + std::to_string(m.now.optimizer.steps) + ", \"loss\": " + exact(m.loss) +
            ", \"best_accuracy\": " + exact(m.best_accuracy) + ",\n   \"best\": " + exact(m.best) +
            ",\n   \"relaxed\": " + exact(m.relaxed) + "}";
    }
    write_whole_file(path, text + "\n ]\n}\n");
}

ENGRAFT_BODY dcm_state read_dcm_state(std::filesystem::path const& path) {
    auto const where = path.string();
    auto const document = read_json(path);
    constexpr std::int64_t most = std::int64_t{1} << 40;
    require_only(document, {"of", "step", "masks"}, where);
    dcm_state state{require_string(document, "of", where),
                    static_cast<std::size_t>(require_int(document, "step", where, 0, most)),
                    {}};
    for (auto const& entry : require_array(document, "masks", where)) {
        require_only(entry,
                     {"group", "desideratum", "parameters", "first", "second", "steps", "loss", "best_accuracy", "best",
                      "relaxed"},
                     where);
        dcm_mask m{require_string(entry, "group", where), require_string(entry, "desideratum", where), {}, {}, {}};
        m.now.parameters = detail::read_numbers(entry, "parameters", where);
        m.now.optimizer = {detail::read_numbers(entry, "first", where), detail::read_numbers(entry, "second", where),
                           static_cast<std::size_t>(require_int(entry, "steps", where, 0, most))};
        m.loss = require_number(entry, "loss", where);
        m.best_accuracy = require_number(entry, "best_accuracy", where);
        m.best = detail::read_numbers(entry, "best", where);
        m.relaxed = detail::read_numbers(entry, "relaxed", where);
        state.masks.push_back(std::move(m));
    }
    return state;
}

ENGRAFT_BODY void write_masks(std::filesystem::path const& path, std::vector<mask_record> const& masks) {
    std::vector<std::string> groups;
    for (auto const& m : masks)
        if (std::find(groups.begin(), groups.end(), m.group) == groups.end())
            groups.push_back(m.group);
    std::string text;
    for (auto const& group : groups) {
        std::string of_group;
        std::vector<std::string> seen;
        for (auto const& m : masks) {
            if (m.group != group)
                continue;
            if (std::find(seen.begin(), seen.end(), m.desideratum) != seen.end())
                throw bad_input({"masks with the desideratum `", m.desideratum, "` twice in the group `", group,
                                 "` can't be written"});
            if (!detail::is_name(group) || !detail::is_name(m.desideratum))
                throw bad_input({"a mask can't be written whose group or desideratum does not have 1 to 120 bytes, or ",
                                 "has control characters: '", detail::printable(group, 40), "'"});
            seen.push_back(m.desideratum);
            std::string heads;
            for (auto const& n : m.heads)
                heads += (heads.empty() ? "[" : ", [") + std::to_string(n.layer) + ", " + std::to_string(n.head) + "]";
            of_group += (of_group.empty() ? "\n  " : ",\n  ") + detail::quoted(m.desideratum) + ": {\"heads\": [" +
                        heads + "],\n   \"mask\": " + detail::exact(m.mask) +
                        ",\n   \"test_accuracy\": " + detail::exact(m.test_accuracy) + "}";
        }
        text += (text.empty() ? "{\n " : ",\n ") + detail::quoted(group) + ": {" + of_group + "\n }";
    }
    if (text.empty())
        throw bad_input("no masks are given to be written");
    write_whole_file(path, text + "\n}\n");
}

ENGRAFT_BODY std::vector<mask_record> read_masks(std::filesystem::path const& path) {
    std::vector<mask_record> records;
    auto const document = read_json(path, nullptr, results_size_limit);
    for (auto const& [group, entry] : as_object(document, "the file of masks", path.string())) {
        auto const in_group = path.string() + ": " + detail::printable(group);
        for (auto const& [desideratum, learnt] : as_object(entry, group, in_group)) {
            auto const where = in_group + ": " + detail::printable(desideratum);
            require_only(learnt, {"heads", "mask", "test_accuracy"}, where);
            mask_record record{require_name(group, "a group's name", in_group),
                               require_name(desideratum, "a desideratum's name", in_group),
                               {},
                               detail::read_heads(require_value(learnt, "heads", where), where),
                               as_accuracy(require_value(learnt, "test_accuracy", where), "test_accuracy", where)};
            for (auto const& weight : require_array(learnt, "mask", where))
                record.mask.push_back(as_number(weight, "mask", where));
            records.push_back(std::move(record));
        }
    }
    return records;
}

} // namespace engraft
