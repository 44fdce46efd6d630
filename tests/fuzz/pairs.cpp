#include <engraft/io/tokenizer.hpp>
#include <engraft/io/tokenizer_json.hpp>
#include <engraft/task/pairs.hpp>

#include "reading.hpp"

namespace {

engraft::tokenizer const& letters() {
    static engraft::tokenizer const t(
        engraft::read_tokenizer_json(
            R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "c": 7, " ": 3, "?": 4}, "merges": ["a b"],)"
            R"("unk_token": "?", "fuse_unk": true}, "normalizer": {"type": "NFC"}})",
            "letters"),
        "letters");
    return t;
}

} // namespace

void engraft_fuzz::pairs(std::string_view input) {
    for (auto const* name : {"pairs.jsonl", "pairs.csv"}) {
        auto const file = folder::one().put(name, input);
        accepted([&] {
            auto const read = engraft::read_pairs(file, letters());
            for (auto const& pair : read.pairs)
                for (auto const& role : pair.roles) {
                    require(role.clean >= 0 && static_cast<std::size_t>(role.clean) < pair.clean.size(),
                            "a role is outside its prompt");
                    require(role.corrupted >= 0 && static_cast<std::size_t>(role.corrupted) < pair.corrupted.size(),
                            "a role is outside its corrupted prompt");
                }
            auto const again = folder::one().path() / "again.jsonl";
            engraft::write_pairs(again, read);
            require(engraft::read_pairs(again, letters()).pairs == read.pairs, "pairs were not written as they are");
        });
    }
}
