#include "store.hpp"

#include <charconv>
#include <cmath>
#include <limits>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <engraft/core/error.hpp>
#include <engraft/core/hash.hpp>
#include <engraft/io/circuit_file.hpp>
#include <engraft/io/journal_file.hpp>
#include <engraft/io/json.hpp>
#include <engraft/io/npy.hpp>
#include <engraft/io/whole_file.hpp>

namespace paper {

namespace eg = engraft;

std::string hex(std::uint64_t hash) {
    char text[16];
    auto const end = std::to_chars(text, text + 16, hash, 16).ptr;
    return {text, end};
}

namespace {

using json = nlohmann::ordered_json;

std::uint64_t from_hex(std::string const& text, std::string const& where) {
    std::uint64_t x = 0;
    auto const [end, failed] = std::from_chars(text.data(), text.data() + text.size(), x, 16);
    if (failed != std::errc() || text.size() > 16 || end != text.data() + text.size() || text.empty())
        throw eg::bad_file(where, "a hash is no hexadecimal number; delete this file to begin anew");
    return x;
}

// JSON has no number that is none.
json number(double x) { return std::isfinite(x) ? json(x) : json(nullptr); }
json numbers(std::vector<double> const& list) {
    json all = json::array();
    for (double const x : list)
        all.push_back(number(x));
    return all;
}

double number(nlohmann::json const& x, std::string const& where) {
    return x.is_null() ? std::numeric_limits<double>::quiet_NaN() : eg::as_number(x, "a number", where);
}

/// Reads what `json_of` writes.
class reader {
public:
    explicit reader(std::string where) : where_(std::move(where)) {}

    auto const& at(nlohmann::json const& object, char const* key) const {
        auto const found = object.find(key);
        if (!object.is_object() || found == object.end())
            throw eg::bad_file(where_, {"'", key, "' is missing; delete this file to have it made again"});
        return *found;
    }
    std::string text(nlohmann::json const& object, char const* key) const {
        return eg::as_string(at(object, key), key, where_);
    }
    double real(nlohmann::json const& object, char const* key) const { return number(at(object, key), where_); }
    std::vector<double> list(nlohmann::json const& object, char const* key) const {
        std::vector<double> all;
        for (auto const& x : eg::as_array(at(object, key), key, where_))
            all.push_back(number(x, where_));
        return all;
    }
    std::vector<std::string> texts(nlohmann::json const& object, char const* key) const {
        std::vector<std::string> all;
        for (auto const& x : eg::as_array(at(object, key), key, where_))
            all.push_back(eg::as_string(x, key, where_));
        return all;
    }
    auto const& array(nlohmann::json const& object, char const* key) const {
        return eg::as_array(at(object, key), key, where_);
    }
    /// The object has these keys and no other.
    void only(nlohmann::json const& object, std::initializer_list<std::string_view> known) const {
        eg::require_only(object, known, where_);
    }
    std::string const& where() const { return where_; }

private:
    std::string where_;
};

char const* const kinds[] = {"lines", "points", "bars", "map"};
char const* const rules[] = {"near", "at_least", "at_most"};

template <class Enum, std::size_t N>
Enum named(char const* const (&names)[N], std::string const& name, std::string const& where) {
    for (std::size_t i = 0; i < N; ++i)
        if (name == names[i])
            return static_cast<Enum>(i);
    throw eg::bad_file(where, {"'", name, "' is not known; delete this file to have it made again"});
}

json json_of(report::figure const& f) {
    json all = json::array(), levels = json::array();
    for (auto const& s : f.all) {
        json pale = json::array();
        for (bool const p : s.pale)
            pale.push_back(p);
        all.push_back({{"name", s.name},
                       {"x", numbers(s.x)},
                       {"y", numbers(s.y)},
                       {"error", numbers(s.error)},
                       {"pale", pale},
                       {"published", s.published}});
    }
    for (auto const& l : f.levels)
        levels.push_back({{"name", l.name}, {"y", number(l.y)}});
    return {{"name", f.name},
            {"title", f.title},
            {"kind", kinds[static_cast<std::size_t>(f.how)]},
            {"x_label", f.x_label},
            {"y_label", f.y_label},
            {"series", all},
            {"categories", f.categories},
            {"rows", f.rows},
            {"values", numbers(f.values)},
            {"levels", levels},
            {"least", number(f.least)},
            {"most", number(f.most)},
            {"diagonal", f.diagonal},
            {"width", f.width},
            {"height", f.height}};
}

report::figure figure_of(nlohmann::json const& j, reader const& r) {
    r.only(j, {"name", "title", "kind", "x_label", "y_label", "series", "categories", "rows", "values", "levels",
               "least", "most", "diagonal", "width", "height"});
    report::figure f{.name = r.text(j, "name"), .title = r.text(j, "title")};
    if (!report::detail::is_file_name(f.name))
        throw eg::bad_file(r.where(), {"a figure's files can't be named '", eg::detail::printable(f.name), "'"});
    f.how = named<report::figure::kind>(kinds, r.text(j, "kind"), r.where());
    f.x_label = r.text(j, "x_label"), f.y_label = r.text(j, "y_label");
    for (auto const& s : r.array(j, "series")) {
        r.only(s, {"name", "x", "y", "error", "pale", "published"});
        report::series one{
            .name = r.text(s, "name"), .x = r.list(s, "x"), .y = r.list(s, "y"), .error = r.list(s, "error")};
        for (auto const& p : r.array(s, "pale"))
            one.pale.push_back(eg::as_bool(p, "pale", r.where()));
        one.published = eg::as_bool(r.at(s, "published"), "published", r.where());
        f.all.push_back(std::move(one));
    }
    f.categories = r.texts(j, "categories"), f.rows = r.texts(j, "rows"), f.values = r.list(j, "values");
    for (auto const& l : r.array(j, "levels")) {
        r.only(l, {"name", "y"});
        f.levels.push_back({r.text(l, "name"), r.real(l, "y")});
    }
    f.least = r.real(j, "least"), f.most = r.real(j, "most");
    f.diagonal = eg::as_bool(r.at(j, "diagonal"), "diagonal", r.where());
    f.width = static_cast<int>(eg::require_int(j, "width", r.where(), 100, 4000));
    f.height = static_cast<int>(eg::require_int(j, "height", r.where(), 100, 4000));
    return f;
}

json json_of(report::findings const& f) {
    json tables = json::array(), figures = json::array(), comparisons = json::array(), arrays = json::array(),
         settings = json::array();
    for (auto const& [name, value] : f.settings)
        settings.push_back({name, value});
    for (auto const& t : f.tables) {
        json rows = json::array();
        for (auto const& row : t.rows) {
            json cells = json::array();
            for (auto const& c : row)
                if (auto const* x = std::get_if<double>(&c))
                    cells.push_back(number(*x));
                else
                    cells.push_back(std::get<std::string>(c));
            rows.push_back(std::move(cells));
        }
        tables.push_back({{"caption", t.caption}, {"columns", t.columns}, {"rows", rows}});
    }
    for (auto const& one : f.figures)
        figures.push_back(json_of(one));
    for (auto const& c : f.comparisons)
        comparisons.push_back({{"statement", c.statement},
                               {"here", number(c.here)},
                               {"rule", rules[static_cast<std::size_t>(c.rule)]},
                               {"there", number(c.there)},
                               {"tolerance", c.tolerance},
                               {"agrees", c.agrees()}});
    for (auto const& a : f.arrays)
        arrays.push_back({{"file", a.name + ".npy"}, {"shape", a.shape}});
    return {{"name", f.name},
            {"title", f.title},
            {"method", f.method},
            {"settings", settings},
            {"comparisons", comparisons},
            {"tables", tables},
            {"figures", figures},
            {"arrays", arrays},
            {"planned_flops", f.planned_flops},
            {"counted_flops", f.counted_flops},
            {"gradient_flops", f.gradient_flops}};
}

/// Its arrays are in files of their own, and not read.
report::findings findings_of(nlohmann::json const& j, reader const& r) {
    r.only(j, {"name", "title", "method", "settings", "comparisons", "tables", "figures", "arrays", "planned_flops",
               "counted_flops", "gradient_flops"});
    report::findings f{.name = r.text(j, "name"), .title = r.text(j, "title"), .method = r.text(j, "method")};
    for (auto const& s : r.array(j, "settings")) {
        auto const& pair = eg::as_array(s, "settings", r.where());
        if (pair.size() != 2)
            throw eg::bad_file(r.where(), "each of 'settings' must be a pair of texts");
        f.settings.emplace_back(eg::as_string(pair[0], "settings", r.where()),
                                eg::as_string(pair[1], "settings", r.where()));
    }
    for (auto const& c : r.array(j, "comparisons")) {
        r.only(c, {"statement", "here", "rule", "there", "tolerance", "agrees"});
        f.comparisons.push_back({r.text(c, "statement"), r.real(c, "here"),
                                 named<report::relation>(rules, r.text(c, "rule"), r.where()), r.real(c, "there"),
                                 r.real(c, "tolerance")});
        if (f.comparisons.back().agrees() != eg::as_bool(r.at(c, "agrees"), "agrees", r.where()))
            throw eg::bad_file(r.where(), {"'agrees' is not what the numbers of '",
                                           eg::detail::printable(f.comparisons.back().statement), "' say"});
    }
    for (auto const& t : r.array(j, "tables")) {
        r.only(t, {"caption", "columns", "rows"});
        report::table table{r.text(t, "caption"), r.texts(t, "columns"), {}};
        for (auto const& row : r.array(t, "rows")) {
            table.rows.emplace_back();
            for (auto const& c : eg::as_array(row, "row", r.where()))
                if (c.is_string())
                    table.rows.back().push_back(c.get<std::string>());
                else
                    table.rows.back().push_back(number(c, r.where()));
            if (table.rows.back().size() > table.columns.size())
                throw eg::bad_file(r.where(), {"a table of ", table.columns.size(), " columns has a row of ",
                                               table.rows.back().size()});
        }
        f.tables.push_back(std::move(table));
    }
    for (auto const& one : r.array(j, "figures"))
        f.figures.push_back(figure_of(one, r));
    f.planned_flops = r.real(j, "planned_flops"), f.counted_flops = r.real(j, "counted_flops"),
    f.gradient_flops = r.real(j, "gradient_flops");
    return f;
}

/// Whether the manifest names a file where the store writes some: results/NAME or circuits/NAME.
bool is_inside(std::string_view path) {
    for (std::string_view const folder : {"results/", "circuits/"})
        if (path.starts_with(folder))
            return report::detail::is_file_name(path.substr(folder.size()));
    return false;
}

} // namespace

folder_lock::folder_lock(std::filesystem::path const& folder) {
    auto const name = (folder / "lock").string();
    file_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
    struct ::stat about {};
    bool const locked = file_ >= 0 && ::fstat(file_, &about) == 0 && S_ISREG(about.st_mode);
    if (!locked || ::flock(file_, LOCK_EX | LOCK_NB) != 0) {
        bool const taken = locked && errno == EWOULDBLOCK;
        if (file_ >= 0)
            ::close(file_);
        if (taken)
            throw eg::bad_input({"another run is working in the folder ", folder.string(),
                                 "; wait until it has ended, or name another folder with --out"});
        throw eg::bad_input({"the folder ", folder.string(), " can't be locked: ", name,
                             " must be an ordinary file that can be written"});
    }
}
folder_lock::~folder_lock() { ::close(file_); }

store::store(std::filesystem::path folder) : folder_(std::move(folder)) {
    std::error_code failed;
    for (auto const* part : {"results", "circuits", "figures"}) {
        std::filesystem::create_directories(folder_ / part, failed);
        if (failed)
            throw eg::bad_input({"the folder ", (folder_ / part).string(), " can't be made: ", failed.message()});
    }
    lock_ = std::make_unique<folder_lock>(folder_);
    read_manifest();
}

bool store::has(std::string const& experiment, std::uint64_t inputs) const {
    auto const found = entries_.find(experiment);
    if (found == entries_.end() || found->second.inputs != inputs)
        return false;
    std::error_code ignored;
    for (auto const& [name, hash] : found->second.files)
        if (!std::filesystem::is_regular_file(folder_ / name, ignored) || eg::hash_of_files(folder_ / name) != hash)
            return false;
    return true;
}

std::uint64_t store::hash_of(std::string const& experiment) const {
    auto const found = entries_.find(experiment);
    if (found == entries_.end())
        throw eg::bad_input({"the experiment ", experiment, " has no results yet"});
    eg::hasher h;
    for (auto const& [name, hash] : found->second.files)
        h.add(name).add(hash);
    return h.value();
}

report::findings store::found(std::string const& experiment) const {
    auto const name = "results/" + experiment + ".json";
    auto const file = folder_ / name;
    auto found = findings_of(eg::read_json(file), reader(file.string()));
    require_as_written(name);
    if (found.name != experiment)
        throw eg::bad_file(file.string(), {"these are the results of '", eg::detail::printable(found.name), "'"});
    return found;
}

double store::seconds(std::string const& experiment) const {
    auto const found = entries_.find(experiment);
    return found == entries_.end() ? 0 : found->second.seconds;
}

void store::begin(std::string const& experiment) {
    entries_.erase(experiment);
    running_ = {};
}

void store::add_file(entry& e, std::string const& name) const { e.files[name] = eg::hash_of_files(folder_ / name); }

/// The file that was read must be the one in the manifest, because results that depend on it are stored under its hash.
void store::require_as_written(std::string const& name) const {
    auto const written_by = [&](entry const& e) { return e.files.contains(name); };
    auto const* of = written_by(running_) ? &running_ : nullptr;
    for (auto const& [experiment, e] : entries_)
        if (!of && written_by(e))
            of = &e;
    if (!of || eg::hash_of_files(folder_ / name) != of->files.at(name))
        throw eg::bad_file((folder_ / name).string(), "this is not the file that an experiment of this folder has "
                                                      "written; run the same command again to make it anew");
}

void store::write_circuit(std::string const& name, eg::circuit const& c) {
    auto const file = "circuits/" + name + ".json";
    eg::write_circuit(folder_ / file, c);
    add_file(running_, file);
}

void store::finish(report::findings const& found, std::uint64_t inputs, double seconds) {
    for (auto const& a : found.arrays) {
        auto const file = "results/" + a.name + ".npy";
        eg::write_npy(folder_ / file, a.shape, std::span<double const>(a.values));
        add_file(running_, file);
    }
    auto const file = "results/" + found.name + ".json";
    write(file, json_of(found).dump(1) + "\n");
    add_file(running_, file);
    running_.inputs = inputs, running_.seconds = seconds;
    entries_[found.name] = std::move(running_);
    running_ = {};
    write_manifest();
}

eg::circuit store::circuit(std::string const& name) const {
    auto const file = "circuits/" + name + ".json";
    auto found = eg::read_circuit(folder_ / file, eg::group_order::as_written);
    require_as_written(file);
    return found;
}

void store::write(std::string const& file, std::string const& text) const {
    eg::write_whole_file(folder_ / file, text);
}

void store::read_manifest() {
    auto const file = folder_ / "manifest.json";
    std::error_code failed;
    if (auto const what = std::filesystem::symlink_status(file, failed);
        what.type() == std::filesystem::file_type::not_found)
        return;
    auto const manifest = eg::read_json(file);
    reader const r(file.string());
    r.only(manifest, {"experiments"});
    for (auto const& [name, e] : eg::as_object(r.at(manifest, "experiments"), "experiments", r.where())) {
        r.only(e, {"inputs", "seconds", "files"});
        entry one{from_hex(r.text(e, "inputs"), r.where()), r.real(e, "seconds"), {}};
        for (auto const& [path, hash] : eg::as_object(r.at(e, "files"), "files", r.where())) {
            if (!is_inside(path))
                throw eg::bad_file(r.where(),
                                   {"'", eg::detail::printable(path), "' is not a file that this folder may have"});
            one.files[path] = from_hex(eg::as_string(hash, "files", r.where()), r.where());
        }
        entries_[name] = std::move(one);
    }
}

void store::write_manifest() const {
    json experiments = json::object();
    for (auto const& [name, e] : entries_) {
        json files = json::object();
        for (auto const& [path, hash] : e.files)
            files[path] = hex(hash);
        experiments[name] = {{"inputs", hex(e.inputs)}, {"seconds", e.seconds}, {"files", files}};
    }
    write("manifest.json", json{{"experiments", experiments}}.dump(1) + "\n");
}

} // namespace paper
