#include "results.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/io/json.hpp>
#include <engraft/io/printable.hpp>

namespace example {

using namespace engraft;
using engraft::detail::printable;

namespace {

/// The head that a key "layer.head" names.
node head_named(std::string_view key, std::string const& where) {
    auto const number = [&](std::string_view text) {
        int value = -1;
        auto const [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
        bool const plain = text == "0" || (!text.empty() && text[0] >= '1' && text[0] <= '9');
        return plain && failed == std::errc() && end == text.data() + text.size() && value <= 1 << 20 ? value : -1;
    };
    auto const dot = std::min(key.find('.'), key.size());
    node const head{number(key.substr(0, dot)), number(key.substr(std::min(dot + 1, key.size())))};
    if (head.layer < 0 || head.head < 0)
        throw bad_file(where,
                       {"'", printable(key, 40), "' names no head; a head is written layer.head, such as 15.13"});
    return head;
}

std::vector<double> accuracies(nlohmann::json const& value, std::string_view name, std::string const& where,
                               double most = 1) {
    std::vector<double> list;
    for (auto const& item : as_array(value, name, where))
        list.push_back(as_accuracy(item, name, where, most));
    if (list.empty())
        throw bad_file(where, {"'", printable(name), "' has no accuracies"});
    return list;
}

std::string head_text(node head) { return std::to_string(head.layer) + "." + std::to_string(head.head); }

minimality_record read_minimality_group(std::string const& group, nlohmann::json const& entry,
                                        std::string const& where) {
    minimality_record record{require_name(group, "a group's name", where), {}, 0, {}};
    constexpr auto judged = "accuracy_without_K_and_without_K_and_v";
    require_only(entry, {"removed_with", "size_of_K", judged}, where);
    auto const& table = require_object(entry, "removed_with", where);
    std::map<node, nlohmann::json const*> lines;
    for (auto const& [key, line] : table)
        lines.emplace(head_named(key, where), &line);
    for (auto const& [head, line] : lines)
        record.pairs.heads.push_back(head);
    if (lines.empty())
        throw bad_file(where, "'removed_with' has no heads");
    for (auto const& [v, line] : lines) {
        auto const name = "removed_with " + head_text(v);
        if (as_object(*line, name, where).size() != lines.size())
            throw bad_file(where, {"'", name, "' has ", line->size(), " heads, but there are ", lines.size()});
        for (auto const w : record.pairs.heads)
            record.pairs.values.push_back(
                as_accuracy(require_value(*line, head_text(w), where + ": " + name), name, where));
    }
    record.partners = static_cast<std::size_t>(
        require_int(entry, "size_of_K", where, 0, static_cast<std::int64_t>(record.pairs.heads.size())));

    auto const& judgements = require_object(entry, judged, where);
    if (judgements.size() != lines.size())
        throw bad_file(where, {"'", judged, "' has ", judgements.size(), " heads, but there are ", lines.size()});
    for (auto const v : record.pairs.heads) {
        auto const both = accuracies(require_value(entry[judged], head_text(v), where + ": " + judged), judged, where);
        if (both.size() != 2)
            throw bad_file(where,
                           {"'", judged, "' must have two accuracies for ", head_text(v), ", but has ", both.size()});
        record.lines.push_back({v, both[0], both[1]});
    }
    return record;
}

} // namespace

std::vector<minimality_record> read_minimality(std::filesystem::path const& path) {
    std::vector<minimality_record> records;
    auto const document = read_json(path, nullptr, results_size_limit);
    for (auto const& [group, entry] : as_object(document, "the minimality file", path.string()))
        records.push_back(read_minimality_group(group, entry, path.string() + ": " + printable(group)));
    return records;
}

std::vector<patching_record> read_patching(std::filesystem::path const& path) {
    std::vector<patching_record> records;
    auto const document = read_json(path, nullptr, results_size_limit);
    for (auto const& [model, groups] : as_object(document, "the file of accuracies", path.string()))
        for (auto const& [group, desiderata] : as_object(groups, model, path.string()))
            for (auto const& [desideratum, list] : as_object(desiderata, group, path.string()))
                records.push_back({require_name(model, "a model's name", path.string()),
                                   require_name(group, "a group's name", path.string()),
                                   require_name(desideratum, "a desideratum's name", path.string()),
                                   accuracies(list, model + "." + group + "." + desideratum, path.string(), 100)});
    return records;
}

std::vector<knockout_record> read_knockouts(std::filesystem::path const& path) {
    std::vector<knockout_record> records;
    auto const document = read_json(path, nullptr, results_size_limit);
    for (auto const& [edge, list] : as_object(document, "the file of accuracies", path.string()))
        records.push_back({require_name(edge, "an edge's name", path.string()), accuracies(list, edge, path.string())});
    return records;
}

} // namespace example
