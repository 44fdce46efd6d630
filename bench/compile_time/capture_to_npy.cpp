// Writes z and the residual stream of a prompt as files for numpy.load.
// usage: capture_to_npy MODEL PROMPT FOLDER
#include <filesystem>
#include <iostream>

#include <engraft/engraft.hpp>
#include <engraft_models/smollm.hpp>
namespace eg = engraft;

int main(int count, char** arguments) try {
    if (count != 4)
        throw eg::error("usage: capture_to_npy MODEL PROMPT FOLDER");
    auto const model = eg::load<smollm>(arguments[1]);
    auto const run =
        model.run(eg::batch::of(model.tokenizer().encode(arguments[2])), eg::capture(eg::z, eg::resid_post));
    std::filesystem::path const folder = arguments[3];
    eg::write_npy(folder / "z.npy", run[eg::z].array());                   // [layer, row, head, element]
    eg::write_npy(folder / "resid_post.npy", run[eg::resid_post].array()); // [layer, row, element]
} catch (eg::error const& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
