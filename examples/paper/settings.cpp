#include "settings.hpp"

#include <set>

#include <engraft/core/error.hpp>
#include <engraft/io/json.hpp>

namespace paper {

namespace eg = engraft;

void read_models(std::filesystem::path const& file, settings& into) {
    auto const where = file.string();
    auto const document = eg::read_json(file);
    eg::as_object(document, "the file of models", where);
    eg::require_only(document, {"boxes", "models"}, where);
    if (eg::find_value(document, "boxes", where))
        into.boxes =
            static_cast<int>(eg::require_int(document, "boxes", where, 3, 12)); // desiderata take two scenes' labels
    auto const path_of = [&](std::string const& name) {
        return name.empty() ? std::filesystem::path() : (file.parent_path() / name).lexically_normal();
    };
    std::vector<model_entry> all;
    std::set<std::string> names;
    for (auto const& entry : eg::require_array(document, "models", where)) {
        eg::require_only(entry, {"name", "folder", "adapter", "paper", "heads"}, where);
        model_entry m{eg::require_string(entry, "name", where),
                      path_of(eg::require_string(entry, "folder", where)),
                      path_of(eg::string_or(entry, "adapter", where, "")),
                      eg::string_or(entry, "paper", where, ""),
                      {}};
        // Files are named after it.
        if (m.name.empty() || m.name.size() > 60 ||
            m.name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") !=
                std::string::npos)
            throw eg::bad_file(where, {"a model's name has at most 60 letters, digits and -, but is '",
                                       eg::detail::printable(m.name), "'"});
        if (!names.insert(m.name).second)
            throw eg::bad_file(where, {"two models are called '", m.name, "'"});
        if (eg::find_value(entry, "heads", where)) {
            for (auto const& count : eg::require_array(entry, "heads", where))
                m.heads.push_back(static_cast<std::size_t>(eg::as_int(count, "heads", where, 1, 1 << 20)));
            if (m.heads.size() != 4)
                throw eg::bad_file(where,
                                   {"'heads' of '", m.name, "' must be four numbers, those of heads in groups A, B, ",
                                    "C and D, but there are ", m.heads.size()});
        }
        if (entry.contains("adapter") && m.adapter.empty())
            throw eg::bad_file(where, {"'adapter' of '", m.name, "' is empty; leave it out if there is none"});
        if (eg::detail::printable(m.published) != m.published)
            throw eg::bad_file(where, {"'paper' of '", m.name, "' must be a short name, but is '",
                                       eg::detail::printable(m.published), "'"});
        all.push_back(std::move(m));
    }
    if (all.size() < 2 || all.front().heads.empty())
        throw eg::bad_file(where, "there must be a base model with 'heads' first, and a tuned one");
    into.models = std::move(all);
}

} // namespace paper
