#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <utility>
#include <vector>

#include <engraft/backend/attention_shape.hpp>
#include <engraft/core/ragged.hpp>
#include <engraft/intervene/footprint.hpp>
#include <engraft/model/description.hpp>

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

/// FLOPs of one row's share of a layer. `seen`: positions that its query sees.
inline flop_count flops_of(description const& d, work todo, std::size_t seen) {
    auto const n = [](int a, int b) { return 2.0 * a * b; };
    int const wide = d.heads * d.d_head;
    flop_count f;
    if (has(todo, work::keys))
        f.linear += 2 * n(d.d_model, d.kv_heads * d.d_head);
    if (has(todo, work::query))
        f.linear += n(d.d_model, wide);
    if (has(todo, work::attention))
        f.attention += 2 * n(wide, static_cast<int>(seen));
    if (has(todo, work::attention | work::clean_z))
        f.linear += n(wide, d.d_model);
    if (has(todo, work::results))
        f.linear += n(wide, d.d_model);
    if (has(todo, work::neurons))
        f.linear += (is_gated(d.mlp) ? 3 : 2) * n(d.d_model, d.d_mlp);
    return f;
}

/// FLOPs of a whole forward pass over one example, without logits.
inline flop_count flops_of_example(description const& d, attention_shape (*shape_of_layer)(int), std::size_t length) {
    flop_count f;
    for (int l = 0; l < d.layers; ++l) {
        auto const shape = shape_of_layer(l);
        for (std::size_t p = 0; p < length; ++p)
            f +=
                flops_of(d, work::keys | work::query | work::attention | work::neurons, p + 1 - shape.first_visible(p));
    }
    return f;
}

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
    using shape_of_layer = attention_shape (*)(int);

    case_planner(description const& d, shape_of_layer shape) : d_(d), shape_(shape) {}

    /// The work of an example of `length` positions; empty when nothing read can differ.
    case_work const& plan(footprint const& touched, std::size_t example, std::size_t length, wanted_rows const& wanted,
                          idle_layers const& idle = {}) {
        n_ = length;
        auto const layers = static_cast<std::size_t>(d_.layers);
        effects_.set(touched, layers, example, n_);
        first_ = effects_.first();
        todo_.start(layers, first_, n_);
        if (first_ == n_)
            return todo_;
        facts_.assign(layers * (n_ - first_), fact{});
        forward(effects_, idle);
        bool const any = backward(wanted);
        if (!any)
            todo_.clear();
        return todo_;
    }

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
    static bool after(bool differs, site_effect e) {
        if (e.held)
            return false;
        return differs || e.written;
    }

    void forward(footprint::of_example const& touched, idle_layers const& idle) {
        std::vector<bool> stream(n_);
        for (std::size_t p = first_; p < n_; ++p)
            stream[p] = touched.at(site_index<sites::embed>, 0, p).written ||
                        touched.at(site_index<sites::pos_embed>, 0, p).written;
        bool const parallel = d_.residual == residual::parallel;
        for (int l = 0; l < d_.layers; ++l) {
            auto const touch = [&](int site, std::size_t p) {
                bool const nothing = site == idle.site && idle.layers[static_cast<std::size_t>(l)];
                return nothing ? site_effect{} : touched.at(site, l, p);
            };
            auto const writes = [&](int site, std::size_t p) { return touch(site, p).written; };
            auto const shape = shape_(l);
            for (std::size_t p = first_; p < n_; ++p) {
                auto& f = at(l, p);
                f.carried = stream[p];
                f.differs = after(f.carried, touch(site_index<sites::resid_pre>, p));
                bool const normalized = after(f.differs, touch(site_index<sites::normalized1>, p));
                f.query = normalized || writes(site_index<sites::q>, p) || writes(site_index<sites::rot_q>, p);
                f.keys = normalized || writes(site_index<sites::k>, p) || writes(site_index<sites::rot_k>, p) ||
                         writes(site_index<sites::v>, p);
            }
            bool any_own = false; // keys of some position differ
            for (std::size_t p = first_; p < n_; ++p)
                any_own = any_own || at(l, p).keys;
            std::size_t last_own = n_; // the nearest position before or at p whose keys differ; n_ for none
            for (std::size_t p = first_; p < n_; ++p) {
                auto& f = at(l, p);
                if (f.keys)
                    last_own = p;
                f.sees_all = touch(site_index<sites::scores>, p).freely || touch(site_index<sites::pattern>, p).freely;
                bool const sees = f.sees_all ? any_own : last_own != n_ && last_own >= shape.first_visible(p);
                auto const z = touch(site_index<sites::z>, p);
                auto const out = touch(site_index<sites::attn_out>, p);
                bool const asks =
                    f.query || sees || writes(site_index<sites::scores>, p) || writes(site_index<sites::pattern>, p);
                // What attention makes is replaced where z or attn_out is covered.
                f.of_z = asks && !z.covered ? work::attention | work::query : z.written ? work::clean_z : work::none;
                f.attention = has(f.of_z, work::attention) && !out.covered;
                f.results = touch(site_index<sites::result>, p).written && !out.covered;
                f.clean_z = !f.attention && (z.written || f.results) && !out.covered;
                bool const attn = after(f.attention || f.clean_z, out);
                f.attn_out = attn;
                bool const differs = f.differs || attn;
                auto const mid = touch(site_index<sites::resid_mid>, p);
                f.mid = parallel ? differs : after(differs, mid);
                auto const mlp = touch(site_index<sites::mlp_out>, p);
                bool const reads = after(parallel ? f.differs : f.mid, touch(site_index<sites::normalized2>, p)) ||
                                   writes(site_index<sites::mlp_gate>, p) || writes(site_index<sites::mlp_pre>, p) ||
                                   writes(site_index<sites::mlp_post>, p);
                f.neurons = reads && !mlp.covered;
                bool const mlp_differs = after(f.neurons, mlp);
                f.out = after(f.mid || mlp_differs, touch(site_index<sites::resid_post>, p));
                stream[p] = f.out;
            }
        }
        last_stream_ = stream;
        final_touched_.assign(n_, false);
        for (std::size_t p = first_; p < n_; ++p)
            final_touched_[p] = touched.at(site_index<sites::final_normalized>, 0, p).written ||
                                touched.at(site_index<sites::logits>, 0, p).written;
    }

    /// Whether anything is left to do.
    bool backward(wanted_rows const& wanted) {
        std::vector<bool> needed(n_), next(n_);
        bool any = false;
        for (auto p : wanted.logits) {
            needed[p] = true;
            any = any || last_stream_[p] || final_touched_[p];
        }
        for (int l = d_.layers - 1; l >= 0; --l) {
            next.assign(n_, false);
            auto const shape = shape_(l);
            auto const read_on_the_way = [&](std::size_t p, auto const& use) {
                for (auto const& r : wanted.sites)
                    if (r.layer == l && r.position == p)
                        use(r.site);
            };
            // Rows that leave the layer, and rows that something is read from in it.
            for (std::size_t p = first_; p < n_; ++p) {
                auto const& f = at(l, p);
                auto& w = todo(l, p);
                if (needed[p] && f.out)
                    w |= work::onward;
                read_on_the_way(p, [&](int site) {
                    if (site == site_index<sites::q> || site == site_index<sites::rot_q>)
                        w |= f.query ? work::query : work::none;
                    else if (site == site_index<sites::k> || site == site_index<sites::rot_k> ||
                             site == site_index<sites::v>)
                        w |= f.keys ? work::keys : work::none;
                    else if (site == site_index<sites::z>)
                        w |= f.of_z;
                    else if (f.out || f.mid || f.attn_out)
                        w |= work::onward;
                    any = any || w != work::none;
                });
                if (has(w, work::onward)) {
                    if (f.attention)
                        w |= work::attention | work::query;
                    if (f.clean_z)
                        w |= work::clean_z;
                    if (f.results)
                        w |= work::results;
                    if (f.neurons)
                        w |= work::neurons;
                }
            }
            // Their attention reads the keys and values that differ.
            for (std::size_t p = first_; p < n_; ++p)
                if (has(todo(l, p), work::attention))
                    for (auto t = at(l, p).sees_all ? first_ : std::max(first_, shape.first_visible(p));
                         t < (at(l, p).sees_all ? n_ : p + 1); ++t)
                        if (at(l, t).keys)
                            todo(l, t) |= work::keys;
            for (std::size_t p = first_; p < n_; ++p)
                if (auto& w = todo(l, p); w != work::none) {
                    w |= work::stream;
                    if (at(l, p).carried) {
                        w |= work::carried;
                        next[p] = true;
                    }
                }
            std::swap(needed, next);
        }
        return any;
    }

    description const& d_;
    shape_of_layer shape_;
    std::size_t n_ = 0, first_ = 0; ///< positions, and the first that is touched
    footprint::of_example effects_;
    case_work todo_;
    std::vector<fact> facts_; ///< [layer][position - first_]
    std::vector<bool> last_stream_, final_touched_;
};

} // namespace detail
} // namespace engraft
