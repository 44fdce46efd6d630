#include "program.hpp"

#include <atomic>
#include <cassert>
#include <charconv>
#include <cmath>
#include <csignal>
#include <exception>
#include <new>
#include <set>
#include <sstream>
#include <system_error>

#include <fcntl.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <engraft/io/mapped_file.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/whole_file.hpp>

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
option option::one_of(std::vector<std::string> const& words) {
    option_->check(CLI::IsMember(words));
    return *this;
}

option option::each_once() {
    auto const check = [seen = std::set<std::string>()](std::string const& value) mutable {
        return seen.insert(value).second ? std::string() : "'" + value + "' is given twice";
    };
    option_->check(check, "each once");
    return *this;
}

namespace {

std::string shown(std::integral auto x) { return std::to_string(x); }
std::string shown(double x) { return engraft::detail::number_text(x); }

/// All of the text is the number. T's own form of it replaces the text: what CLI11 reads is then what was checked.
template <class T>
std::string read_number(std::string& text, between<T> within) {
    T x{};
    auto const [end, failed] = std::from_chars(text.data(), text.data() + text.size(), x);
    if (failed != std::errc() || end != text.data() + text.size() || !(within.least <= x && x <= within.most))
        return "'" + text + "' is not " + (std::integral<T> ? "a whole number" : "a number") + " from " +
               shown(within.least) + " to " + shown(within.most);
    if constexpr (std::integral<T>)
        text = shown(x);
    return {};
}

template <class T>
CLI::Option* checked(CLI::Option* o, between<T> within) {
    return o->transform(CLI::Validator([within](std::string& text) { return read_number(text, within); },
                                       "from " + shown(within.least) + " to " + shown(within.most)));
}

CLI::Option* not_empty(CLI::Option* o) {
    return o->check([](std::string const& text) { return text.empty() ? std::string("the text is empty") : ""; }, "");
}

/// What is said when the program can't go on and must not allocate: in a signal's handler, or without memory. Texts
/// stay for as long as the program.
std::atomic<std::string const*> said_when_stopped = nullptr, said_without_memory = nullptr;

void say(std::string_view rest) {
    while (!rest.empty()) {
        auto const written = ::write(STDERR_FILENO, rest.data(), rest.size());
        if (written <= 0)
            return;
        rest.remove_prefix(static_cast<std::size_t>(written));
    }
}

extern "C" void example_stopped(int signal) {
    if (auto const* text = said_when_stopped.load())
        say(*text);
    ::signal(signal, SIG_DFL);
    ::raise(signal); // so that who started the program sees what ended it
}

/// Wherever it happens, also before `run` and where no exception can be caught.
[[noreturn]] void without_memory() {
    auto const* text = said_without_memory.load();
    say(text ? std::string_view(*text) : "there is not enough memory to begin\n");
    ::_exit(2);
}
[[maybe_unused]] auto const before_without_memory = std::set_new_handler(without_memory);

std::string name_of_program; // what begins each message

/// Who started the program may have closed its output. The next file to be opened would then take its place, and what
/// is printed would go there.
void occupy_standard_files() {
    for (int const file : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (::fcntl(file, F_GETFD) < 0)
            ::open("/dev/null", O_RDONLY); // to write to it fails, as it did before
}

void handle_signals() {
    for (int const signal : {SIGINT, SIGTERM}) {
        struct sigaction action {};
        if (::sigaction(signal, nullptr, &action) != 0 || action.sa_handler == SIG_IGN)
            continue;
        action.sa_handler = example_stopped;
        action.sa_flags = SA_RESTART | SA_NODEFER;
        ::sigaction(signal, &action, nullptr);
    }
}

void write_json(std::string const& file, json const& found) { engraft::write_whole_file(file, found.text() + '\n'); }

void flush_output() {
    std::cout.flush();
    if (!std::cout)
        throw engraft::bad_input("what was printed could not be written: is there space, or was the output closed?");
}

} // namespace

void keep(std::string const& what) {
    static auto& texts = *new std::vector<std::unique_ptr<std::string>>; // a handler may still read them at the end
    auto const* const clear = isatty(STDERR_FILENO) ? "\r\033[K" : "";
    texts.push_back(
        std::make_unique<std::string>(clear + engraft::one_line(name_of_program + ": stopped; " + what) + '\n'));
    said_when_stopped = texts.back().get();
}

options::options(std::string const& about, std::string const& program)
    : app_(std::make_unique<CLI::App>(about, program)) {}
options::~options() = default;

option options::add(std::string const& name, std::string& to, std::string const& about) {
    return option(*not_empty(app_->add_option(name, to, about)));
}
option options::add(std::string const& name, std::vector<std::string>& to, std::string const& about) {
    return option(*not_empty(app_->add_option(name, to, about)));
}

template <class T>
option options::add(std::string const& name, T& to, std::type_identity_t<between<T>> within, std::string const& about) {
    return option(*checked(app_->add_option(name, to, about), within));
}
template <class T>
option options::add(std::string const& name, std::vector<T>& to, std::type_identity_t<between<T>> within,
                    std::string const& about) {
    return option(*checked(app_->add_option(name, to, about), within));
}
template option options::add(std::string const&, int&, between<int>, std::string const&);
template option options::add(std::string const&, std::size_t&, between<std::size_t>, std::string const&);
template option options::add(std::string const&, double&, between<double>, std::string const&);
template option options::add(std::string const&, std::vector<std::size_t>&, between<std::size_t>, std::string const&);
template option options::add(std::string const&, std::vector<double>&, between<double>, std::string const&);

option options::flag(std::string const& name, bool& to, std::string const& about) {
    return option(*app_->add_flag(name, to, about));
}

std::vector<std::string> words_of(std::string const& file) {
    engraft::mapped_file const opened(file);
    std::istringstream in{std::string(opened.text())};
    std::vector<std::string> words;
    std::set<std::string> seen;
    for (std::string word; in >> word; words.push_back(word))
        if (!seen.insert(word).second)
            throw engraft::bad_file(file, {"the word '", engraft::detail::printable(word), "' stands twice in it"});
    if (words.empty())
        throw engraft::bad_file(file, "there are no words in it");
    return words;
}

int run(options& all, int argc, char** argv, std::function<json()> const& work) {
    auto& app = *all.app_;
    occupy_standard_files();
    name_of_program = app.get_name();
    static std::string const no_memory =
        name_of_program + ": there is not enough memory for this; take fewer examples\n";
    said_without_memory = &no_memory;
    keep("nothing is kept");
    handle_signals();

    auto const refuse = [](std::string const& what) {
        std::cerr << name_of_program << ": " << engraft::one_line(what) << '\n';
        return 2;
    };
    std::string json_file;
    not_empty(app.add_option("--json", json_file, "Write the numbers to this file as JSON"));
    try {
        bool help = false;
        try {
            app.parse(argc, argv);
        } catch (CLI::Success const& e) {
            help = true;
            app.exit(e);
        }
        if (!help) {
            json const found = work();
            if (!json_file.empty())
                write_json(json_file, found);
        }
        flush_output();
        return 0;
    } catch (CLI::ParseError const& e) {
        return refuse(std::string(e.what()) + "; --help lists the options");
    } catch (engraft::error const& e) {
        return refuse(e.what());
    } catch (std::filesystem::filesystem_error const& e) {
        return refuse(e.path1().string() + ": " + e.code().message());
    } catch (std::system_error const& e) { // for one, a thread that could not be started
        return refuse("the system refused something that this needs: " + e.code().message());
    } catch (std::length_error const&) {
        say(no_memory);
        return 2;
    } catch (std::bad_alloc const&) {
        say(no_memory);
        return 2;
    } catch (std::exception const& e) {
        return refuse(std::string("this is a fault of the program: ") + e.what());
    }
}

} // namespace example
