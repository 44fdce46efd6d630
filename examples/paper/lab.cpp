#include "lab_of.hpp"

#include "../pair/pair.hpp"

namespace paper {

std::unique_ptr<lab> load_lab(std::vector<model_entry> const& models) {
    return std::make_unique<lab_of<pair_model>>(models);
}

} // namespace paper
