#pragma once

// What experiments do with models, whatever these are: the calls of engraft that depend on a description stand in
// lab_of.hpp and are compiled once for each description, the experiments only once.

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <engraft/circuit/attention_report.hpp>
#include <engraft/circuit/circuit.hpp>
#include <engraft/circuit/dcm.hpp>
#include <engraft/circuit/path_patching.hpp>
#include <engraft/task/boxes.hpp>
#include <engraft/task/desiderata.hpp>

#include "settings.hpp"

namespace paper {

namespace eg = engraft;

/// What of a head is taken from another model.
enum class part { z, q, k, v };

/// FLOPs of sweeps, as planned and as counted while they ran, and those of gradients, as planned. Single runs of a
/// model are not counted.
struct cost {
    double planned = 0, counted = 0, gradients = 0;
    double kept = 0;   ///< most bytes that runs keep at one time, as planned; weights not included
    double tables = 0; ///< most bytes of a sweep's tables, as planned
};

/// Circuits measured by mean ablation, in one model on some prompts.
class ablation {
public:
    virtual ~ablation() = default;

    /// F(Cir) of each circuit: all else has its mean. beside: a circuit like them, so that less is computed.
    virtual std::vector<double> each(std::vector<eg::circuit> const& circuits, eg::circuit const& beside) = 0;
    /// F(M without K) for each K; nothing for K is F(M).
    virtual std::vector<double> without(std::vector<eg::circuit> const& nodes) = 0;

    double whole() { return without({eg::circuit{}}).front(); }
};

class lab {
public:
    virtual ~lab() = default;

    virtual int layers() const = 0;
    virtual int heads() const = 0;
    virtual std::string described() const = 0;

    /// Prompts of the boxes task, for the models' tokenizer.
    virtual eg::boxes::prompts prompts(std::size_t examples, std::uint64_t seed) const = 0;

    /// Share of right answers.
    virtual double accuracy(std::string const& model, eg::boxes::prompts const& p) = 0;

    /// The paper's search by path patching: as many heads in groups A, B, C and D as `counts` says.
    virtual eg::discovery discover(std::string const& model, eg::boxes::prompts const& p,
                                   std::vector<std::size_t> const& counts) = 0;

    /// Accuracy of `into` with each set of groups taken from the model `from`, on the same prompts (CMAP).
    virtual std::vector<double> swapped(part what, std::string const& into, std::string const& from,
                                        eg::boxes::prompts const& p, std::vector<eg::circuit> const& sets) = 0;

    /// Accuracy with attention from one role to another blocked in layers l, l + 1, ..., for each l.
    virtual std::vector<double> knocked_out(std::string const& model, eg::boxes::prompts const& p, eg::role const& from,
                                            eg::role const& to) = 0;

    /// Means are over the noise prompts of `mean_prompts`.
    virtual std::unique_ptr<ablation> mean_ablation(std::string const& model, eg::boxes::prompts const& p,
                                                    eg::boxes::prompts const& mean_prompts) = 0;

    /// Average attention of a group's heads from its role to the task's roles, and to the segment of the box asked for.
    virtual eg::attention_report attention(std::string const& model, eg::boxes::prompts const& p,
                                           eg::circuit_group const& group) = 0;

    /// Triples of each hypothesis, for the models' tokenizer.
    virtual std::vector<eg::desideratum> desiderata(std::vector<eg::boxes::hypothesis> const& all, std::size_t examples,
                                                    std::uint64_t seed) const = 0;

    /// Share of examples that follow the target under each exchange of z by itself.
    virtual std::vector<double> follow(std::string const& model, std::vector<eg::desideratum> const& all,
                                       std::vector<eg::exchange> const& exchanges) = 0;

    /// Masks of each group for each desideratum, trained.
    virtual std::vector<eg::dcm_result> masks(std::string const& model, eg::circuit const& groups,
                                              eg::dcm_data const& data) = 0;

    cost used;                            ///< since it was last set to {}
    std::function<void(double)> progress; ///< called with the share of a call's work that is done
};

/// The models of the settings, which must be of the description that this program was compiled for. throws bad_model
std::unique_ptr<lab> load_lab(settings const& chosen);
/// The same with models of which only the configuration is read. Experiments on them are planned: `used` tells what
/// they would take, and their numbers mean nothing. Groups of heads are taken to be spread over the layers.
/// throws bad_file, bad_model
std::unique_ptr<lab> plan_lab(settings const& chosen);
/// FLOPs per second of products like those of the description's MLP, of 512 rows, measured for about a second.
double speed_of_products();

} // namespace paper
