#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <engraft/core/linkage.hpp>
#include <engraft/core/ragged.hpp>
#include <engraft/intervene/footprint.hpp>
#include <engraft/run/block_facts.hpp>

namespace engraft {

/// What a row of a case must go through in a layer. A row with none of these is the clean run's.
enum class work : std::uint16_t {
    none = 0,
    stream = 1 << 0,    ///< its stream comes in: from the layer before where it is carried, else from the clean run
    carried = 1 << 1,   ///< the stream differs from the clean run's before the layer
    keys = 1 << 2,      ///< keys and values, which rows of the same case read
    query = 1 << 3,     ///< the query
    attention = 1 << 4, ///< z from query, keys and values
    clean_z = 1 << 5,   ///< z of the clean run, for a policy to act on
    onward = 1 << 6,  ///< it leaves the layer: attention's and the MLP's outputs are added, its own or the clean run's
    neurons = 1 << 7, ///< the MLP
    results = 1 << 8, ///< contributions of single heads
};
constexpr work operator|(work a, work b) { return work(std::uint16_t(a) | std::uint16_t(b)); }
constexpr work& operator|=(work& a, work b) { return a = a | b; }
constexpr bool has(work set, work any) { return (std::uint16_t(set) & std::uint16_t(any)) != 0; }

/// Whether a row with this work is in a set of its layer's rows.
constexpr bool takes_part(work todo, site_rows set) {
    switch (set) {
    case site_rows::first_norm:
        return has(todo, work::keys | work::query);
    case site_rows::keys:
        return has(todo, work::keys);
    case site_rows::query:
        return has(todo, work::query);
    case site_rows::attention:
        return has(todo, work::attention);
    case site_rows::z:
        return has(todo, work::attention | work::clean_z);
    case site_rows::results:
        return has(todo, work::results);
    case site_rows::onward:
        return has(todo, work::onward);
    case site_rows::neurons:
        return has(todo, work::neurons);
    default:
        return todo != work::none;
    }
}

/// One row of one case in one layer.
struct planned_row {
    std::uint32_t owner;    ///< number of the case in its chunk
    std::uint32_t position; ///< in its example
    work todo;
};

/// The work of one case: of the rows at each layer and each position from the first that is touched.
class case_work {
public:
    /// None yet. first: positions before it are the clean run's at every layer
    void start(std::size_t layers, std::size_t first, std::size_t length) {
        first_ = first, positions_ = length - first;
        todo_.assign(layers * positions_, work::none);
    }
    void clear() { todo_.clear(); }

    std::size_t bytes() const { return todo_.size() * sizeof(work); }

    /// Whether the case is the clean run in all that is read.
    bool empty() const { return todo_.empty(); }
    /// Of a position from the first on.
    work& operator()(std::size_t layer, std::size_t position) { return todo_[layer * positions_ + position - first_]; }
    work at(std::size_t layer, std::size_t position) const {
        return empty() || position < first_ ? work::none : todo_[layer * positions_ + position - first_];
    }
    /// use(layer, position, work) for the rows that have any, by layer, then position
    void each(auto const& use) const {
        for (std::size_t i = 0; i < todo_.size(); ++i)
            if (todo_[i] != work::none)
                use(i / positions_, first_ + i % positions_, todo_[i]);
    }

private:
    std::size_t first_ = 0, positions_ = 0;
    std::vector<work> todo_; ///< [layer][position - first]
};

/// FLOPs, counted as two for each product and sum of a linear map and of attention; elementwise work is not counted.
struct flop_count {
    double linear = 0;    ///< of the blocks' linear maps
    double attention = 0; ///< queries times keys, and patterns times values
    double readings = 0;  ///< of the unembedding
    double total() const { return linear + attention + readings; }
    flop_count& operator+=(flop_count const& b) {
        linear += b.linear, attention += b.attention, readings += b.readings;
        return *this;
    }
    friend flop_count operator-(flop_count a, flop_count const& b) {
        a.linear -= b.linear, a.attention -= b.attention, a.readings -= b.readings;
        return a;
    }
    friend bool operator==(flop_count const&, flop_count const&) = default;
};

namespace detail {

/// FLOPs of one row's share of a layer. seen: positions that its query sees.
flop_count flops_of(block_facts const& block, int layer, work todo, std::size_t seen);

/// FLOPs of a whole forward pass over one example, without logits.
flop_count flops_of_example(block_facts const& block, std::size_t length);

/// Where the rows of one example stand that something is read from when the layers are done, and at which sites of
/// which layers something is read on the way.
struct wanted_rows {
    std::vector<std::size_t> logits; ///< positions
    struct on_the_way {
        int site;
        int layer;
        std::size_t position;
    };
    std::vector<on_the_way> sites;
};

/// Layers at which what is written to a site is what is there already.
struct idle_layers {
    int site = -1;
    std::vector<bool> layers{};
};

/// Works out, for one case, which rows differ from the clean run and are needed: forward from what its policies touch,
/// and backward from what is read.
class case_planner {
public:
    explicit case_planner(block_facts const& block) : block_(block) {}

    /// The work of an example of `length` positions; empty when nothing read can differ.
    case_work const& plan(footprint const& touched, std::size_t example, std::size_t length, wanted_rows const& wanted,
                          idle_layers const& idle = {});

private:
    struct fact {
        bool carried = false; ///< the stream differs as it comes in
        bool differs = false; ///< the stream differs as the layer's first norm reads it
        bool query = false, keys = false, attention = false, clean_z = false, attn_out = false, mid = false,
             neurons = false, results = false, out = false;
        bool sees_all = false;  ///< a policy may show it keys that the mask hides
        work of_z = work::none; ///< what z itself needs, whatever becomes of attn_out
    };

    fact& at(int layer, std::size_t p) { return facts_[static_cast<std::size_t>(layer) * (n_ - first_) + p - first_]; }
    work& todo(int layer, std::size_t p) { return todo_(static_cast<std::size_t>(layer), p); }

    /// What a policy's touch makes of "this row differs".
    static bool after(bool differs, site_effect e);

    void forward(footprint::of_example const& touched, idle_layers const& idle);

    /// Whether anything is left to do.
    bool backward(wanted_rows const& wanted);

    block_facts block_;
    std::size_t n_ = 0, first_ = 0; ///< positions, and the first that is touched
    footprint::of_example effects_;
    case_work todo_;
    std::vector<fact> facts_; ///< [layer][position - first_]
    std::vector<bool> last_stream_, final_touched_;
};

} // namespace detail
} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/run/source/plan.ipp>
#endif
