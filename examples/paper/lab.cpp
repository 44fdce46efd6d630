#include "lab_of.hpp"

#include "../described.hpp"

namespace paper {

std::unique_ptr<lab> load_lab(std::vector<model_entry> const& models) {
    return std::make_unique<lab_of<described>>(models);
}

} // namespace paper
