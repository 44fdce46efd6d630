// Arrays in NumPy's format and circuits in JSON: what is written is read again, and damaged files are refused.

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "../catch.hpp"
#include "../temporary_folder.hpp"
#include "io_attack.hpp"

#include <engraft/io/circuit_file.hpp>
#include <engraft/io/npy.hpp>

namespace {

namespace fs = std::filesystem;
using namespace engraft;
using Catch::Matchers::ContainsSubstring;

using folder = temporary_folder;

/// A file with this header, not padded, and these bytes.
std::string npy(std::string const& header, std::string const& bytes, char major = 1) {
    std::string text = "\x93NUMPY";
    text += {major, '\0', static_cast<char>(header.size() % 256), static_cast<char>(header.size() / 256)};
    if (major > 1)
        text += std::string(2, '\0');
    return text + header + bytes;
}

template <class T>
std::string bytes_of(std::vector<T> const& values) {
    std::string bytes(values.size() * sizeof(T), '\0');
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
}

std::string const six = bytes_of(std::vector<float>{1, 2, 3, 4, 5, 6.5});

} // namespace

TEST_CASE("npy files that numpy wrote are read") {
    auto const table = read_npy<float>(fs::path(ENGRAFT_PAPER_DATA) / "llama/path_patching/value_fetcher.npy");
    CHECK(table.shape == std::vector<std::size_t>{32, 32});
    // numpy.load(...): [0, 0], [14, 27] and [31, 31]
    CHECK(table.values[0] == -3.4083000173268374e-06f);
    CHECK(table.values[14 * 32 + 27] == -0.08257466554641724f);
    CHECK(table.values[31 * 32 + 31] == -0.0012123234337195754f);
}

TEST_CASE("npy files are written as numpy writes them, and read again") {
    folder const here;
    auto const path = here.path / "a.npy";
    std::vector<float> const floats{1, -2.5f, 3e-40f, NAN, INFINITY, 6};
    write_npy<float>(path, {2, 1, 3}, floats);
    auto const text = engraft_test::contents(path);
    // numpy.save of that shape: the header fills 128 bytes.
    CHECK(text.size() == 128 + 24);
    CHECK(text.substr(10, 62) == "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1, 3), }");
    CHECK(text[127] == '\n');
    auto const again = read_npy<float>(path);
    CHECK(again.shape == std::vector<std::size_t>{2, 1, 3});
    CHECK(bytes_of(again.values) == bytes_of(floats));

    write_npy<double>(path, {3}, std::vector{0.1, -1e300, 5.0});
    CHECK_THAT(engraft_test::contents(path), ContainsSubstring("'shape': (3,), }"));
    CHECK(read_npy<double>(path).values == std::vector{0.1, -1e300, 5.0});
    CHECK_THROWS_AS(read_npy<float>(path), bad_file);        // -1e300 is no float
    CHECK_THROWS_AS(read_npy<std::int64_t>(path), bad_file); // and no integer

    write_npy<std::int64_t>(path, {}, std::vector{std::int64_t(-7)});
    CHECK(read_npy<std::int64_t>(path).shape.empty());
    CHECK(read_npy<double>(path).values == std::vector{-7.0});
    write_npy<double>(path, {4, 0}, std::vector<double>{});
    CHECK(read_npy<double>(path).shape == std::vector<std::size_t>{4, 0});

    CHECK_THROWS_WITH(write_npy<double>(path, {4}, std::vector{1.0}), ContainsSubstring("takes 32 bytes, but 8"));
    CHECK_THROWS_AS(write_npy<double>(here.path / "none" / "a.npy", {1}, std::vector{1.0}), bad_input);
    CHECK(read_npy<double>(path).shape == std::vector<std::size_t>{4, 0}); // as before
}

TEST_CASE("the forms of an npy header") {
    folder const here;
    auto const shape = [&](std::string const& text) { return npy_file(here.write("a.npy", text)).tensor().shape; };
    std::vector<std::size_t> const two_three{2, 3};
    CHECK(shape(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }  \n", six)) == two_three);
    CHECK(shape(npy("{\"shape\":(2,3,),'fortran_order':False,'descr':'<f4'}", six)) == two_three); // any order
    CHECK(shape(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", six, 2)) == two_three);
    CHECK(shape(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", six, 3)) == two_three);
    // Of one dimension, both orders are the same. A header longer than 127 bytes has a length with its high bit set.
    CHECK(shape(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (6,)}" + std::string(150, ' '), six)).size() ==
          1);
}

TEST_CASE("npy files that are damaged or of another kind are refused") {
    folder const here;
    auto const refuses = [&](std::string const& text, std::string const& because) {
        INFO(because);
        CHECK_THROWS_WITH(npy_file(here.write("a.npy", text)), ContainsSubstring(because));
    };
    auto const header = [](std::string const& type, std::string const& order, std::string const& shape) {
        return "{'descr': " + type + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
    };
    auto const good = npy(header("'<f4'", "False", "(2, 3)"), six);
    CHECK_NOTHROW(npy_file(here.write("a.npy", good)));
    refuses(good.substr(0, 3), "does not begin with");
    refuses("PK\3\4 a zip archive", "does not begin with");
    refuses(good.substr(0, 9), "ends inside its npy header");
    refuses(good.substr(0, 30), "bytes, but the file ends after 20");
    refuses(good.substr(0, good.size() - 1), "takes 24 bytes, but the file has 23");
    refuses(good + '\0', "takes 24 bytes, but the file has 25");
    refuses(npy(header("'<f4'", "False", "(2, 3)"), six, 4), "version 4.0");
    refuses(npy(header("'>f4'", "False", "(2, 3)"), six), "'>f4' is not read");
    refuses(npy(header("'|O'", "False", "(2, 3)"), six), "'|O' is not read");
    refuses(npy(header("[('a', '<f4')]", "False", "(6,)"), six), "records");
    refuses(npy(header("'<f4'", "True", "(2, 3)"), six), "column-major");
    refuses(npy(header("'<f4'", "Maybe", "(2, 3)"), six), "True or False");
    refuses(npy(header("'<f4'", "False", "(2, -3)"), six), "a dimension is missing");
    refuses(npy(header("'<f4'", "False", "(6)"), six), "has a comma");
    refuses(npy(header("'<f4'", "False", "(2, 3"), six), "a dimension is missing");
    refuses(npy(header("'<f4'", "False", "(99999999999999999999, 3)"), six), "too large");
    refuses(npy(header("'<f4'", "False", "(4611686018427387904, 4)"), six), "but the file has 24");
    refuses(npy(header("'<f4'", "False", "(2, 3)") + "{}", six), "something follows");
    refuses(npy("{'descr': '<f4', 'shape': (2, 3)}", six), "is missing");
    refuses(npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}", six), "stands twice");
    refuses(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'x': 1}", six), "'x' is unknown");
}

TEST_CASE("damaged npy files are refused or read whole") {
    folder const here;
    std::vector<float> const values(12, 1.5f);
    write_npy<float>(here.path / "a.npy", {3, 4}, values);
    int const refused = engraft_test::attack(here.path / "a.npy", 100, 2000, 11, [](std::string const& path) {
        auto const a = read_npy<double>(path);
        std::size_t size = 1;
        for (auto const n : a.shape)
            size *= n;
        if (size != a.values.size())
            throw std::logic_error("an array with other elements than its shape has");
    });
    CHECK(refused > 1000);
}

TEST_CASE("circuits are written and read again, groups in their order") {
    folder const here;
    auto const path = here.path / "c.json";
    circuit const c{{{"z \"quoted\"", "last", {{3, 1}, {0, 20}}}, {"a\\b", "first", {}}, {"m", "last", {{7, 7}}}}};
    write_circuit(path, c);
    CHECK(read_circuit(path, group_order::as_written) == c);
    auto const sorted = read_circuit(path);
    CHECK(sorted.groups.size() == 3);
    CHECK(sorted.groups[0].name == "a\\b");
    CHECK_THROWS_AS(write_circuit(path, {}), bad_input);
    CHECK_THROWS_AS(write_circuit(path, {{{"a", "last", {}}, {"a", "first", {}}}}), bad_input);
    CHECK_THROWS_AS(write_circuit(path, {{{"a", "last", {{0, 1}, {0, 1}}}}}), bad_input);
    // Names that a program could not print.
    for (auto const& name : {std::string("two\nlines"), std::string("\x1B[2J"), std::string("\xC2\x9B"), std::string(),
                             std::string(121, 'n')}) {
        CHECK_THROWS_AS(write_circuit(path, {{{name, "last", {}}}}), bad_input);
        CHECK_THROWS_AS(write_circuit(path, {{{"a", name, {}}}}), bad_input);
    }
    CHECK(read_circuit(path, group_order::as_written) == c); // as before
    CHECK_THROWS_WITH(read_circuit(here.write("d.json", R"({"a\u001b[2J": {"role": "last", "heads": []}})")),
                      ContainsSubstring("a group's name must have 1 to 120 bytes and no control characters"));
    CHECK_THROWS_WITH(read_circuit(here.write("d.json", R"({"a": {"role": "last\n", "heads": []}})")),
                      ContainsSubstring("a role must have"));
    CHECK_THROWS_WITH(read_circuit(here.write("d.json", R"({"a": {"role": "last", "heads": [], "head": 1}})")),
                      ContainsSubstring("'head' is "));
    CHECK_THROWS_WITH(read_circuit(here.write("d.json", R"({"a": {"role": "last", "heads": [[0, 1], [0, 1]]}})")),
                      ContainsSubstring("head [0, 1] stands twice"));
    CHECK_THROWS_AS(read_circuit(here.write("d.json", R"({"a": {"role": "last", "heads": [[0, 1, 2]]}})")), bad_file);
    CHECK_THROWS_AS(read_circuit(here.write("d.json", R"({"a": {"heads": [[0, 1]]}})")), bad_file);
    CHECK_THROWS_WITH(
        read_circuit(here.write("d.json", R"({"a": {"role": "last", "heads": [[0, 1]], "Heads": [[0, 2]]}})")),
        ContainsSubstring("a: 'Heads' is an array of 1, but no such key is read here; known are 'role', 'heads'"));
    int const refused =
        engraft_test::attack(path, 200, 1000, 12, [](std::string const& damaged) { read_circuit(damaged); });
    CHECK(refused > 500);
}
