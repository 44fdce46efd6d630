#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <engraft/core/tensor.hpp>
#include <engraft/intervene/donor.hpp>

namespace engraft {

/// Mean activation of a site per layer, head and distance from the last token (0 is the last), over the examples that
/// are long enough. Where all examples are equally long this is the mean per absolute position that papers use.
/// shape of a layer: [distances, heads * width]
/// source Prakash et al. 2024, section 4.1, "mean ablation"
template <description D, class Backend, site S>
class activation_means {
    static_assert(S::kind != site_kind::pattern, "engraft [means.pattern]: attention patterns of examples of unequal "
                                                 "length have no mean; take the mean of z or result");

public:
    using is_donor = void;
    using backend_type = Backend;

    /// throws missing_activation when the run did not keep every layer and position
    template <source_run Run>
    activation_means(Run const& run, S) {
        detail::require_holds<Run, S>();
        auto const& kept = run[S{}];
        auto const& rows = run.rows();
        auto const distances = rows.longest();
        std::vector<std::uint64_t> of_distance;
        std::vector<row_group> groups;
        for (std::size_t d = 0; d < distances; ++d) {
            auto const first = of_distance.size();
            for (std::size_t e = 0; e < rows.examples(); ++e)
                if (rows.length(e) > d)
                    of_distance.push_back(rows.begin(e) + rows.length(e) - 1 - d);
            groups.push_back({first, of_distance.size() - first});
        }
        using memory = typename Backend::memory_type;
        auto const list = upload<memory>(of_distance);
        auto const group = upload<memory>(groups);
        auto layers = std::make_shared<std::vector<table>>();
        for (int layer = 0; layer < hook_point<D, S>::layers; ++layer) {
            auto const in = as_matrix(kept.whole(layer));
            table mean(extents<dynamic, dynamic>(distances, in.columns));
            run.backend().mean_rows(as_matrix(mean), in, list, group);
            layers->push_back(std::move(mean));
        }
        layers_ = std::move(layers);
    }

    std::size_t distances() const { return layers_->front().shape()[0]; }

    auto view(int layer) const { return (*layers_)[static_cast<std::size_t>(hook_point<D, S>(layer).layer())].view(); }

    template <description Of, class Run, site At>
    static constexpr void check() {
        static_assert(Of == D && std::is_same_v<At, S>,
                      "engraft [ablate.means]: these are means of another site or another description; take them of "
                      "this model's runs at this site");
        detail::check_source<Of, Run, activation_means>();
    }

    /// The means as a batch's donor. throws bad_input when they do not reach as far from the last token as is chosen
    template <description, site>
    auto bind(ragged const& rows, selection const& chosen) const {
        for (auto const& at : chosen.places)
            if (auto const distance = rows.length(at.example) - 1 - at.position; distance >= distances())
                throw bad_input({"engraft [ablate.means]: example ", at.example, " has a position ", distance,
                                 " before its last, the means reach ", distances() - 1,
                                 "; take means over longer examples"});
        auto bound = *this;
        bound.rows_ = rows;
        return bound;
    }

    typename Backend::value_type const* elements(int layer) const { return view(layer).data(); }

    /// Of a batch that the means are bound to: where a slice's mean begins in `elements`.
    std::size_t offset(selection::place const& at, std::size_t head, std::size_t) const {
        auto const distance = rows_.length(at.example) - 1 - at.position;
        return (distance * static_cast<std::size_t>(site_heads<D, S>) + head) * site_width<D, S>;
    }

private:
    using table = matrix_tensor<typename Backend::value_type, typename Backend::memory_type>;
    std::shared_ptr<std::vector<table> const> layers_; ///< shared by the policies that use them
    ragged rows_;                                      ///< of the batch that they are bound to
};

/// Means of what a run captured: `auto means = mean(model.run(tokens, capture(z)), z)`.
template <source_run Run, site S>
auto mean(Run const& run, S) {
    return activation_means<Run::model, typename Run::backend_type, S>(run, S{});
}

} // namespace engraft
