#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include <engraft/core/linkage.hpp>
#include <engraft/core/ragged.hpp>
#include <engraft/intervene/footprint.hpp>
#include <engraft/run/plan.hpp>

namespace engraft::detail {

ENGRAFT_BODY flop_count flops_of(block_facts const& block, int layer, work todo, std::size_t seen) {
    auto const& products = block.products[has_experts(*block.of, layer) ? 1 : 0];
    flop_count f;
    for (std::size_t set = 0; set < row_sets; ++set)
        if (takes_part(todo, static_cast<site_rows>(set)))
            f.linear += 2 * products[set];
    if (takes_part(todo, site_rows::attention))
        f.attention += 4.0 * block.of->heads * block.of->d_head * static_cast<double>(seen);
    return f;
}

ENGRAFT_BODY flop_count flops_of_example(block_facts const& block, std::size_t length) {
    flop_count f;
    for (int l = 0; l < block.of->layers; ++l) {
        auto const shape = block.shape(l);
        for (std::size_t p = 0; p < length; ++p)
            f += flops_of(block, l, work::keys | work::query | work::attention | work::neurons,
                          shape.count_visible(p, length));
    }
    return f;
}

ENGRAFT_BODY case_work const& case_planner::plan(footprint const& touched, std::size_t example, std::size_t length,
                                                 wanted_rows const& wanted, idle_layers const& idle) {
    n_ = length;
    auto const layers = static_cast<std::size_t>(block_.of->layers);
    effects_.set(touched, layers, example, n_, block_.of->bidirectional);
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

ENGRAFT_BODY bool case_planner::after(bool differs, site_effect e) {
    if (e.held)
        return false;
    return differs || e.written;
}

ENGRAFT_BODY void case_planner::forward(footprint::of_example const& touched, idle_layers const& idle) {
    std::vector<bool> stream(n_);
    for (std::size_t p = first_; p < n_; ++p)
        stream[p] = touched.at(site_index<sites::embed>, 0, p).written ||
                    touched.at(site_index<sites::pos_embed>, 0, p).written;
    bool const parallel = block_.of->residual == residual::parallel;
    for (int l = 0; l < block_.of->layers; ++l) {
        auto const touch = [&](int site, std::size_t p) {
            bool const nothing = site == idle.site && idle.layers[static_cast<std::size_t>(l)];
            return nothing ? site_effect{} : touched.at(site, l, p);
        };
        auto const writes_any = [&](site_rows set, std::size_t p) {
            bool any = false;
            block_.sites[static_cast<std::size_t>(set)].each([&](int site) { any = any || touch(site, p).written; });
            return any;
        };
        auto const shape = block_.shape(l);
        for (std::size_t p = first_; p < n_; ++p) {
            auto& f = at(l, p);
            f.carried = stream[p];
            f.differs = after(f.carried, touch(site_index<sites::resid_pre>, p));
            bool const normalized = after(f.differs, touch(site_index<sites::normalized1>, p));
            f.query = normalized || writes_any(site_rows::query, p);
            f.keys = normalized || writes_any(site_rows::keys, p);
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
            bool const sees =
                f.sees_all || shape.bidirectional ? any_own : last_own != n_ && last_own >= shape.first_visible(p);
            auto const z = touch(site_index<sites::z>, p);
            auto const out = touch(site_index<sites::attn_out>, p);
            bool const asks = f.query || sees || writes_any(site_rows::attention, p);
            // What attention makes is replaced where z or attn_out is covered.
            f.of_z = asks && !z.covered ? work::attention | work::query : z.written ? work::clean_z : work::none;
            f.attention = has(f.of_z, work::attention) && !out.covered;
            auto const result = touch(site_index<sites::result>, p);
            bool const of_other_z = result.touched && (f.attention || z.written); // held ones take the change away
            f.results = (result.written || of_other_z) && !out.covered;
            f.clean_z = !f.attention && (z.written || f.results) && !out.covered;
            bool const attn = after(f.attention || f.clean_z, out);
            f.attn_out = attn;
            bool const differs = f.differs || attn;
            auto const mid = touch(site_index<sites::resid_mid>, p);
            f.mid = parallel ? differs : after(differs, mid);
            auto const mlp = touch(site_index<sites::mlp_out>, p);
            bool const reads = after(parallel ? f.differs : f.mid, touch(site_index<sites::normalized2>, p)) ||
                               writes_any(site_rows::neurons, p);
            f.neurons = reads && !mlp.covered && block_.of->mlp != mlp::none;
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

ENGRAFT_BODY bool case_planner::backward(wanted_rows const& wanted) {
    std::vector<bool> needed(n_), next(n_);
    bool any = false;
    for (auto p : wanted.logits) {
        needed[p] = true;
        any = any || last_stream_[p] || final_touched_[p];
    }
    for (int l = block_.of->layers - 1; l >= 0; --l) {
        next.assign(n_, false);
        auto const shape = block_.shape(l);
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
                auto const has_rows = [&](site_rows set) {
                    return block_.sites[static_cast<std::size_t>(set)].has(site);
                };
                if (has_rows(site_rows::query))
                    w |= f.query ? work::query : work::none;
                else if (has_rows(site_rows::keys))
                    w |= f.keys ? work::keys : work::none;
                else if (has_rows(site_rows::z))
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
                     t < (at(l, p).sees_all ? n_ : shape.end_visible(p, n_)); ++t)
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

} // namespace engraft::detail
