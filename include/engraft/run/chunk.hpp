#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

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

/// One thing for each set of a layer's rows.
template <class T>
struct each_row_set {
    std::array<T, row_sets> sets{};

    T& operator[](site_rows set) { return sets[static_cast<std::size_t>(set)]; }
    T const& operator[](site_rows set) const { return sets[static_cast<std::size_t>(set)]; }

    /// use(set's) for every set that a row with this work is in.
    void of(work w, auto const& use) {
        for (std::size_t i = 0; i < row_sets; ++i)
            if (takes_part(w, static_cast<site_rows>(i)))
                use(sets[i]);
    }
};

/// One case: an example of the clean run under the policy of one entry of a sweep's table.
struct sweep_case {
    std::size_t entry;
    std::size_t example;
};

/// The rows of a chunk of cases, layer by layer, and those in each set of a layer's rows.
struct chunk_rows {
    struct layer : each_row_set<row_list> {
        std::vector<planned_row> rows; ///< of site_rows::stream
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
            layers[l].of(w, [&](row_list& set) { set.add(row); });
        });
        for (auto p : read_at)
            last.add({owner, static_cast<std::uint32_t>(p), work::none});
    }

    /// Rows that a site's activation has in a layer.
    row_list const& of(site_rows rows, std::size_t l) const { return rows == site_rows::last ? last : layers[l][rows]; }
};

} // namespace engraft::detail
