#include "lab_sweeps.hpp"

#include "../backend.hpp"
#include "../described.hpp"

namespace paper {

template std::vector<double> lab_of<described, example::backend>::swapped(part, std::string const&, std::string const&,
                                                                          eg::boxes::prompts const&,
                                                                          std::vector<eg::circuit> const&);
template std::vector<double> lab_of<described, example::backend>::knocked_out(std::string const&,
                                                                              eg::boxes::prompts const&,
                                                                              eg::role const&, eg::role const&);

} // namespace paper
