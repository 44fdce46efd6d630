#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <engraft/circuit/dcm_state.hpp>
#include <engraft/intervene/compose.hpp>
#include <engraft/intervene/mask.hpp>
#include <engraft/intervene/mask_directions.hpp>

namespace engraft {

/// Heads whose z comes from a desideratum's alternates, whole or in part.
struct exchange {
    std::size_t desideratum = 0; ///< its number in a list
    std::string role;
    std::vector<node> heads;
    std::vector<double> weights{}; ///< of what is kept, as `mask` has them; none: heads are exchanged whole

    /// The heads that something is taken of, and their weights: a head that is kept whole need not be computed.
    exchange without_kept() const {
        if (weights.empty())
            return {desideratum, role, heads, {0}};
        if (weights.size() == 1 || heads.empty())
            return *this;
        exchange rest{desideratum, role, {}, {}};
        auto const each = weights.size() / heads.size();
        for (std::size_t h = 0; h < heads.size() && weights.size() == each * heads.size(); ++h) {
            auto const first = weights.begin() + static_cast<std::ptrdiff_t>(h * each);
            if (std::all_of(first, first + static_cast<std::ptrdiff_t>(each), [](double w) { return w == 1; }))
                continue;
            rest.heads.push_back(heads[h]);
            rest.weights.insert(rest.weights.end(), first, first + static_cast<std::ptrdiff_t>(each));
        }
        return rest;
    }
};

/// What one weight of a mask stands for: a head's z, or each of its elements.
enum class granularity { head, neuron };

/// A kind of masks says what weights there are and what they do:
///
///   kind.weights_of(head, d_head)                 how many a head has
///   kind.policies(heads, weights, place, donor)   a list of policies whose parameters are the weights in their order
///   kind(exchange, role, source)                  one policy of an exchange, for `sweep`
///   kind.add_to(digest)
///
/// Weights of heads or of their elements.
struct masked_heads {
    granularity of = granularity::head;

    std::size_t weights_of(node, std::size_t d_head) const { return of == granularity::head ? 1 : d_head; }

    template <class Place, class Donor>
    auto policies(std::vector<node> const& heads, std::vector<double> weights, Place const& place,
                  Donor const& donor) const {
        return std::vector{mask(sites::z{}, nodes(heads) & place, std::move(weights), donor)};
    }

    template <class Source>
    auto operator()(exchange const& e, role const& at, Source const& source) const {
        auto const some = e.without_kept();
        return mask(sites::z{}, nodes(some.heads).at(at), some.weights, source);
    }

    void add_to(detail::digest& d) const { d.add(std::uint64_t(of)); }
};

/// Weights of directions in z: of each head an orthonormal basis, such as principal components of its z.
struct masked_directions {
    std::map<node, std::vector<std::vector<double>>> bases;

    /// throws bad_input when a head has no basis
    std::vector<std::vector<double>> const& basis_of(node n) const {
        auto const found = bases.find(n);
        if (found == bases.end() || found->second.empty())
            throw bad_input({"head ", n.head, " of layer ", n.layer, " has no basis whose directions could be masked"});
        return found->second;
    }

    std::size_t weights_of(node n, std::size_t) const { return basis_of(n).size(); }

    template <class Place, class Donor>
    auto policies(std::vector<node> const& heads, std::vector<double> const& weights, Place const& place,
                  Donor const& donor) const {
        auto const one = [&](node n, std::vector<double> of_head) {
            return mask_directions(sites::z{}, nodes({n}) & place, basis_of(n), std::move(of_head), donor);
        };
        std::vector<decltype(one(node{}, {}))> list;
        auto first = weights.begin();
        for (auto n : heads) {
            auto const count = static_cast<std::ptrdiff_t>(basis_of(n).size());
            list.push_back(weights.empty() ? one(n, std::vector<double>(std::size_t(count)))
                                           : one(n, std::vector<double>(first, first + count)));
            first += weights.empty() ? 0 : count;
        }
        return list;
    }

    /// Of no heads: one direction of any head, of which nothing is exchanged.
    template <class Source>
    auto operator()(exchange const& e, role const& role_of, Source const& source) const {
        if (!e.heads.empty())
            return all_of(policies(e.heads, e.weights, at(role_of), source));
        auto const& [head, basis] = *bases.begin();
        return all_of(policies({head}, std::vector<double>(basis.size(), 1.0), at(role_of), source));
    }

    void add_to(detail::digest& d) const {
        for (auto const& [head, basis] : bases) {
            d.add(std::uint64_t(head.layer)).add(std::uint64_t(head.head)).add(std::uint64_t(basis.size()));
            for (auto const& direction : basis)
                for (double const x : direction)
                    d.add(x);
        }
    }
};

} // namespace engraft
