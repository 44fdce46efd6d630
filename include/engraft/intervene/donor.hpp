#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include <engraft/core/random.hpp>
#include <engraft/intervene/slices.hpp>

namespace engraft {

/// Two models' hook points that fit into each other: as many heads, and slices of the same width.
template <class Target, class Source>
concept same_shape = std::is_same_v<typename Target::shape, typename Source::shape> && Target::heads == Source::heads;

/// Where new values of an activation come from: a run, a run with its examples exchanged, means over runs. A donor has
///
///   Donor::template check<D, Backend, S>()      static_asserts: does it fit a site of a model
///   donor.template bind<D, S>(rows, selection)  checked for a batch: what it returns has
///       bound.elements(layer)                   where the donor's elements of a layer begin
///       bound.offset(place, head, width)        where a slice begins in them; what it refuses, it refuses of all heads
///                                               of a place
/// and, where a sweep's journal is to know its numbers, such as a seed: donor.add_to(hasher)
template <class D>
concept donor = std::move_constructible<D> && requires {
    typename D::is_donor;
};

namespace detail {

template <class Source, site S>
constexpr void require_holds() {
    static_assert(Source::template holds<S>,
                  "engraft [cache.site]: the source run did not keep this site; add capture(site) to that run");
}

/// One line per rule that everything which takes activations from elsewhere has.
template <description const& D, class Backend, class Source>
constexpr void check_source() {
    static_assert(std::is_same_v<typename Backend::memory_type, typename Source::backend_type::memory_type> &&
                      std::is_same_v<typename Backend::value_type, typename Source::backend_type::value_type>,
                  "engraft [source.backend]: the source run's activations live in another backend's memory or numbers; "
                  "run both models on one kind of backend");
}

/// 0, 1, 2, ...: each example's source is the example of the same number.
inline std::vector<std::size_t> same_examples(std::size_t count) {
    std::vector<std::size_t> all(count);
    std::iota(all.begin(), all.end(), std::size_t(0));
    return all;
}

inline void require_examples(ragged const& of_source, ragged const& rows) {
    if (of_source.examples() != rows.examples())
        throw bad_input({"engraft [source.examples]: the source run has ", of_source.examples(),
                         " examples, this run has ", rows.examples(), "; example i is taken from example i"});
}

/// The layers of what is chosen were kept.
template <class Kept>
void require_kept(Kept const& kept, selection const& chosen) {
    for (std::size_t layer = 0; layer < chosen.heads.size(); ++layer)
        if (chosen.chooses(layer))
            kept.require_layer(static_cast<int>(layer));
}

inline void require_width(std::size_t of_source, std::size_t here, std::size_t example, char const* site) {
    if (of_source != here)
        throw bad_input({"engraft [source.length]: ", site, " of example ", example, " is ", here,
                         " wide in this run and ", of_source,
                         " in the source run; attention patterns can only be taken from an example of the same "
                         "length"});
}

template <site To, site From, source_run Run>
struct run_donor_check {
    template <description const& D, class Backend>
    static constexpr void check() {
        static_assert(To::kind == From::kind && To::in_block == From::in_block,
                      "engraft [patch.kind]: these sites hold different things, such as a contribution and the stream "
                      "that it is added to, or stand in blocks and outside; take the activation from a site of the "
                      "same kind");
        static_assert(
            has_site<Run::model, From> && same_shape<hook_point<D, To>, hook_point<Run::model, From>>,
            "engraft [swap.same_shape]: the site has another shape in the source's model than in the target's; "
            "swap needs models that share this site's shape");
        check_source<D, Backend, Run>();
    }
};

} // namespace detail

/// Activations of a finished run: of the same layer, head and example. A position that is counted from the end is
/// counted from the source prompt's end, and a role made with `from` says its place there; all other positions need a
/// source prompt of the same length.
template <site From, source_run Run>
struct from_run {
    using is_donor = void;
    Run run;

    void add_to(hasher& h) const { h.add(From::name); }

    template <description const& D, class Backend, site S>
    static constexpr void check() {
        detail::run_donor_check<S, From, Run>::template check<D, Backend>();
    }

    /// throws missing_activation when the run did not keep a layer or position, bad_input when batches do not fit
    template <description const& D, site S>
    from_run const& bind(ragged const& rows, selection const& chosen) const {
        detail::require_examples(run.rows(), rows);
        detail::require_source_places(chosen, rows, run.rows(), detail::same_examples(rows.examples()));
        detail::require_kept(run[From{}], chosen);
        return *this;
    }

    auto const* elements(int layer) const { return run.elements(From{}, layer); }

    std::size_t offset(selection::place const& at, std::size_t head, std::size_t width) const {
        auto const& kept = run[From{}];
        detail::require_width(kept.slice_width(at.example), width, at.example, From::name);
        return kept.offset(at.example, run.rows().position(at.example, at.source_position), head);
    }
};

/// Activations of a finished run, each example's from another of its examples, drawn at random: see `resample`.
template <site From, source_run Run>
struct resampled_run {
    using is_donor = void;
    Run run;
    std::uint64_t seed;
    std::vector<std::size_t> drawn{}; ///< the source's example of each example, once bound

    void add_to(hasher& h) const { h.add(From::name).add(seed); }

    template <description const& D, class Backend, site S>
    static constexpr void check() {
        static_assert(S::kind != site_kind::pattern,
                      "engraft [resample.pattern]: attention patterns belong to one prompt's positions; resample z or "
                      "result instead");
        detail::run_donor_check<S, From, Run>::template check<D, Backend>();
    }

    /// throws bad_input when an example finds no other one that is long enough
    template <description const& D, site S>
    resampled_run bind(ragged const& rows, selection const& chosen) const {
        detail::require_examples(run.rows(), rows);
        detail::require_kept(run[From{}], chosen);
        std::vector<std::size_t> reach(rows.examples()); // the farthest place from the end that is taken, and itself
        for (auto const& at : chosen.places)
            reach[at.example] = std::max(reach[at.example], rows.length(at.example) - at.position);
        auto bound = *this;
        bound.drawn.resize(rows.examples());
        for (std::size_t e = 0; e < rows.examples(); ++e) {
            std::vector<std::size_t> others;
            for (std::size_t o = 0; o < rows.examples(); ++o)
                if (o != e && run.rows().length(o) >= reach[e])
                    others.push_back(o);
            if (others.empty() && reach[e] > 0)
                throw bad_input({"engraft [resample.none]: no other example of the source run has ", reach[e],
                                 " positions, which example ", e, " needs; resample fewer positions or add examples"});
            if (!others.empty())
                bound.drawn[e] = others[random(seed, e).below(others.size())];
        }
        bound.lengths_ = rows;
        return bound;
    }

    auto const* elements(int layer) const { return run.elements(From{}, layer); }

    /// The place as far from the end of the other example.
    std::size_t offset(selection::place const& at, std::size_t head, std::size_t) const {
        auto const from_end = lengths_.length(at.example) - at.position;
        auto const other = drawn[at.example];
        return run[From{}].offset(other, run.rows().length(other) - from_end, head);
    }

    ragged lengths_{};
};

/// A donor for `ablate`: each example's activations become those of another example of the run, at the same layer, head
/// and distance from the last token ("resample ablation"). Which example is a pure function of the seed.
/// source Chan et al. 2022, "Causal scrubbing"
template <source_run Run>
struct resample {
    Run run;
    std::uint64_t seed = 0;
};
template <class Run>
resample(Run, std::uint64_t = 0) -> resample<Run>; // clang 14 deduces no arguments of aggregates by itself

/// The operation of every policy that takes a donor's values as they are. `Rule` has what else must be true:
/// Rule::check<D, Run>() and rule.require(binding, donor).
template <donor Donor, class Rule>
struct copied : replaced_value {
    static constexpr bool replaces = true;
    Donor donor;
    Rule rule{};

    copied(Donor d, Rule r = {}) : donor(std::move(d)), rule(std::move(r)) {}

    void add_to(hasher& h) const { h.add_known(donor); }

    template <description const& D, class Backend, site S>
    static constexpr void check() {
        Rule::template check<D, Donor>();
        Donor::template check<D, Backend, S>();
    }

    template <site S, class Binding, class Where>
    copied bind(Binding const& run, Where const&, selection const& chosen) const {
        rule.require(run, donor);
        return {donor.template bind<Binding::model, S>(run.rows, chosen), rule};
    }

    std::size_t from(selection::place const& at, std::size_t head, std::size_t width) const {
        return donor.offset(at, head, width);
    }

    template <class Backend, class T, class List>
    void operator()(Backend const& backend, T* elements, int layer, List const& slices) const {
        backend.copy_slices(elements, donor.elements(layer), slices);
    }
};

/// A rule that nothing breaks.
struct any_donor {
    template <description const& D, class Donor>
    static constexpr void check() {}
    void require(auto const&, auto const&) const {}
};

} // namespace engraft
