// What a model folder says about its model, as the description that a program states: to be pasted, or to be included
// by way of the CMake function engraft_describe.
// refused: nowhere

#include <fstream>
#include <iomanip>
#include <iostream>
#include <sstream>

#include <engraft/backend/cpu/cpu.hpp>
#include <engraft/core/numeric.hpp>
#include <engraft/io/checkpoint.hpp>
#include <engraft/io/config.hpp>
#include <engraft/io/model_files.hpp>
#include <engraft/io/weight_reader.hpp>
#include <engraft/io/whole_file.hpp>
#include <engraft/model/description_text.hpp>
#include <engraft/model/families.hpp>

#include "program.hpp"

namespace eg = engraft;

namespace {

/// A line of /proc/self/status such as "VmRSS:", in bytes; Linux only.
double memory_of_this_program(std::string const& line) {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;)
        if (double kilobytes = 0; word == line && status >> kilobytes)
            return 1024 * kilobytes;
    throw eg::bad_input("--load needs /proc/self/status, which this system does not have");
}

std::string megabytes(double bytes) {
    std::ostringstream text;
    text << std::fixed << std::setprecision(1) << bytes / 1e6 << " MB";
    return text.str();
}

/// Reads all weights as load<D> does, into the memory of the cpu backend, and says what that takes.
example::json load(std::string const& folder, eg::description const& d) {
    using backend = eg::cpu<eg::fp32>;
    static constexpr eg::description any{}; // what is read is decided by `d`; the type is the same for all
    using weights = eg::weights<any, backend>;

    double const before = memory_of_this_program("VmRSS:");
    std::size_t elements = 0, stored = 0, tensors = 0;
    auto const read = eg::with_family(d.family, [&](auto family) {
        auto const from = eg::detail::open_model(folder, d).tensors;
        for (auto const& name : from.names()) {
            if (family.derived(d, name).holds != eg::derived_tensor::content::none)
                continue; // which is not read
            ++tensors;
            elements += from.size(name);
            stored += from.at(name).stored->bytes.size();
        }
        return eg::detail::read_weights<decltype(family), weights>(d, from, backend(1), eg::detail::no_adapter{});
    });
    double const resident = memory_of_this_program("VmRSS:") - before,
                 highest = memory_of_this_program("VmHWM:") - before,
                 held = static_cast<double>(elements * sizeof(backend::value_type));

    std::cout << "\n// " << tensors << " tensors, " << megabytes(static_cast<double>(stored)) << " in the files, "
              << megabytes(held) << " as fp32\n// resident for them " << megabytes(resident) << ", "
              << std::setprecision(3) << resident / held << " x these; while reading at most " << megabytes(highest)
              << " with the pages of the files\n";
    return {{"tensors", tensors},           {"stored_bytes", stored},     {"weight_bytes", held},
            {"blocks", read.blocks.size()}, {"resident_bytes", resident}, {"highest_bytes", highest},
            {"ratio", resident / held}};
}

} // namespace

int main(int argc, char** argv) {
    example::options app("Prints the description of the model in a folder as C++.", "describe");
    std::string folder, name, header;
    bool load_too = false;
    app.add("folder", folder, "Folder with config.json and, for --load, the weights; or a GGUF file").required();
    app.add("--name", name, "Name of the variable and of the description; otherwise made of the folder's name");
    app.add("--header", header, "Write a header with the description to this file instead of printing it");
    app.flag("--load", load_too, "Load the weights, and say how much memory they take");

    return example::run(app, argc, argv, [&] {
        auto d = eg::read_config(folder);
        if (!name.empty()) {
            if (name != eg::cpp_identifier(name))
                throw eg::bad_input({"'", name, "' is no name of a variable; try '", eg::cpp_identifier(name), "'"});
            d.name = eg::short_text(std::string_view(name));
        }
        auto const text = eg::cpp_text(d, name.empty() ? eg::cpp_identifier(d.name) : name);
        if (header.empty()) {
            std::cout << text;
        } else {
            eg::write_whole_file(header,
                                 "#pragma once\n\n#include <engraft/model/description.hpp>\n\n" + text +
                                     // of a target that is linked with a library of these passes: cmake/describe.cmake
                                     "\n#if defined(ENGRAFT_PASSES_OF_" + name +
                                     ") && !defined(__CUDACC__)\n#include <engraft/passes.hpp>\n"
                                     "ENGRAFT_PASSES(extern template, " +
                                     name + ", engraft::default_backend)\n#endif\n");
        }

        example::json numbers{{"name", std::string_view(d.name)}};
        eg::for_each_field([&](char const* field, auto eg::description::*member) {
            if constexpr (std::is_enum_v<std::remove_cvref_t<decltype(d.*member)>>)
                numbers[field] = eg::name_of(d.*member);
            else if constexpr (std::is_convertible_v<decltype(d.*member), std::string_view>)
                numbers[field] = std::string_view(d.*member);
            else
                numbers[field] = d.*member;
        });
        if (load_too)
            numbers["load"] = load(folder, d);
        return numbers;
    });
}
