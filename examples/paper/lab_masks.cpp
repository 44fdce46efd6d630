#include "lab_masks.hpp"

#include "../backend.hpp"
#include "../described.hpp"

namespace paper {

template std::vector<double> lab_of<described, example::backend>::follow(std::string const&,
                                                                         std::vector<eg::desideratum> const&,
                                                                         std::vector<eg::exchange> const&);
template std::vector<eg::dcm_result> lab_of<described, example::backend>::masks(std::string const&, eg::circuit const&,
                                                                                eg::dcm_data const&);

} // namespace paper
