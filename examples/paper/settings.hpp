#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace paper {

/// One of the models that are compared.
struct model_entry {
    std::string name;               ///< "base"
    std::filesystem::path folder;   ///< of a checkpoint
    std::filesystem::path adapter;  ///< of a LoRA adapter to it; may be empty
    std::string published;          ///< the paper's model that it stands for, such as "Llama-7B"; may be empty
    std::vector<std::size_t> heads; ///< heads of its groups A, B, C, D by score; empty: no circuit is searched in it
};

/// What a run of the paper's experiments depends on, besides the program.
struct settings {
    std::vector<model_entry> models; ///< the base model first
    int boxes = 7;                   ///< of a prompt; the paper's
    std::uint64_t seed = 10;
    std::size_t examples = 120;   ///< prompts of an evaluation; the paper's is 500
    std::size_t repetitions = 10; ///< of activation patching; the paper's
    std::size_t random_circuits = 10;
    double threshold = 0.01; ///< of minimality; the paper's for Llama-7B

    // As the paper has them where `examples` is 500.
    std::size_t for_path_patching() const { return std::min<std::size_t>(300, examples); }
    std::size_t for_minimality() const { return std::min<std::size_t>(100, examples); }
    std::size_t for_training() const { return 2 * examples; }

    /// Share of right answers by drawing one of a prompt's objects.
    double chance() const { return 1.0 / boxes; }

    model_entry const& base() const { return models.front(); }
    std::vector<model_entry> tuned() const { return {models.begin() + 1, models.end()}; }
    /// Those in which a circuit is searched.
    std::vector<model_entry> searched() const {
        auto some = models;
        std::erase_if(some, [](model_entry const& m) { return m.heads.empty(); });
        return some;
    }
};

/// Reads the models' JSON file: {"boxes": 7, "models": [{"name": "base", "folder": "base", "adapter": "...", "paper":
/// "Llama-7B", "heads": [16, 8, 6, 4]}, ...]}; folders (or GGUF files) as the file sees them. throws bad_file, also for
/// keys that are none of these
void read_models(std::filesystem::path const& file, settings& into);

} // namespace paper
