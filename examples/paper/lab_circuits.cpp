#include "lab_circuits.hpp"

#include "../backend.hpp"
#include "../described.hpp"

namespace paper {

template std::unique_ptr<ablation> lab_of<described, example::backend>::mean_ablation(std::string const&,
                                                                                      eg::boxes::prompts const&,
                                                                                      eg::boxes::prompts const&);
template eg::attention_report
lab_of<described, example::backend>::attention(std::string const&, eg::boxes::prompts const&, eg::circuit_group const&);

} // namespace paper
