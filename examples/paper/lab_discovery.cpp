#include "lab_discovery.hpp"

#include "../backend.hpp"
#include "../described.hpp"

namespace paper {

template eg::discovery lab_of<described, example::backend>::discover(std::string const&, eg::boxes::prompts const&,
                                                                     std::vector<std::size_t> const&);

} // namespace paper
