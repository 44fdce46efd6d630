#include "lab_of.hpp"

#include "../described.hpp"

namespace paper {

template <eg::description D>
std::vector<double> lab_of<D>::follow(std::string const& name, std::vector<eg::desideratum> const& all,
                                      std::vector<eg::exchange> const& exchanges) {
    return eg::desiderata_runs<D, eg::default_backend>(of(name), all, {.progress = progress}).follow(exchanges);
}

template <eg::description D>
std::vector<eg::dcm_result> lab_of<D>::masks(std::string const& name, eg::circuit const& groups,
                                             eg::dcm_data const& data) {
    eg::dcm_options o;
    o.progress = progress;
    return eg::dcm(of(name), groups, data, o);
}

template std::vector<double> lab_of<described>::follow(std::string const&, std::vector<eg::desideratum> const&,
                                                       std::vector<eg::exchange> const&);
template std::vector<eg::dcm_result> lab_of<described>::masks(std::string const&, eg::circuit const&,
                                                              eg::dcm_data const&);

} // namespace paper
