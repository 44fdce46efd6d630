#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include <engraft/intervene/donor.hpp>

namespace engraft {

/// A donor: activations of a finished run, each example's from an example of it that is named; at the same layer and
/// head, and at the places that `from_run` takes. So one run of 32 prompts can serve a batch that has each of them
/// twelve times.
template <site From, source_run Run>
struct picked_run {
    using is_donor = void;
    Run run;
    std::vector<std::size_t> examples; ///< of the run, one for each example of the batch

    void add_to(hasher& h) const { h.add(From::name).add(examples); }

    template <description const& D, class Backend, site S>
    static constexpr void check() {
        detail::run_donor_check<S, From, Run>::template check<D, Backend>();
        static_assert(S::kind != site_kind::pattern,
                      "engraft [picked.pattern]: attention patterns belong to one prompt's positions; take z or result "
                      "of other examples instead");
    }

    /// throws missing_activation when the run did not keep a layer or position, bad_input when the batch has another
    /// number of examples or the run lacks one that is named
    template <description const& D, site S>
    picked_run const& bind(ragged const& rows, selection const& chosen) const {
        if (examples.size() != rows.examples())
            throw bad_input({"engraft [source.examples]: examples of the source run are named for ", examples.size(),
                             " examples, this run has ", rows.examples()});
        for (auto e : examples)
            if (e >= run.rows().examples())
                throw bad_input({"engraft [source.examples]: example ", e, " of the source run is named; it has ",
                                 run.rows().examples()});
        detail::require_source_places(chosen, rows, run.rows(), examples);
        detail::require_kept(run[From{}], chosen);
        return *this;
    }

    auto const* elements(int layer) const { return run.elements(From{}, layer); }

    std::size_t offset(selection::place const& at, std::size_t head, std::size_t) const {
        auto const example = examples[at.example];
        return run[From{}].offset(example, run.rows().position(example, at.source_position), head);
    }
};

/// picked(site, run, examples): a donor for `mask`; see `picked_run`.
template <site S, source_run Run>
auto picked(S, Run const& run, std::vector<std::size_t> examples) {
    detail::require_holds<Run, S>();
    return picked_run<S, Run>{run, std::move(examples)};
}

} // namespace engraft
