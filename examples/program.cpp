#include "program.hpp"

#include <cassert>
#include <exception>
#include <fstream>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

namespace example {

json::json(std::initializer_list<json> all) {
    auto const has_key = [](json const& part) {
        return part.kind_ == kind::array && part.parts_.size() == 2 && part.parts_[0].kind_ == kind::text;
    };
    if (!std::all_of(all.begin(), all.end(), has_key)) {
        kind_ = kind::array;
        parts_ = all;
        return;
    }
    kind_ = kind::object;
    for (auto const& part : all)
        (*this)[part.parts_[0].text_] = part.parts_[1];
}

json& json::operator[](std::string_view key) {
    if (kind_ == kind::nothing)
        kind_ = kind::object;
    assert(kind_ == kind::object);
    if (auto const there = std::find(keys_.begin(), keys_.end(), key); there != keys_.end())
        return parts_[static_cast<std::size_t>(there - keys_.begin())];
    keys_.emplace_back(key);
    return parts_.emplace_back();
}

void json::push_back(json part) {
    if (kind_ == kind::nothing)
        kind_ = kind::array;
    assert(kind_ == kind::array);
    parts_.push_back(std::move(part));
}

template <class Json>
Json json::as() const {
    switch (kind_) {
    case kind::nothing:
        return nullptr;
    case kind::truth:
        return whole_ != 0;
    case kind::whole:
        return static_cast<std::int64_t>(whole_);
    case kind::natural:
        return whole_;
    case kind::real:
        return real_;
    case kind::text:
        return text_;
    case kind::array:
    case kind::object:
        break;
    }
    Json made = kind_ == kind::array ? Json::array() : Json::object();
    for (std::size_t i = 0; i < parts_.size(); ++i)
        if (kind_ == kind::array)
            made.push_back(parts_[i].as<Json>());
        else
            made[keys_[i]] = parts_[i].as<Json>();
    return made;
}

std::string json::text() const { return as<nlohmann::ordered_json>().dump(2); }

option option::with_default() {
    option_->capture_default_str();
    return *this;
}
option option::required() {
    option_->required();
    return *this;
}
option option::expected(int count) {
    option_->expected(count);
    return *this;
}
option option::expected(int least, int most) {
    option_->expected(least, most);
    return *this;
}
option option::delimiter(char between) {
    option_->delimiter(between);
    return *this;
}
option option::in_one_word() {
    option_->allow_extra_args(false);
    return *this;
}
option option::positive() {
    option_->check(CLI::PositiveNumber);
    return *this;
}
option option::not_negative() {
    option_->check(CLI::NonNegativeNumber);
    return *this;
}
option option::between(int least, int most) {
    option_->check(CLI::Range(least, most));
    return *this;
}
option option::between(double least, double most) {
    option_->check(CLI::Range(least, most));
    return *this;
}
option option::one_of(std::vector<std::string> const& words) {
    option_->check(CLI::IsMember(words));
    return *this;
}

options::options(std::string const& about, std::string const& program)
    : app_(std::make_unique<CLI::App>(about, program)) {}
options::~options() = default;

template <class T>
option options::add(std::string const& name, T& to, std::string const& about) {
    return option(*app_->add_option(name, to, about));
}
template option options::add(std::string const&, std::string&, std::string const&);
template option options::add(std::string const&, int&, std::string const&);
template option options::add(std::string const&, std::size_t&, std::string const&);
template option options::add(std::string const&, double&, std::string const&);
template option options::add(std::string const&, std::vector<std::string>&, std::string const&);
template option options::add(std::string const&, std::vector<std::size_t>&, std::string const&);
template option options::add(std::string const&, std::vector<double>&, std::string const&);

option options::flag(std::string const& name, bool& to, std::string const& about) {
    return option(*app_->add_flag(name, to, about));
}

std::vector<std::string> words_of(std::string const& file) {
    std::ifstream in(file);
    if (!in)
        throw engraft::bad_file(file, "can't be opened");
    std::vector<std::string> words;
    for (std::string word; in >> word;)
        words.push_back(word);
    if (words.empty())
        throw engraft::bad_file(file, "there are no words in it");
    return words;
}

void write_json(std::string const& file, json const& found) {
    auto const unfinished = file + ".part";
    {
        std::ofstream out(unfinished);
        out << found.text() << '\n';
        out.flush();
        if (!out)
            throw engraft::bad_input("cannot write " + unfinished + "; is the folder there, and is there space?");
    }
    std::error_code failed;
    std::filesystem::rename(unfinished, file, failed);
    if (failed)
        throw engraft::bad_input("cannot rename " + unfinished + " to " + file + ": " + failed.message());
}

int run(options& all, int argc, char** argv, std::function<json()> const& work) {
    auto& app = *all.app_;
    std::string json_file;
    app.add_option("--json", json_file, "Write the numbers to this file as JSON");
    app.failure_message(
        [](CLI::App const*, CLI::Error const& e) { return std::string(e.what()) + "; --help lists the options\n"; });
    try {
        app.parse(argc, argv);
    } catch (CLI::ParseError const& e) {
        return app.exit(e) == 0 ? 0 : 2;
    }
    try {
        json const found = work();
        if (!json_file.empty())
            write_json(json_file, found);
        return 0;
    } catch (engraft::error const& e) {
        std::cerr << app.get_name() << ": " << e.what() << '\n';
    } catch (std::bad_alloc const&) {
        std::cerr << app.get_name() << ": there is not enough memory for this; take fewer examples\n";
    } catch (std::exception const& e) {
        std::cerr << app.get_name() << ": " << e.what() << '\n';
    }
    return 2;
}

} // namespace example
