#include "lab_of.hpp"

#include "../described.hpp"

namespace paper {

namespace {

template <eg::description D>
class ablation_of : public ablation {
public:
    ablation_of(eg::mean_ablation<D, eg::default_backend> f, lab& owner) : f_(std::move(f)), owner_(owner) {}

    std::vector<double> each(std::vector<eg::circuit> const& circuits, eg::circuit const& beside) override {
        return counted(f_.each(circuits, beside));
    }
    std::vector<double> without(std::vector<eg::circuit> const& nodes) override { return counted(f_.without(nodes)); }

private:
    std::vector<double> counted(eg::sweep_result const& found) {
        owner_.used.planned += found.planned.flops.total(), owner_.used.counted += found.counted.total();
        return eg::mean_over_examples(found);
    }

    eg::mean_ablation<D, eg::default_backend> f_;
    lab& owner_;
};

} // namespace

template <eg::description D>
std::unique_ptr<ablation> lab_of<D>::mean_ablation(std::string const& name, eg::boxes::prompts const& p,
                                                   eg::boxes::prompts const& mean_prompts) {
    auto const means = eg::mean_activations(of(name), mean_prompts.noise_tokens, eg::z);
    eg::mean_ablation<D, eg::default_backend> f(of(name), p.tokens, {p.roles.begin(), p.roles.end()}, means,
                                                {eg::accuracy(p.answers)}, {.sweep = options()});
    return std::make_unique<ablation_of<D>>(std::move(f), *this);
}

template <eg::description D>
eg::attention_report lab_of<D>::attention(std::string const& name, eg::boxes::prompts const& p,
                                          eg::circuit_group const& group) {
    std::vector<eg::attention_target> targets;
    for (auto const& role : p.roles)
        targets.push_back(eg::attention_target::of(role));
    auto const segments = eg::boxes::segments(*words_, p);
    eg::attention_target own{"own segment", {}};
    for (std::size_t e = 0; e < p.scenes.size(); ++e)
        own.positions.push_back(segments[p.scenes[e].queried][e]);
    targets.push_back(std::move(own));
    return eg::attention_from(of(name), p.tokens, p.role(group.role), group.heads, targets);
}

template std::unique_ptr<ablation> lab_of<described>::mean_ablation(std::string const&, eg::boxes::prompts const&,
                                                                    eg::boxes::prompts const&);
template eg::attention_report lab_of<described>::attention(std::string const&, eg::boxes::prompts const&,
                                                           eg::circuit_group const&);

} // namespace paper
