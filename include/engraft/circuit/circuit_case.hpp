#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include <engraft/circuit/role_rows.hpp>
#include <engraft/intervene/ablate.hpp>
#include <engraft/intervene/compose.hpp>

/// Mean ablation by circuits: every head at every position has its mean, except the circuit's heads at their roles.
namespace engraft {

/// A circuit as a policy: z of all heads but the circuit's at the positions of roles becomes its mean. What is at other
/// positions is left to the run beside which this is computed (see `background`); in a whole run, compose it with
/// `ablate` of these.
template <description const& D, class B>
class circuit_case : public touches_nothing {
public:
    using means_type = activation_means<D, B, sites::z>;
    using head_sets = std::vector<std::vector<bool>>; ///< as role_rows::heads_of
    using writes = site_list<sites::z>;
    static constexpr bool may_not_fire = true; ///< a circuit may have every head

    /// kept: the circuit's heads; beside: those that the run has kept beside which this is a case of a sweep.
    /// elsewhere_ablated: whether that run has means at all positions without a role
    circuit_case(std::shared_ptr<role_rows const> rows, head_sets kept, head_sets beside, bool elsewhere_ablated,
                 means_type means)
        : rows_(std::move(rows)), kept_(std::move(kept)), beside_(std::move(beside)),
          elsewhere_ablated_(elsewhere_ablated), means_(std::move(means)) {}

    template <description const&, class>
    static constexpr void check() {}

    /// What differs from the run beside: heads that were kept there get their means; heads that had means are computed
    /// from their queries; all others that have means keep them, whatever comes before.
    template <description const&>
    void leave_footprint(footprint& all, ragged const&, bool) const {
        constexpr int of_z = site_index<sites::z>;
        for (std::size_t i = 0; i < rows_->parts.size(); ++i) {
            auto const add = [&](int site, touch how, bool replaces, bool kept, bool beside) {
                all.add(site, how, replaces, D.heads,
                        chosen(i, [&](std::size_t h) { return kept_[i][h] == kept && beside_[i][h] == beside; }));
            };
            add(of_z, touch::writes, true, false, true);
            // Nothing is written to queries. To the plan they differ from those of the run, so that it computes what
            // they attend to anew where the run has means.
            add(site_index<sites::q>, touch::writes, false, true, false);
            add(of_z, touch::holds, true, false, false);
        }
        if (elsewhere_ablated_) {
            selection every;
            every.heads.resize(static_cast<std::size_t>(D.layers));
            for (auto& heads : every.heads)
                for (std::size_t h = 0; h < static_cast<std::size_t>(D.heads); ++h)
                    heads.push_back(h);
            every.places = rows_->elsewhere;
            all.add(of_z, touch::holds, true, D.heads, std::move(every));
        }
    }

    template <class Binding>
    auto bind(Binding const& run) const {
        using backend = typename Binding::backend_type;
        using operation = copied<means_type, any_donor>;
        using bound = detail::bound_slices<backend, operation, detail::unconditional>;
        auto const layout = run.template layout<sites::z>();
        detail::bound_list<backend> parts;
        for (std::size_t i = 0; i < rows_->parts.size(); ++i) {
            auto ablated = chosen(i, [&](std::size_t h) { return !kept_[i][h]; });
            operation const means{means_.template bind<D, sites::z>(run.rows, ablated)};
            auto lists = detail::slice_lists<backend>::make(
                ablated, *layout, [&](selection::place const& at, std::size_t head, std::size_t width) {
                    return means.from(at, head, width);
                });
            parts.add(std::make_unique<bound>(run.backend, means,
                                              detail::chosen_slices<backend>{std::move(ablated), std::move(lists)}));
        }
        return parts;
    }

private:
    template <class Choose>
    selection chosen(std::size_t part, Choose const& choose) const {
        selection s;
        s.places = rows_->parts[part].places;
        s.heads.resize(static_cast<std::size_t>(D.layers));
        for (std::size_t i = 0; i < kept_[part].size(); ++i)
            if (choose(i))
                s.heads[i / static_cast<std::size_t>(D.heads)].push_back(i % static_cast<std::size_t>(D.heads));
        return s;
    }

    std::shared_ptr<role_rows const> rows_;
    head_sets kept_, beside_;
    bool elsewhere_ablated_;
    means_type means_;
};

/// The run that cases of circuits are computed beside: unedited, or itself ablated. To a sweep it is what any clean run
/// is, since each `circuit_case` says how it differs from it and holds what was ablated in it.
template <class Run>
struct background : Run {
    static constexpr bool edited() { return false; }
};

} // namespace engraft
