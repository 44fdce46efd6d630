#include "published.hpp"

#include <limits>

#include <engraft/io/json.hpp>

namespace paper {

namespace {

std::string joined(std::initializer_list<std::string> keys) {
    std::string path;
    for (auto const& key : keys)
        path += "/" + key;
    return path;
}

} // namespace

published::published(std::filesystem::path const& file) {
    auto const where = file.string();
    auto const add = [&](auto const& self, std::string const& path, nlohmann::json const& value) -> void {
        if (value.is_object())
            for (auto const& [key, inner] : engraft::as_object(value, path, where))
                self(self, path + "/" + key, inner);
        else if (value.is_array())
            for (auto const& item : engraft::as_array(value, path, where))
                lists_[path].push_back(engraft::as_number(item, path, where));
        else if (path == "/source")
            source_ = engraft::as_string(value, path, where);
        else if (!value.is_null())
            numbers_[path] = engraft::as_number(value, path, where);
    };
    add(add, "", engraft::read_json(file));
}

double published::operator()(std::initializer_list<std::string> keys) const {
    auto const found = numbers_.find(joined(keys));
    return found == numbers_.end() ? std::numeric_limits<double>::quiet_NaN() : found->second;
}

std::vector<double> published::list(std::initializer_list<std::string> keys) const {
    auto const found = lists_.find(joined(keys));
    return found == lists_.end() ? std::vector<double>{} : found->second;
}

} // namespace paper
