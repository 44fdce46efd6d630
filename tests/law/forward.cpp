// What holds for any weights, prompts and backend.

#include "backends.hpp"
#include "catch.hpp"
#include "random_models.hpp"

TEMPLATE_TEST_CASE("a policy that changes nothing gives the same bits", "", ENGRAFT_TEST_BACKENDS) {
    auto const model = random_model<TestType>(1);
    auto const prompts = random_prompts(2, {5, 1, 9, 70});
    auto const plain = logits_of(model.run(prompts));

    CHECK(logits_of(model.run(prompts, eg::identity)) == plain);
    auto const all = model.run(prompts, eg::capture(eg::block_sites<grouped>) |
                                            eg::capture(eg::embed, eg::final_normalized, eg::logits));
    CHECK(logits_of(all) == plain);

    // Every site overwritten by what it is anyway.
    auto const same = [&](auto... site) { return (eg::identity | ... | eg::patch(site, eg::everywhere, all)); };
    auto const everywhere = boost::hana::unpack(eg::block_sites<grouped>, same);
    CHECK(logits_of(model.run(prompts, everywhere | same(eg::embed, eg::final_normalized, eg::logits))) == plain);
}

#ifndef ENGRAFT_TEST_OTHER_BACKENDS // a law of the engine: once is enough
TEMPLATE_TEST_CASE("the order of block_sites is that of the forward pass", "", eg::reference) {
    // Zeros at a site change every site behind it (of the last position, in the last layer) and none before it.
    auto const model = random_model<TestType>(3);
    auto const prompts = random_prompts(4, {6});
    auto const everything = eg::capture(eg::block_sites<grouped>);
    auto const clean = model.run(prompts, everything);
    auto const changed = [&](auto site) {
        auto const run = model.run(prompts, eg::ablate(site, eg::layer(2)) | everything);
        std::vector<bool> differs;
        boost::hana::for_each(eg::block_sites<grouped>, [&](auto s) {
            differs.push_back(run[s].slice(2, 0, -1, 0) != clean[s].slice(2, 0, -1, 0));
        });
        return differs;
    };
    auto const from_stream = changed(eg::resid_pre);
    CHECK(std::count(from_stream.begin(), from_stream.end(), true) >= 17);
    auto const from_mlp = changed(eg::mlp_post);
    CHECK(from_mlp == std::vector<bool>{false, false, false, false, false, false, false, false, false, false, false,
                                        false, false, false, false, false, true, true, true});
}
#endif

TEMPLATE_TEST_CASE("the stream is the sum of what is added to it", "", ENGRAFT_TEST_BACKENDS) {
    auto const model = random_model<TestType>(7);
    auto const run = model.run(random_prompts(8, {4, 11}), eg::capture(eg::block_sites<grouped>));
    for (int layer = 0; layer < grouped.layers; ++layer)
        for (std::size_t example = 0; example < 2; ++example) {
            auto const before = run[eg::resid_pre].slice(layer, example, -1),
                       middle = run[eg::resid_mid].slice(layer, example, -1),
                       after = run[eg::resid_post].slice(layer, example, -1),
                       attention = run[eg::attn_out].slice(layer, example, -1),
                       mlp = run[eg::mlp_out].slice(layer, example, -1);
            std::vector<double> heads(before.size());
            for (std::size_t h = 0; h < 4; ++h) {
                auto const result = run[eg::result].slice(layer, example, -1, h);
                for (std::size_t i = 0; i < heads.size(); ++i)
                    heads[i] += static_cast<double>(result[i]);
            }
            for (std::size_t i = 0; i < before.size(); ++i) {
                CHECK(before[i] + attention[i] == middle[i]);
                CHECK(middle[i] + mlp[i] == after[i]);
                CHECK(heads[i] == Approx(static_cast<double>(attention[i])).margin(1e-5));
            }
        }
}

TEMPLATE_TEST_CASE("a backend computes the model that the reference does", "", ENGRAFT_TEST_FAST_BACKENDS) {
    auto const prompts = random_prompts(9, {12, 3});
    auto const exact = logits_of(random_model<eg::reference>(10).run(prompts));
    auto const fast = logits_of(random_model<TestType>(10).run(prompts));
    CHECK(largest_difference(exact, std::vector<double>(fast.begin(), fast.end())) < 1e-5 * 5);
    CHECK(logits_of(random_model<eg::reference>(11).run(prompts)) != exact);
}
