// The code of docs/how_to/pictures.md, and checks of what that page says.

#include <filesystem>
#include <string>

#include "catch.hpp"
#include "docs/pair_model.hpp"
#include "temporary_folder.hpp"

#include <engraft/engraft.hpp>
// [include]
#include <engraft/circuit/show.hpp>
#include <engraft/io/whole_file.hpp>
// [/include]

namespace eg = engraft;

TEST_CASE("how to show results") {
    std::string const folder = ENGRAFT_EXAMPLES_DATA;
    temporary_folder const temporary;
    auto const results = temporary.path;
    auto const model = eg::load<pair_model>(folder + "/tuned");
    auto const prompts = eg::boxes::sample(model.tokenizer(), {.examples = 4, .seed = 10});
    auto const last = prompts.role<eg::last>();

    // [attention]
    auto const words = eg::pictures::words_of(model.tokenizer(), prompts.tokens.sequence(0));
    auto const run = model.run(prompts.tokens.part(0, 1), eg::capture(eg::pattern, eg::layer(5)));
    auto const attention = eg::pictures::show(run, 5, 0, {.words = words}); // layer 5, example 0: a map for each head
    eg::write_whole_file(results / "attention.html", eg::pictures::html(attention));
    // [/attention]
    CHECK(attention.maps.size() == 8);
    CHECK(attention.maps[0].columns[1] == "1 The");
    CHECK(attention.maps[0].rows[3] == "3 ␣is");

    // [sweep]
    auto const clean = model.run(prompts.tokens, eg::capture_for_sweeps<pair_model>());
    auto const noise = model.run(prompts.noise_tokens, eg::capture(eg::z));
    auto const heads = eg::sweep(model, clean, eg::each_head<pair_model>(),
                                 [&](eg::node n) { return eg::patch(eg::z, eg::nodes({n}).at(last), noise); },
                                 {eg::logit(prompts.answers)});
    eg::write_whole_file(results / "heads.html", eg::pictures::html(eg::pictures::show(heads)));
    // [/sweep]

    // [svg]
    auto picture = eg::pictures::show(heads, {.title = "Heads at the last token", .change = false});
    picture.maps[0].rows.back() += " (last)";
    eg::write_whole_file(results / "heads.svg", eg::pictures::svg(picture.maps[0]));
    // [/svg]
    for (auto const* name : {"attention.html", "heads.html", "heads.svg"})
        CHECK(std::filesystem::file_size(results / name) > 1000);
}
