#pragma once

// Loaders against bytes that somebody chose: what comes out is what was asked for or an engraft::error, whatever the
// input is. Each target is one function from an input to nothing; entry.cpp hands it to libFuzzer (the preset
// `nightly`), driver.cpp runs it over the inputs that are kept in corpus/, with any compiler.

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include <stdlib.h>
#include <unistd.h>

#include <engraft/core/error.hpp>

namespace engraft_fuzz {

void safetensors(std::string_view input);      ///< a .safetensors file
void gguf(std::string_view input);             ///< a .gguf file: metadata, description, tensors and tokenizer
void config(std::string_view input);           ///< a config.json
void tokenizer(std::string_view input);        ///< a tokenizer.json
void tokenizer_config(std::string_view input); ///< a tokenizer_config.json
void lora(std::string_view input);             ///< an adapter_config.json, a zero byte, an adapter_model.safetensors
void pairs(std::string_view input);            ///< pairs of prompts, as JSON lines and as CSV

struct target {
    std::string_view name;
    void (*use)(std::string_view input);
};

inline constexpr target targets[] = {
    {"safetensors", safetensors},           {"gguf", gguf}, {"config", config}, {"tokenizer", tokenizer},
    {"tokenizer_config", tokenizer_config}, {"lora", lora}, {"pairs", pairs}};

/// What must hold of everything that a loader lets pass. It is no engraft::error that says so if not: a finding.
inline void require(bool holds, char const* what) {
    if (!holds)
        throw std::logic_error(what);
}

/// Calls `use`, which may refuse its file in one sentence. Anything else that it throws is a finding.
/// returns whether it did not refuse it
template <class Use>
bool accepted(Use use) {
    try {
        use();
        return true;
    } catch (engraft::error const& e) {
        std::string_view const sentence = e.what();
        require(!sentence.empty() && sentence.size() <= 2000, "a message is empty or longer than 2000 bytes");
        // A file must not write to the terminal of who is told about it.
        for (char const c : sentence)
            require(static_cast<unsigned char>(c) >= ' ' && c != '\x7f', "a message has control characters");
        return false;
    }
}

/// A folder for the files of one input, gone when the program ends.
class folder {
public:
    folder() {
        // In memory where the system has such a folder: several times the inputs a second.
        std::error_code none;
        std::filesystem::path const memory = "/dev/shm";
        auto const parent =
            std::filesystem::is_directory(memory, none) && ::access(memory.c_str(), R_OK | W_OK | X_OK) == 0
                ? memory
                : std::filesystem::temp_directory_path();
        std::string name = (parent / "engraft-fuzz-XXXXXX").string();
        require(::mkdtemp(name.data()) != nullptr, "no folder for temporary files");
        path_ = name;
    }
    folder(folder const&) = delete;
    folder& operator=(folder const&) = delete;
    ~folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    static folder const& one() {
        static folder const only;
        return only;
    }

    std::filesystem::path const& path() const { return path_; }

    std::filesystem::path put(char const* name, std::string_view bytes) const {
        auto const file = path_ / name;
        std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        return file;
    }

private:
    std::filesystem::path path_;
};

} // namespace engraft_fuzz
