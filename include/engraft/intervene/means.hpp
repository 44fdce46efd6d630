#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <engraft/core/finite.hpp>
#include <engraft/core/hash.hpp>
#include <engraft/core/rounded_product.hpp>
#include <engraft/core/tensor.hpp>
#include <engraft/intervene/donor.hpp>

namespace engraft {

/// Mean activation of a site per layer, head and distance from the last token (0 is the last), over the examples that
/// are long enough. Where all examples are equally long this is the mean per absolute position that papers use. There
/// may be means per role besides, which take the place of the others where `at` says that a role stands.
/// shape of a layer: [distances + roles, heads * width]
/// source Prakash et al. 2024, section 4.1, "mean ablation"
template <description const& D, class Backend, site S>
class activation_means {
    static_assert(S::kind != site_kind::pattern, "engraft [means.pattern]: attention patterns of examples of unequal "
                                                 "length have no mean; take the mean of z or result");

public:
    using is_donor = void;
    using backend_type = Backend;
    using table = matrix_tensor<typename Backend::value_type, typename Backend::memory_type>;

    /// layers: [distances + roles, heads * width] of each; roles: names of the last rows
    /// throws bad_input if a mean is not finite
    activation_means(std::vector<table> layers, std::vector<std::string> roles = {})
        : layers_(std::make_shared<std::vector<table>>(std::move(layers))), role_names_(std::move(roles)) {
        for (std::size_t l = 0; l < layers_->size(); ++l) {
            auto const values = (*layers_)[l].to_host();
            detail::require_finite(std::vector<double>(values.begin(), values.end()),
                                   message({"the means of ", S::name, " of layer ", l}), S::kind == site_kind::logits);
        }
    }

    std::size_t distances() const { return layers_->front().shape()[0] - role_names_.size(); }
    /// Names of the roles that have means of their own; these rows come behind those of the distances.
    std::vector<std::string> const& roles() const { return role_names_; }

    auto view(int layer) const { return (*layers_)[static_cast<std::size_t>(hook_point<D, S>(layer).layer())].view(); }

    /// Where roles have means of their own.
    void add_to(hasher& h) const {
        for (auto const& r : places_)
            h.add(r.name).add(r.positions);
    }

    /// The same means, with the roles' own means at their positions in a batch; where several stand, the first one's.
    /// throws bad_input when the positions of a role that has means are not given
    activation_means at(std::vector<role> const& of_batch) const {
        auto placed = *this;
        placed.places_.clear();
        for (auto const& name : role_names_) {
            auto const found =
                std::find_if(of_batch.begin(), of_batch.end(), [&](role const& r) { return r.name == name; });
            if (found == of_batch.end())
                throw bad_input({"engraft [ablate.means]: there are means at the role `", name,
                                 "`, but it is not said where it stands in the prompts"});
            placed.places_.push_back(*found);
        }
        return placed;
    }

    template <description const& Of, class Run, site At>
    static constexpr void check() {
        static_assert(Of == D && std::is_same_v<At, S>,
                      "engraft [ablate.means]: these are means of another site or another description; take them of "
                      "this model's runs at this site");
        detail::check_source<Of, Run, activation_means>();
    }

    /// The means as a batch's donor. throws bad_input when they do not reach as far from the last token as is chosen
    template <description const&, site>
    auto bind(ragged const& rows, selection const& chosen) const {
        for (auto const& at : chosen.places)
            if (auto const distance = rows.length(at.example) - 1 - at.position; distance >= distances())
                throw bad_input({"engraft [ablate.means]: example ", at.example, " has a position ", distance,
                                 " before its last, the means reach ", distances() - 1,
                                 "; take means over longer examples"});
        auto bound = *this;
        bound.rows_ = rows;
        for (auto& of_role : bound.places_)
            for (std::size_t e = 0; auto const& place : detail::places_of(of_role, rows))
                of_role.positions[e++] = static_cast<long>(place.position);
        return bound;
    }

    typename Backend::value_type const* elements(int layer) const { return view(layer).data(); }

    /// Of a batch that the means are bound to: where a slice's mean begins in `elements`.
    std::size_t offset(selection::place const& at, std::size_t head, std::size_t) const {
        auto row = rows_.length(at.example) - 1 - at.position;
        for (std::size_t r = places_.size(); r-- > 0;)
            if (places_[r].positions[at.example] == static_cast<long>(at.position))
                row = distances() + r;
        return (row * static_cast<std::size_t>(site_heads<D, S>) + head) * site_width<D, S>;
    }

private:
    std::shared_ptr<std::vector<table> const> layers_; ///< shared by the policies that use them
    std::vector<std::string> role_names_;
    std::vector<role> places_; ///< of the roles with means, or none
    ragged rows_;              ///< of the batch that they are bound to
};

/// Means over the examples of several runs, taken one run at a time: no more than a run's activations and the means
/// themselves are ever held.
template <description const& D, class Backend, site S>
class running_means {
public:
    using T = typename Backend::value_type;
    using memory = typename Backend::memory_type;
    using means = activation_means<D, Backend, S>;

    /// roles: places of each example for which there are means besides those per distance from the last token; the
    /// same names in every call. throws missing_activation when the run did not keep every layer and position
    template <source_run Run>
    void add(Run const& run, std::vector<role> const& roles = {}) {
        detail::require_holds<Run, S>();
        auto const& rows = run.rows();
        auto const distances = rows.longest();
        std::vector<std::uint64_t> members;
        std::vector<row_group> groups;
        auto const end_group = [&] {
            auto const first = groups.empty() ? 0 : groups.back().first + groups.back().count;
            groups.push_back({first, members.size() - first});
        };
        for (std::size_t d = 0; d < distances; ++d) {
            for (std::size_t e = 0; e < rows.examples(); ++e)
                if (rows.length(e) > d)
                    members.push_back(rows.begin(e) + rows.length(e) - 1 - d);
            end_group();
        }
        for (auto const& r : roles) {
            for (auto const& place : detail::places_of(r, rows))
                members.push_back(rows.begin(place.example) + place.position);
            end_group();
        }
        auto const list = upload<memory>(members);
        auto const group = upload<memory>(groups);

        if (layers_.empty())
            for (auto const& r : roles)
                names_.push_back(r.name);
        layers_.resize(static_cast<std::size_t>(hook_point<D, S>::layers));
        of_distances_.resize(std::max(of_distances_.size(), distances));
        of_roles_.resize(roles.size());
        for (int layer = 0; layer < hook_point<D, S>::layers; ++layer) {
            auto const in = as_matrix(run[S{}].whole(layer));
            typename means::table mean(extents<dynamic, dynamic>(groups.size(), in.columns));
            run.backend().mean_rows(as_matrix(mean), in, list, group);
            auto const values = mean.to_host();
            auto& sums = layers_[static_cast<std::size_t>(layer)];
            sums.of_distances.resize(of_distances_.size() * in.columns);
            sums.of_roles.resize(roles.size() * in.columns);
            for (std::size_t g = 0; g < groups.size(); ++g) {
                bool const at_distance = g < distances;
                auto const row = at_distance ? g : g - distances;
                double const before = (at_distance ? of_distances_ : of_roles_)[row];
                double const share =
                    static_cast<double>(groups[g].count) / (before + static_cast<double>(groups[g].count));
                auto* to = (at_distance ? sums.of_distances : sums.of_roles).data() + row * in.columns;
                for (std::size_t c = 0; c < in.columns; ++c)
                    to[c] += rounded_product(share, static_cast<double>(values[g * in.columns + c]) - to[c]);
            }
        }
        for (std::size_t g = 0; g < groups.size(); ++g)
            (g < distances ? of_distances_[g] : of_roles_[g - distances]) += static_cast<double>(groups[g].count);
    }

    /// throws bad_input when no run was added
    means finish() const {
        if (layers_.empty())
            throw bad_input("there are no means of no runs");
        std::vector<typename means::table> tables;
        auto const rows = of_distances_.size() + of_roles_.size();
        for (auto const& sums : layers_) {
            std::vector<T> values(sums.of_distances.begin(), sums.of_distances.end());
            values.insert(values.end(), sums.of_roles.begin(), sums.of_roles.end());
            tables.push_back(means::table::from_host(values, extents<dynamic, dynamic>(rows, values.size() / rows)));
        }
        return means(std::move(tables), names_);
    }

private:
    struct layer_means {
        std::vector<double> of_distances, of_roles; ///< [distances, width] and [roles, width]: means so far
    };
    std::vector<layer_means> layers_;
    std::vector<double> of_distances_, of_roles_; ///< how many rows each mean is of
    std::vector<std::string> names_;
};

/// Means of what a run captured: `auto means = mean(model.run(tokens, capture(z)), z)`.
template <source_run Run, site S>
auto mean(Run const& run, S) {
    running_means<Run::model, typename Run::backend_type, S> all;
    all.add(run);
    return all.finish();
}

} // namespace engraft
