#pragma once

#include <engraft/intervene/overwrite.hpp>

namespace engraft {

namespace detail {
/// One line per rule that every policy taking activations from a run has.
template <description D, class Backend, site S, class Source>
constexpr void check_source() {
    static_assert(std::is_same_v<typename Backend::memory_type, typename Source::backend_type::memory_type> &&
                      std::is_same_v<typename Backend::value_type, typename Source::backend_type::value_type>,
                  "engraft [source.backend]: the source run's activations live in another backend's memory or numbers; "
                  "run both models on one kind of backend");
}

template <class Source, site S>
constexpr void require_holds() {
    static_assert(Source::template holds<S>,
                  "engraft [cache.site]: the source run did not keep this site; add capture(site) to that run");
}
} // namespace detail

/// Replaces activations by those of another input's run of the same model (activation patching).
/// source Meng et al. 2022, section 2.1 ("causal tracing"); Prakash et al. 2024, section 5.1
template <site S, class Where, source_run Source>
struct patch_policy {
    using reads = site_list<>;
    using writes = site_list<S>;
    using captures = site_list<>;
    Where where;
    Source source;

    template <description D, class Backend>
    static constexpr void check() {
        static_assert(Source::model == D, "engraft [patch.same_model]: patch takes activations of the model it "
                                          "edits; to take those of another model use swap");
        check_where<D, S, Where>();
        detail::check_source<D, Backend, S, Source>();
    }

    template <class Binding>
    auto bind(Binding const& run) const {
        if (source.weights_identity() != run.weights)
            throw bad_input("engraft [patch.same_model]: the source run is of other weights than the model that is "
                            "patched; to take activations of another model use swap");
        return detail::bind_overwrite<S>(run, where, source);
    }
};

/// patch(site, where, source): at each chosen place the activation becomes that of `source`, a run with capture(site),
/// at the same layer, head, position and number of example; roles made with `from` are looked up at their source
/// positions. Where two policies write to one place of one site, the right one wins.
template <site S, class Where, source_run Source>
auto patch(S, Where where, Source const& source) {
    detail::require_holds<Source, S>();
    return patch_policy<S, Where, Source>{std::move(where), source};
}

} // namespace engraft
