#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include <engraft/model/site.hpp>
#include <engraft/run/plan.hpp>

namespace engraft::detail {

/// Rows of cases, in order: where each stands in a table of the engine.
class row_list {
public:
    static constexpr std::size_t missing = static_cast<std::size_t>(-1);

    void add(planned_row const& r) { keys_.push_back(key(r.owner, r.position)); }
    std::size_t size() const { return keys_.size(); }
    std::size_t find(std::size_t owner, std::size_t position) const {
        auto const at = std::lower_bound(keys_.begin(), keys_.end(), key(owner, position));
        return at == keys_.end() || *at != key(owner, position) ? missing
                                                                : static_cast<std::size_t>(at - keys_.begin());
    }

    /// Finds rows that are asked for in their order: each search goes on where the one before has ended.
    class finder {
    public:
        explicit finder(row_list const& in) : in_(in.keys_) {}
        std::size_t operator()(std::size_t owner, std::size_t position) {
            auto const sought = key(owner, position);
            while (at_ < in_.size() && in_[at_] < sought)
                ++at_;
            return at_ < in_.size() && in_[at_] == sought ? at_ : missing;
        }

    private:
        std::vector<std::uint64_t> const& in_;
        std::size_t at_ = 0;
    };

    std::uint32_t owner(std::size_t i) const { return static_cast<std::uint32_t>(keys_[i] >> 32); }
    std::uint32_t position(std::size_t i) const { return static_cast<std::uint32_t>(keys_[i]); }

private:
    static std::uint64_t key(std::size_t owner, std::size_t position) {
        return std::uint64_t(owner) << 32 | std::uint64_t(position);
    }
    std::vector<std::uint64_t> keys_;
};

/// Which rows of one table go to which of another.
struct row_pairs {
    std::vector<std::int32_t> to, from;
    void add(std::size_t t, std::size_t f) {
        to.push_back(static_cast<std::int32_t>(t));
        from.push_back(static_cast<std::int32_t>(f));
    }
};

/// Each row of `part`, from where it stands in `of`.
inline row_pairs places_in(row_list const& of, row_list const& part) {
    row_pairs p;
    row_list::finder find(of);
    for (std::size_t i = 0; i < part.size(); ++i)
        p.add(i, find(part.owner(i), part.position(i)));
    return p;
}

/// One thing for each step of a layer: the list of the rows that take part in it, or their number.
template <class T>
struct each_step {
    T all{}, first_norm{}, keys{}, query{}, attention{}, z{}, results{}, onward{}, neurons{};

    /// use(step) for every step that a row with this work takes part in.
    void of(work w, auto const& use) {
        use(all);
        for (auto const& [step, any] : parts())
            if (has(w, any))
                use(this->*step);
    }

    /// use(step, b's step)
    template <class U>
    void each(each_step<U> const& b, auto const& use) {
        use(all, b.all);
        for (std::size_t i = 0; i < parts().size(); ++i)
            use(this->*parts()[i].first, b.*each_step<U>::parts()[i].first);
    }

    using part = std::pair<T each_step::*, work>;
    static auto const& parts() {
        static constexpr std::array list{part{&each_step::first_norm, work::keys | work::query},
                                         part{&each_step::keys, work::keys},
                                         part{&each_step::query, work::query},
                                         part{&each_step::attention, work::attention},
                                         part{&each_step::z, work::attention | work::clean_z},
                                         part{&each_step::results, work::results},
                                         part{&each_step::onward, work::onward},
                                         part{&each_step::neurons, work::neurons}};
        return list;
    }
};

/// The steps that a row takes part in; none where it is not computed.
inline each_step<bool> steps_with(work w) {
    each_step<bool> steps;
    if (w != work::none)
        steps.of(w, [](bool& step) { step = true; });
    return steps;
}

/// One case: an example of the clean run under the policy of one entry of a sweep's table.
struct sweep_case {
    std::size_t entry;
    std::size_t example;
};

/// The rows of a chunk of cases, layer by layer, and the lists of those that reach each step of a layer.
struct chunk_rows {
    struct layer : each_step<row_list> {
        std::vector<planned_row> rows; ///< of `all`
    };
    std::vector<sweep_case> cases; ///< by example, then entry
    std::vector<layer> layers;
    row_list last; ///< what is read when the layers are done

    /// Appends a case's rows.
    void add(sweep_case const& c, case_work const& todo, std::vector<std::size_t> const& read_at) {
        auto const owner = static_cast<std::uint32_t>(cases.size());
        cases.push_back(c);
        if (todo.empty())
            return;
        todo.each([&](std::size_t l, std::size_t p, work w) {
            planned_row const row{owner, static_cast<std::uint32_t>(p), w};
            layers[l].rows.push_back(row);
            layers[l].of(w, [&](row_list& step) { step.add(row); });
        });
        for (auto p : read_at)
            last.add({owner, static_cast<std::uint32_t>(p), work::none});
    }
};

/// The step of a layer whose rows a site's activation has.
template <site S, class T>
T const& rows_at(each_step<T> const& l) {
    if constexpr (std::is_same_v<S, sites::normalized1>)
        return l.first_norm;
    else if constexpr (std::is_same_v<S, sites::q> || std::is_same_v<S, sites::rot_q>)
        return l.query;
    else if constexpr (std::is_same_v<S, sites::k> || std::is_same_v<S, sites::v> || std::is_same_v<S, sites::rot_k>)
        return l.keys;
    else if constexpr (S::kind == site_kind::pattern)
        return l.attention;
    else if constexpr (std::is_same_v<S, sites::z>)
        return l.z;
    else if constexpr (std::is_same_v<S, sites::result>)
        return l.results;
    else if constexpr (std::is_same_v<S, sites::attn_out> || std::is_same_v<S, sites::resid_mid> ||
                       std::is_same_v<S, sites::mlp_out> || std::is_same_v<S, sites::resid_post>)
        return l.onward;
    else if constexpr (S::kind == site_kind::neuron || std::is_same_v<S, sites::normalized2>)
        return l.neurons;
    else
        return l.all;
}

} // namespace engraft::detail
