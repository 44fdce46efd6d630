// Whole runs: every site of a plain run, and the logits under every policy.

#include <boost/hana/for_each.hpp>

#include "bits.hpp"

using namespace bits;

struct halved {
    void operator()(auto row) const {
        for (auto& x : row)
            x *= 0.5f;
    }
};

int main(int, char** arguments) try {
    auto const [base, tuned] = load(arguments);
    auto const run = [&](char const* what, auto const& policy) { tell_run(what, base.run(prompts, policy)); };
    auto const last = eg::at(-1);
    auto const heads = eg::nodes({{0, 1}, {1, 0}, {2, 3}});

    tell_run("plain", base.run(prompts));
    auto const seen =
        base.run(prompts, eg::capture(eg::block_sites<D>) | eg::capture(eg::embed, eg::final_normalized, eg::logits));
    boost::hana::for_each(eg::block_sites<D>, [&](auto site) {
        std::vector<float> all;
        for (int l = 0; l < D.layers; ++l) {
            auto const one = eg::to_host(seen[site].whole(l));
            all.insert(all.end(), one.begin(), one.end());
        }
        tell("site " + std::string(decltype(site)::name), all);
    });
    tell("site embed", eg::to_host(seen[eg::embed].whole(0)));
    tell("site final_normalized", eg::to_host(seen[eg::final_normalized].whole(0)));
    tell("site logits", eg::to_host(seen[eg::logits].whole(0)));
    auto const some =
        base.run(prompts, eg::capture(eg::pattern, eg::layer(1) & last) | eg::capture(eg::z, eg::layer(2)));
    for (std::size_t e = 0; e < examples; ++e)
        tell("site pattern of last row", some[eg::pattern].slice(1, e, -1, 2));
    tell("site z of one layer", some[eg::z].array().values);
    auto const first = base.run(prompts, eg::capture(eg::resid_post), eg::first_layers{2});
    tell("site resid_post of first layers", first[eg::resid_post].array().values);

    auto const clean = base.run(prompts, eg::capture(eg::z, eg::attn_out, eg::mlp_out));
    auto const noise = base.run(others, eg::capture(eg::z, eg::resid_pre, eg::resid_mid, eg::v, eg::mlp_post));
    auto const foreign = tuned.run(prompts, eg::capture(eg::z));
    auto const basis = std::vector<std::vector<double>>{[] {
        std::vector<double> unit(D.d_head);
        unit[0] = 0.6, unit[5] = 0.8;
        return unit;
    }()};
    run("identity", eg::identity | eg::identity);
    run("ablate", eg::ablate(eg::z, heads & last));
    run("ablate by a number", eg::ablate(eg::mlp_out, eg::layer(1), 0.25));
    run("ablate by means", eg::ablate(eg::z, heads & last, eg::mean(noise, eg::z)));
    run("ablate by another example", eg::ablate(eg::z, heads & last, eg::resample{noise, 4}));
    run("ablate keys", eg::ablate(eg::k, eg::layer(1) & eg::at(2)));
    run("patch", eg::patch(eg::z, heads, noise));
    run("patch streams", eg::patch(eg::resid_pre, eg::layer(1) & eg::at({-1, -3}), noise));
    run("patch from another site", eg::patch(eg::resid_mid, eg::layer(1), noise, eg::resid_pre));
    run("patch values", eg::patch(eg::v, eg::layer(2) & eg::at(0), noise));
    run("patch mlp_post", eg::patch(eg::mlp_post, eg::layer(0), noise));
    run("swap", eg::swap(eg::z, heads & last, foreign));
    run("freeze and patch",
        eg::freeze(eg::z, eg::everywhere - (heads & last), clean) | eg::patch(eg::z, heads & last, noise));
    run("freeze sums", eg::freeze(eg::attn_out, eg::layer(2), clean) | eg::freeze(eg::mlp_out, eg::layer(2), clean) |
                           eg::ablate(eg::z, eg::layer(0)));
    run("subspace", eg::subspace(eg::z, heads & last, basis, noise));
    run("mask", eg::mask(eg::z, heads & last, std::vector{0.3, 1.0, 0.0}, noise));
    run("mask of elements", eg::mask(eg::z, heads & last, numbers(5, 3 * D.d_head), noise));
    run("mask by means", eg::mask(eg::z, heads & last, std::vector{0.3}, eg::mean(noise, eg::z)));
    run("mask_directions", eg::mask_directions(eg::z, heads & last, basis, {0.4}, noise));
    run("steer", eg::steer(eg::resid_mid, eg::layer(1), numbers(6, D.d_model), 0.7));
    run("steer heads", eg::steer(eg::q, eg::layer(1) & eg::head(2), numbers(7, D.d_head), 2.0));
    run("scale", eg::scale(eg::mlp_out, eg::layers(0, 2), 0.8));
    run("edit", eg::edit(eg::resid_post, eg::layer(1), halved{}));
    run("edit scores", eg::edit(eg::scores, eg::layer(1) & eg::head(0), halved{}));
    run("edit pattern", eg::edit(eg::pattern, eg::layer(1) & eg::at(-1), halved{}));
    run("edit logits", eg::edit(eg::logits, last, halved{}));
    run("edit embed", eg::edit(eg::embed, eg::everywhere, halved{}));
    run("edit final_normalized", eg::edit(eg::final_normalized, last, halved{}));
    run("edit result", eg::edit(eg::result, eg::layer(1) & eg::head(1), halved{}));
    run("when", eg::may_not_fire(
                    eg::scale(eg::resid_mid, eg::layers(0, 2) & eg::when([](auto row) { return row[0] > 0; }), 0.9)));
    run("knockout", eg::knockout(eg::layers(1, 3), last, eg::at({0, 3})));
    run("knockout of a head", eg::knockout(eg::layer(1) & eg::head(2), eg::at({-1, -2}), eg::at(1)));
    double sum = 0;
    base.run(prompts, eg::tap(eg::z, eg::layer(1), [&](auto row) {
                 for (double const x : row)
                     sum += x;
             }));
    tell("tap", std::vector{sum});
    run("several", eg::ablate(eg::z, heads & last) |
                       eg::steer(eg::resid_mid, eg::layer(1), numbers(6, D.d_model), 0.7) |
                       eg::knockout(eg::layer(2), last, eg::at(0)) | eg::scale(eg::z, eg::layer(2), 0.5));
} catch (eg::error const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
}
