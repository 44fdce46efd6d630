// The code of docs/how_to/ about policies, and checks of what those pages say about it.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include <unistd.h>

#include "catch.hpp"

#include <engraft/engraft.hpp>

namespace eg = engraft;

namespace {

// [description]
inline constexpr eg::description pair_model{
    .name = "pair", .layers = 6, .d_model = 128, .heads = 8, .kv_heads = 8, .d_head = 16,
    .d_mlp = 192, .vocab = 755, .norm_eps = 1e-5, .rope_theta = 10000};
// [/description]

/// What the pages begin with: a model, prompts, and clean and noise runs.
struct setting {
    std::string const folder = ENGRAFT_EXAMPLES_DATA;
    // [setting]
    eg::loaded_model<pair_model> const model = eg::load<pair_model>(folder + "/base");
    eg::boxes::prompts const prompts = eg::boxes::sample(model.tokenizer(), {.examples = 21, .seed = 10});
    eg::role const last = prompts.role<eg::last>(), object = prompts.role<eg::correct_object>();
    // [/setting]

    template <class Run>
    static auto bits(Run const& run) {
        return run.logits_at(-1).values().to_host();
    }
};

} // namespace

TEST_CASE_METHOD(setting, "how to choose the number of threads") {
    // [threads]
    auto const on_two = eg::load<pair_model>(folder + "/base", eg::cpu<eg::fp32>(2)); // by at most two threads
    // [/threads]
    CHECK(on_two.backend().threads() == 2);
    CHECK(bits(on_two.run(prompts.tokens)) == bits(model.run(prompts.tokens)));
}

TEST_CASE_METHOD(setting, "how to replace") {
    // [patch]
    auto const noise = model.run(prompts.noise_tokens, eg::capture(eg::z, eg::resid_post));
    auto const where = eg::layers(3, 6) & eg::heads({1, 7}) & eg::at(last);
    auto const patched = model.run(prompts.tokens, eg::patch(eg::z, where, noise));
    // [/patch]
    CHECK(patched.fired()[0] == 3 * 2 * 21);

    // [patch_role]
    auto const there = prompts.noise_role<eg::correct_object>(); // stands elsewhere in the noise prompts
    auto const moved = model.run(prompts.tokens, eg::patch(eg::resid_post, eg::layer(2) & eg::at(object.from(there)), noise));
    // [/patch_role]
    CHECK(bits(moved) != bits(patched));

    // [patch_site]
    auto const skipped = model.run(prompts.tokens, eg::capture(eg::resid_pre));
    auto const without_block = model.run(prompts.tokens, eg::patch(eg::resid_post, eg::layer(4), skipped, eg::resid_pre) |
                                                             eg::capture(eg::resid_post));
    // [/patch_site]
    CHECK(without_block[eg::resid_post].slice(4, 3, -1) == without_block[eg::resid_post].slice(3, 3, -1));

    // [swap]
    auto const tuned_model = eg::load<pair_model>(folder + "/tuned");
    auto const tuned = tuned_model.run(prompts.tokens, eg::capture(eg::z));
    auto const swapped = model.run(prompts.tokens, eg::swap(eg::z, where, tuned));
    // [/swap]
    CHECK(bits(swapped) != bits(patched));

    // [freeze]
    auto const clean = model.run(prompts.tokens, eg::capture(eg::z));
    auto const sender = eg::nodes({{3, 1}}) & eg::at(last);
    auto const direct = model.run(prompts.tokens, eg::patch(eg::z, sender, noise) |
                                                      eg::freeze(eg::z, eg::everywhere - sender, clean));
    // [/freeze]
    CHECK(direct.fired() == std::vector<std::size_t>{21, 6 * 8 * clean.rows().rows() - 21});

    // [subspace]
    std::vector<double> direction(16);
    direction[0] = 0.6, direction[5] = 0.8; // of length 1
    auto const turned = model.run(prompts.tokens, eg::subspace(eg::z, sender, {direction}, noise));
    // [/subspace]
    CHECK(bits(turned) != bits(clean));
}

TEST_CASE_METHOD(setting, "how to remove") {
    // [ablate]
    auto const where = eg::layer(5) & eg::head(1) & eg::at(last);
    auto const zero = model.run(prompts.tokens, eg::ablate(eg::z, where));
    auto const one = model.run(prompts.tokens, eg::ablate(eg::z, where, 1.0));
    // [/ablate]

    // [mean]
    auto const others = model.run(prompts.noise_tokens, eg::capture(eg::z));
    auto const average = model.run(prompts.tokens, eg::ablate(eg::z, where, eg::mean(others, eg::z)));
    // [/mean]

    // [resample]
    auto const resampled = model.run(prompts.tokens, eg::ablate(eg::z, where, eg::resample{others, 4})); // seed 4
    // [/resample]
    auto const clean = bits(model.run(prompts.tokens));
    std::vector const all{clean, bits(zero), bits(one), bits(average), bits(resampled)};
    for (std::size_t i = 0; i < all.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            CHECK(all[i] != all[j]);
}

TEST_CASE_METHOD(setting, "how to mix") {
    // [mask]
    auto const noise = model.run(prompts.noise_tokens, eg::capture(eg::z));
    auto const heads = eg::layers({4, 5}) & eg::heads({1, 7}) & eg::at(last);
    std::vector<double> const weights{1, 0.5, 0, 0.25}; // 4.1, 4.7, 5.1, 5.7: layer by layer, head by head
    auto const mixed = model.run(prompts.tokens, eg::mask(eg::z, heads, weights, noise));
    // [/mask]
    auto const by = [&](std::vector<double> w) {
        return bits(model.run(prompts.tokens, eg::mask(eg::z, heads, std::move(w), noise)));
    };
    CHECK(bits(mixed) != by({1, 0, 0.5, 0.25})); // the order tells which weight is whose
    CHECK(by({1, 1, 1, 1}) == bits(model.run(prompts.tokens)));
}

TEST_CASE_METHOD(setting, "how to steer") {
    // [steer]
    auto const seen = model.run(prompts.tokens, eg::capture(eg::resid_post, eg::layer(3)));
    auto const from = seen[eg::resid_post].slice(3, 0, -1), to = seen[eg::resid_post].slice(3, 1, -1); // two examples
    std::vector<double> direction;
    for (std::size_t i = 0; i < from.size(); ++i)
        direction.push_back(to[i] - from[i]);
    auto const steered = model.run(prompts.tokens, eg::steer(eg::resid_post, eg::layer(3) & eg::at(-1), direction, 0.5) |
                                                       eg::capture(eg::resid_post));
    // [/steer]
    CHECK(steered[eg::resid_post].slice(3, 0, -1)[7] == Approx((from[7] + to[7]) / 2));

    // [scale]
    auto const quieter = model.run(prompts.tokens, eg::scale(eg::mlp_out, eg::layers(0, 2), 0.8));
    // [/scale]
    CHECK(quieter.fired()[0] == 2 * quieter.rows().rows());

    // [edit]
    auto const positive = [](auto row) {
        for (auto& x : row)
            x = x > 0 ? x : 0;
    };
    auto const rectified = model.run(prompts.tokens, eg::edit(eg::z, eg::layer(5), positive) | eg::capture(eg::z));
    auto const fading = [](auto row, eg::row_place const& at) { row *= 1.0f / float(at.position + 1); };
    auto const faded = model.run(prompts.tokens, eg::edit(eg::attn_out, eg::everywhere, fading));
    // [/edit]
    auto const z5 = rectified[eg::z].slice(5, 0, -1, 1);
    CHECK(*std::min_element(z5.begin(), z5.end()) == 0);
    CHECK(bits(faded) != bits(rectified));
}

TEST_CASE_METHOD(setting, "how to block attention") {
    // [knockout]
    auto const blocked = model.run(prompts.tokens, eg::knockout(eg::layers(3, 6), eg::at(last), eg::at(object)));
    auto const before = eg::accuracy(model.run(prompts.tokens).logits_at(last), prompts.answers);
    auto const after = eg::accuracy(blocked.logits_at(last), prompts.answers);
    // [/knockout]
    CHECK(after < before);
    CHECK(blocked.fired()[0] == 3 * 8 * 21);

    // [pattern]
    auto const uniform = [](auto row, eg::row_place const& at) {
        for (std::size_t key = 0; key < row.size(); ++key)
            row[key] = key <= at.position ? 1 / float(at.position + 1) : 0;
    };
    auto const evenly = model.run(prompts.tokens, eg::edit(eg::pattern, eg::layer(5) & eg::head(1), uniform));
    // [/pattern]
    CHECK(bits(evenly) != bits(blocked));
}

TEST_CASE_METHOD(setting, "how to look") {
    // [capture]
    auto const run = model.run(prompts.tokens, eg::capture(eg::z, eg::layer(5) & eg::at(last)) | eg::capture(eg::mlp_out));
    std::vector<float> const value = run[eg::z].slice(5, 0, -1, 1); // layer, example, position, head: 16 floats
    // [/capture]
    CHECK(value.size() == 16);

    // [whole]
    auto const layer_4 = run[eg::mlp_out].whole(4); // [rows, d_model]: the rows of all examples, one after the other
    std::vector<float> const outputs = eg::to_host(layer_4);
    auto const end_of_first = prompts.tokens.rows().begin(1) - 1; // its last row
    // [/whole]
    CHECK(outputs[end_of_first * 128 + 7] == run[eg::mlp_out].slice(4, 0, -1)[7]);

    struct remove_at_end {
        std::filesystem::path folder;
        ~remove_at_end() { std::filesystem::remove_all(folder); }
    } const made{std::filesystem::temp_directory_path() / ("engraft-docs-" + std::to_string(::getpid()))};
    auto const& results = made.folder;
    std::filesystem::create_directories(results);
    // [array]
    auto const values = run[eg::z].array();               // all that was captured: layer 5, the last row of each example
    eg::write_npy(results / "z.npy", values);             // [1, 21, 8, 16], as values.axes says: layer, row, head, element
    eg::write_npy(results / "layers.npy", values.layers); // what stands along the axes: 5
    eg::write_npy(results / "examples.npy", values.examples);   // 0, 1, ..., 20
    eg::write_npy(results / "positions.npy", values.positions); // of each row in its example
    // [/array]
    CHECK(values.shape == std::vector<std::size_t>{1, 21, 8, 16});
    CHECK(eg::read_npy<float>(results / "z.npy").values == values.values);
    CHECK(eg::read_npy<float>(results / "z.npy").shape == values.shape);
    CHECK(eg::read_npy<std::int64_t>(results / "examples.npy").values == values.examples);
    CHECK(eg::read_npy<std::int64_t>(results / "layers.npy").shape == std::vector<std::size_t>{1});
    CHECK(values.positions[3] == long(prompts.tokens.rows().length(3)) - 1);

    // [tap]
    std::vector<double> largest(8); // of each head
    auto const norm_of = [&](auto row, eg::row_place const& at) {
        double const squares = std::inner_product(row.begin(), row.end(), row.begin(), 0.0);
        largest[at.head] = std::max(largest[at.head], std::sqrt(squares));
    };
    model.run(prompts.tokens, eg::tap(eg::z, eg::layer(5), norm_of));
    // [/tap]
    CHECK(*std::min_element(largest.begin(), largest.end()) > 0);

    // [first_layers]
    auto const early = model.run(prompts.tokens, eg::capture(eg::resid_post), eg::first_layers{2});
    std::vector<float> const stream = early[eg::resid_post].slice(1, 0, -1);
    // [/first_layers]
    CHECK(stream.size() == 128);

    // [fired]
    auto const loud = eg::when([](auto row) { return row[0] > 4; });
    auto const counted = model.run(prompts.tokens, eg::may_not_fire(eg::ablate(eg::resid_mid, eg::layer(2) & loud)) |
                                                       eg::capture(eg::resid_mid));
    std::size_t const times = counted.fired()[0]; // of the ablation; fired()[1] is the capture's
    // [/fired]
    CHECK(times < counted.rows().rows());
    CHECK(counted.fired()[1] == 6 * counted.rows().rows());
}

TEST_CASE_METHOD(setting, "how to choose places") {
    auto const rows = prompts.tokens.rows().rows();
    // [where]
    auto const box = eg::layers(4, 6) & eg::heads({0, 3}) & eg::at(-1); // layers 4 and 5, heads 0 and 3, last position
    auto const single = eg::nodes({{5, 1}, {4, 7}}).at(last);           // head 1 of layer 5 and head 7 of layer 4
    auto const ends = eg::at({0, -1}) & eg::examples({2, 5});           // first and last position of two examples
    auto const rest = eg::everywhere - single;                          // all but those
    auto const late = eg::positions(-4) - eg::layer(0);                 // the last four positions, not in layer 0
    auto const strong = eg::layer(5) & eg::when([](auto row) { return row[0] > 0; });
    // [/where]
    auto const scale = [](auto const& where) { return eg::scale(eg::z, where, 1.1); };
    auto const counts = model.run(prompts.tokens, scale(box) | scale(single) | scale(ends) | scale(rest) | scale(late) |
                                                      scale(strong)).fired();
    CHECK(std::vector(counts.begin(), counts.end() - 1) ==
          std::vector<std::size_t>{2 * 2 * 21, 2 * 21, 6 * 8 * 4, 6 * 8 * rows - 2 * 21, 5 * 8 * 4 * 21});
    CHECK((counts.back() > 0 && counts.back() < 8 * rows));
}

TEST_CASE_METHOD(setting, "conditions in a composition") {
    // [condition_order]
    auto const positive = eg::when([](auto row) { return row[0] > 0; });
    auto const zeros = eg::ablate(eg::mlp_out, eg::layer(2));
    auto const ones = eg::ablate(eg::mlp_out, eg::layer(2) & positive, 1);
    auto const some = model.run(prompts.tokens, ones | zeros);                    // `ones` sees the MLP's output
    auto const none = model.run(prompts.tokens, zeros | eg::may_not_fire(ones)); // `ones` sees zeros: fired()[1] is 0
    // [/condition_order]
    CHECK((some.fired()[0] > 0 && some.fired()[0] < some.rows().rows()));
    CHECK(none.fired()[1] == 0);
    CHECK(bits(some) == bits(none));
}
