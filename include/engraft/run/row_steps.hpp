#pragma once

#include <cstddef>
#include <utility>

#include <engraft/model/block.hpp>
#include <engraft/run/activations.hpp>
#include <engraft/run/expert_steps.hpp>
#include <engraft/run/steps.hpp>

namespace engraft::detail {

/// The steps of a block as every pass over rows takes them, whichever rows it has. What differs between passes are
/// attention, and what completes a sum. A Pass has
///   now<S>()            the activation of a site, as it is now
///   part<S>(set)        the rows of a site that are in a set of rows, to be read
///   make<S>(rows)       room for a site's activation, of the rows that a step has made
///   at<S>(layer)        calls what acts at a site
///   keep<S>()           keeps what a step overwrites, where a gradient will need it
///   keeps()             whether it will
///   skips<S>()          whether nothing asks for a site
///   linear, rotate      products, which it may count, and rotation by its rows' positions
///   results<From, To>   where policies touch single heads' contributions
template <description const& D, class B, class Pass>
class row_steps {
protected:
    using T = typename B::value_type;
    using block_type = block_weights<D, B>;

    explicit row_steps(B const& backend) : b_(backend) {}

    void take_each(int layer, block_type const& w) {
        each_step<D>([&](auto step) { self().take(step, layer, w); });
    }

    template <site From, site To, block_weight W>
    void take(steps::norm<From, To, W>, int layer, block_type const& w) {
        self().template keep<From>();
        auto const in = self().template part<From>(To::rows);
        normalize<D>(b_, self().template make<To>(To::rows), in, weight_of<W>(w));
        self().template at<To>(layer);
    }
    template <site From, class... Map>
    void take(steps::maps<From, Map...>, int layer, block_type const& w) {
        (map_from<From>(Map(), layer, w), ...);
    }
    template <site S, block_weight W>
    void take(steps::norm_heads<S, W>, int, block_type const& w) {
        self().template keep<S>();
        normalize_heads<D>(b_, self().template now<S>(), site_heads<D, S>, weight_of<W>(w));
    }
    template <site From, site To>
    void take(steps::rotate<From, To>, int layer, block_type const&) {
        self().template rotate<To>(layer);
        self().template at<To>(layer);
    }
    void take(steps::activate, int layer, block_type const&) {
        self().template keep<sites::mlp_pre>();
        if (matrix<T> const up = self().template now<sites::mlp_post>(); up.rows > 0) {
            if constexpr (is_gated(D.mlp))
                b_.gated(up, self().template now<sites::mlp_gate>(), D.mlp);
            else
                b_.activate(up, D.mlp);
        }
        self().template at<sites::mlp_post>(layer);
    }
    void take(steps::choose, int layer, block_type const&) {
        matrix<T> const weights = self().template make<sites::expert_weights>(site_rows::neurons);
        if (weights.rows > 0)
            experts_.choose(b_, weights, self().template now<sites::router_logits>());
        self().template at<sites::expert_weights>(layer);
    }
    template <site From>
    void take(steps::experts<From>, int layer, block_type const& w) {
        auto const in = self().template part<From>(site_rows::neurons);
        auto const out = self().template make<sites::expert_out>(site_rows::neurons);
        if (in.rows > 0)
            experts_.run(b_, by_choice(out), in, w.experts, self().keeps(),
                         [&](auto const&... product) { self().linear(product...); });
        self().template at<sites::expert_out>(layer);
    }
    template <site To>
    void take(steps::weigh<To>, int, block_type const&) {
        if (self().template skips<To>())
            return;
        matrix<T> const out = self().template make<To>(site_rows::neurons);
        if (out.rows > 0)
            b_.sum_rows(out, by_choice(self().template now<sites::expert_out>()),
                        self().template now<sites::expert_weights>(), experts_.in_order());
    }
    template <bool Experts, class Step>
    void take(steps::in_layers<Experts, Step>, int layer, block_type const& w) {
        if (has_experts(D, layer) == Experts)
            self().take(Step(), layer, w);
    }
    template <site From, site To, block_weight W>
    void take(steps::sum<From, To, W>, int layer, block_type const& w) {
        if (self().template skips<To>())
            return;
        auto const& map = weight_of<W>(w);
        self().linear(self().template make<To>(From::rows), self().template now<From>(), map);
        if constexpr (per_head_site<From>)
            self().template results<From, To>(layer, map);
    }
    template <site S, block_weight W>
    void take(steps::norm_in_place<S, W>, int, block_type const& w) {
        self().template keep<S>();
        normalize<D>(b_, self().template now<S>(), self().template now<S>(), weight_of<W>(w));
    }
    template <site To, site... Part>
    void take(steps::join<To, Part...>, int layer, block_type const&) {
        if (self().template skips<To>())
            return;
        if (matrix<T> const stream = self().template make<To>(To::rows); stream.rows > 0)
            (b_.add(stream, self().template now<Part>()), ...);
        self().template at<To>(layer);
    }

    /// [rows, experts_per_token * d_model] as [rows * experts_per_token, d_model]
    static auto by_choice(auto all) {
        return decltype(all){all.data, all.rows * static_cast<std::size_t>(D.experts_per_token), D.d_model, D.d_model};
    }

    B const& b_;
    struct none {};
    [[no_unique_address]] std::conditional_t<(D.experts > 0), expert_steps<D, B>, none> experts_;

private:
    template <site From, block_weight W, site To>
    void map_from(steps::map<W, To>, int layer, block_type const& w) {
        auto const in = self().template part<From>(To::rows);
        self().linear(self().template make<To>(To::rows), in, weight_of<W>(w));
        self().template at<To>(layer);
    }

    Pass& self() { return static_cast<Pass&>(*this); }
};

} // namespace engraft::detail
