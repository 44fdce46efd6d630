#include <map>
#include <set>
#include <sstream>

#include "catch.hpp"

#include <engraft/io/tokenizer.hpp>
#include <engraft/task/desiderata.hpp>

namespace eg = engraft;
using eg::boxes::hypothesis;

namespace {

/// Words and punctuation marks are tokens, numbered as they come.
class words_only {
public:
    std::vector<eg::token> encode(std::string const& text) const {
        std::string spaced = "<s> ";
        for (char c : text)
            spaced += c == ',' || c == '.' ? std::string(" ") + c : std::string(1, c);
        std::istringstream in(spaced);
        std::vector<eg::token> tokens;
        for (std::string word; in >> word;)
            tokens.push_back(number(word));
        return tokens;
    }
    std::optional<eg::token> single_token(std::string const& text) const { return number(text.substr(1)); }
    std::string text(std::vector<eg::token> const& tokens) const {
        std::string all;
        for (auto t : tokens)
            all += (all.empty() ? "" : " ") + names_.at(static_cast<std::size_t>(t));
        return all;
    }
    std::string text(eg::token t) const { return names_.at(static_cast<std::size_t>(t)); }

private:
    eg::token number(std::string const& word) const {
        if (!numbers_.contains(word)) {
            numbers_[word] = static_cast<eg::token>(names_.size());
            names_.push_back(word);
        }
        return numbers_.at(word);
    }
    mutable std::map<std::string, eg::token> numbers_;
    mutable std::vector<std::string> names_;
};

eg::boxes::scene scene(std::vector<std::string> objects, std::string const& labels, char query) {
    auto const asked = labels.find(query);
    return {std::move(objects), {labels.begin(), labels.end()}, asked == std::string::npos ? 0 : asked, query};
}

/// What a hypothesis makes of a pair of scenes: the alternate's tokens, and the positions of its roles.
struct expected {
    hypothesis what;
    eg::boxes::scene alternate;
    std::string tokens;
    std::string target;
    std::vector<long> places; ///< last, query label, previous query label, correct object
};

void check(eg::boxes::scene const& original, std::vector<expected> const& all) {
    words_only const words;
    for (auto const& e : all) {
        eg::boxes::triple t{original, e.alternate, "apple", 'O', ""};
        auto const& told = e.what == hypothesis::object ? t.alternate : t.original;
        t.target = told.objects.at(eg::boxes::target_place(e.what, t.original, t.alternate));
        auto const d = eg::boxes::encode(words, e.what, {t});
        CAPTURE(d.name);
        CHECK(words.text(d.alternate.tokens()) == e.tokens);
        CHECK(words.text(d.original.tokens()) == words.text(words.encode(original.text())));
        CHECK(words.text(d.targets.at(0)) == e.target);
        REQUIRE(d.roles.size() == e.places.size());
        for (std::size_t r = 0; r < e.places.size(); ++r)
            CHECK(d.roles[r].source_positions == std::vector{e.places[r]});
    }
}

eg::tokenizer const& pair_words() {
    static auto const t = eg::tokenizer::load(ENGRAFT_EXAMPLES_DATA "/base/tokenizer.json");
    return t;
}

} // namespace

TEST_CASE("the three desiderata of Figure 2, token by token") {
    std::vector<std::string> const things{"book", "cup", "computer"};
    auto const original = scene({"document", "pot", "cross"}, "XYZ", 'X');
    auto const told = std::string("<s> The book is in Box A , the cup is in Box B , the computer is in Box C . ");
    auto untold = scene(things, "ABC", 'Y');
    untold.queried = 1;
    check(original,
          {{hypothesis::object, scene(things, "ABC", 'B'), told + "Box B contains the", "cup", {25, 23, 13, 9}},
           {hypothesis::position, scene(things, "ABC", 'C'), told + "Box C contains the", "cross", {25, 23, 20, 16}},
           // positions of what the alternate lacks are the original's
           {hypothesis::label_untold, untold, told + "Box Y contains the", "pot", {25, 23, 6, 2}},
           {hypothesis::label,
            scene(things, "ABY", 'Y'),
            "<s> The book is in Box A , the cup is in Box B , the computer is in Box Y . Box Y contains the",
            "pot",
            {25, 23, 20, 16}}});
}

TEST_CASE("the eleven positional desiderata of Tables A12 and A13, token by token") {
    auto const original = scene({"document", "pot", "magnet", "game", "bill", "cross", "map"}, "XTAEMKD", 'A');
    auto const second = scene({"pot", "flower", "car", "disk", "fan", "bill", "painting"}, "UDKCHSL", 'H');
    auto of_disk = second;
    of_disk.queried = 3;
    of_disk.query = 'C';
    auto const hats = scene({"hat", "plane", "tie", "wire", "file", "note", "train"}, "KHUFRYG", 'G');
    auto of_wire = hats;
    of_wire.queried = 3;
    of_wire.query = 'F';
    auto const magnets = scene({"magnet", "bell", "leaf", "cup", "ice", "milk", "wire"}, "OMWGJZH", 'J');
    auto of_leaf = magnets;
    of_leaf.queried = 2;
    of_leaf.query = 'W';
    check(
        original,
        {{hypothesis::text_at_start,
          of_leaf,
          "<s> There are a bunch of boxes containing objects , the magnet is in Box O , the bell is in Box M , the "
          "leaf is "
          "in Box W , the cup is in Box G , the ice is in Box J , the milk is in Box Z , the wire is in Box H . Box W "
          "contains the",
          "magnet",
          {62, 60, 29, 25}},
         {hypothesis::text_at_end,
          scene({"document", "bus", "camera", "glass", "magazine", "coffee", "watch"}, "QFRWZEC", 'C'),
          "<s> The document is in Box Q , the bus is in Box F , the camera is in Box R , the glass is in Box W , the "
          "magazine is in Box Z , the coffee is in Box E , the watch is in Box C , these are a bunch of boxes "
          "containing "
          "objects . Box C contains the",
          "map",
          {62, 60, 48, 44}},
         {hypothesis::words_in_segment,
          second,
          "<s> The pot is in Box U , the flower is in Box D , the car is in Box K , the disk is in Box C , the fan is "
          "contained in the Box H , the bill is in Box S , the painting is in Box L . Box H contains the",
          "bill",
          {55, 53, 36, 30}},
         {hypothesis::segment_at_start,
          scene({"dress", "boot", "hat", "bus", "painting", "drug", "string"}, "NYLXFJD", 'X'),
          "<s> The apple is in Box O , the dress is in Box N , the boot is in Box Y , the hat is in Box L , the bus is "
          "in "
          "Box X , the painting is in Box F , the drug is in Box J , the string is in Box D . Box X contains the",
          "game",
          {60, 58, 34, 30}},
         {hypothesis::segment_at_end,
          hats,
          "<s> The hat is in Box K , the plane is in Box H , the tie is in Box U , the wire is in Box F , the file is "
          "in "
          "Box R , the note is in Box Y , the train is in Box G , the apple is in Box O . Box G contains the",
          "map",
          {60, 58, 48, 44}},
         {hypothesis::boxes_before_segment,
          of_wire,
          "<s> The hat is in Box K , the plane is in Box H , the tie is in Box U , there are three additional boxes , "
          "Box "
          "PP , Box BB and Box AA , the wire is in Box F , the file is in Box R , the note is in Box Y , the train is "
          "in "
          "Box G . Box F contains the",
          "game",
          {68, 66, 42, 38}},
         {hypothesis::next_segment,
          magnets,
          "<s> The magnet is in Box O , the bell is in Box M , the leaf is in Box W , the cup is in Box G , the ice is "
          "in "
          "Box J , the milk is in Box Z , the wire is in Box H . Box J contains the",
          "cross",
          {53, 51, 34, 30}},
         {hypothesis::other_order,
          of_disk,
          "<s> The pot is in Box U , the flower is in Box D , the car is in Box K , Box C contains the disk , the fan "
          "is in "
          "Box H , the bill is in Box S , the painting is in Box L . Box C contains the",
          "game",
          {52, 50, 23, 26}},
         {hypothesis::other_relation,
          scene({"ticket", "book", "gift", "coat", "rose", "wheel", "brick"}, "NJWYKGV", 'G'),
          "<s> The ticket is in Box N , the book is in Box J , the gift is in Box W , the coat is in Box Y , the rose "
          "is in "
          "Box K , the wheel is not in Box G , the brick is in Box V . Box G contains the",
          "cross",
          {54, 52, 42, 37}},
         {hypothesis::no_comma,
          second,
          "<s> The pot is in Box U the flower is in Box D the car is in Box K the disk is in Box C the fan is in Box H "
          "the "
          "bill is in Box S the painting is in Box L . Box H contains the",
          "bill",
          {47, 45, 30, 26}},
         {hypothesis::comma_after_object,
          scene({"clock", "bomb", "newspaper", "letter", "suit", "computer", "wheel"}, "MJGLYRV", 'L'),
          "<s> The clock , is in Box M , the bomb , is in Box J , the newspaper , is in Box G , the letter , is in Box "
          "L , "
          "the suit , is in Box Y , the computer , is in Box R , the wheel , is in Box V . Box L contains the",
          "game",
          {60, 58, 31, 26}}});
}

TEST_CASE("drawn triples: the target is what the hypothesis says and nothing else") {
    constexpr std::size_t count = 70;
    eg::boxes::options const o{.examples = count, .seed = 5};
    for (auto const& named : eg::boxes::all_hypotheses) {
        auto const h = named.what;
        CAPTURE(named.name);
        CHECK(eg::boxes::hypothesis_named(named.name) == h);
        auto const triples = eg::boxes::draw_triples(pair_words(), h, o);
        auto const d = eg::boxes::encode(pair_words(), h, triples);
        REQUIRE(triples.size() == count);
        d.require_complete();
        CHECK(d.name == named.name);
        CHECK(d.examples() == count);
        std::set<std::size_t> places;
        for (std::size_t j = 0; j < count; ++j) {
            auto const &original = triples[j].original, &alternate = triples[j].alternate;
            auto const added_object = triples[j].added_object, target = triples[j].target;
            auto const added_label = triples[j].added_label;
            CHECK(original.queried == j % 7);
            CHECK(original.query == original.labels[original.queried]);
            CHECK(alternate.queried != original.queried);
            places.insert(alternate.queried);

            std::set<std::string> objects(original.objects.begin(), original.objects.end());
            objects.insert(alternate.objects.begin(), alternate.objects.end());
            CHECK(objects.size() == 14);
            CHECK_FALSE(objects.contains(added_object));
            std::set<char> labels(original.labels.begin(), original.labels.end());
            labels.insert(alternate.labels.begin(), alternate.labels.end());
            CHECK(labels.size() == (h == hypothesis::label ? 13 : 14));
            CHECK_FALSE(labels.contains(added_label));

            // Which object the answer, the place and the label of either prompt point at.
            auto const in_box = [&](char label) {
                auto const at = std::find(original.labels.begin(), original.labels.end(), label);
                return at == original.labels.end()
                           ? std::string()
                           : original.objects[static_cast<std::size_t>(at - original.labels.begin())];
            };
            auto const answer = original.objects[original.queried];
            auto const by_place = original.objects[alternate.queried];
            CHECK(target != answer);
            if (h == hypothesis::object)
                CHECK(target == alternate.objects[alternate.queried]);
            else if (h == hypothesis::label) {
                CHECK(target == in_box(alternate.query));
                CHECK(target != by_place);
            } else if (h == hypothesis::label_untold) {
                CHECK(target == in_box(alternate.query));
                CHECK(std::count(alternate.labels.begin(), alternate.labels.end(), alternate.query) == 0);
            } else if (h == hypothesis::next_segment)
                CHECK(target == original.objects[(alternate.queried + 1) % 7]);
            else
                CHECK(target == by_place);

            // Roles stand where their words are, in both prompts.
            auto const word = [](std::string const& w) { return pair_words().require_token(" " + w); };
            auto const at = [&](eg::batch const& b, long p) { return b.at(j, static_cast<std::size_t>(p)); };
            auto const& of = [&](auto role) -> eg::role const& { return d.role(decltype(role)::name); };
            CHECK(d.targets[j] == word(target));
            CHECK(of(eg::last{}).positions[j] == 53);
            CHECK(of(eg::query_label{}).positions[j] == 51);
            CHECK(of(eg::previous_query_label{}).positions[j] == static_cast<long>(6 + 7 * original.queried));
            CHECK(of(eg::correct_object{}).positions[j] == static_cast<long>(2 + 7 * original.queried));
            auto const length = static_cast<long>(d.alternate.rows().length(j));
            CHECK(of(eg::last{}).source_positions[j] == length - 1);
            CHECK(of(eg::query_label{}).source_positions[j] == length - 3);
            CHECK(at(d.alternate, length - 3) == word(std::string(1, alternate.query)));
            if (h == hypothesis::label_untold) {
                CHECK(length == 54);
                continue;
            }
            auto const previous = of(eg::previous_query_label{}).source_positions[j];
            CHECK(previous < length - 3);
            CHECK(at(d.alternate, previous) == word(std::string(1, alternate.query)));
            auto const object = of(eg::correct_object{}).source_positions[j];
            CHECK(at(d.alternate, object) == word(alternate.objects[alternate.queried]));
            auto const apart = h == hypothesis::words_in_segment     ? 7 // "contained" is two tokens here
                               : h == hypothesis::other_relation     ? 5
                               : h == hypothesis::comma_after_object ? 5
                               : h == hypothesis::other_order        ? 3
                                                                     : 4;
            CHECK(std::abs(previous - object) == apart);
        }
        CHECK(places.size() == 7);
    }
}

TEST_CASE("originals are the same for every hypothesis, and a triple depends on the seed and its number alone") {
    auto const drawn = [](hypothesis h, std::size_t examples, std::uint64_t seed) {
        return eg::boxes::sample(pair_words(), h, {.examples = examples, .seed = seed});
    };
    auto const object = drawn(hypothesis::object, 20, 3), position = drawn(hypothesis::position, 20, 3);
    CHECK(object.original == position.original);
    CHECK(object.alternate == position.alternate);
    CHECK(object.targets != position.targets);
    CHECK(drawn(hypothesis::label, 20, 3).original == object.original);
    CHECK_FALSE(drawn(hypothesis::object, 20, 4).original == object.original);

    auto const longer = drawn(hypothesis::object, 30, 3);
    auto const part = longer.part(0, 20);
    CHECK(part.original == object.original);
    CHECK(part.targets == object.targets);
    auto const middle = longer.part(7, 5);
    REQUIRE(middle.examples() == 5);
    for (std::size_t i = 0; i < 5; ++i) {
        CHECK(middle.original.sequence(i) == longer.original.sequence(7 + i));
        CHECK(middle.alternate.sequence(i) == longer.alternate.sequence(7 + i));
        CHECK(middle.targets[i] == longer.targets[7 + i]);
        auto const &some = middle.role("previous_query_label"), &all = longer.role("previous_query_label");
        CHECK(some.positions[i] == all.positions[7 + i]);
        CHECK(some.source_positions[i] == all.source_positions[7 + i]);
    }
}

TEST_CASE("desiderata that can't be made or do not fit are refused by one sentence") {
    using Catch::Matchers::ContainsSubstring;
    auto const make = [](eg::boxes::options const& o) { return eg::boxes::sample(pair_words(), hypothesis::label, o); };
    CHECK_THROWS_WITH(make({.examples = 0}), ContainsSubstring("at least one example"));
    CHECK_THROWS_WITH(make({.boxes = 2}), ContainsSubstring("at least 3 boxes"));
    CHECK_THROWS_WITH(make({.boxes = 14}), ContainsSubstring("needs 28 objects and labels"));
    CHECK_THROWS_WITH(eg::boxes::hypothesis_named("colour"),
                      ContainsSubstring("no desideratum `colour`; there are object"));
    CHECK_THROWS_AS(eg::boxes::hypothesis_named(""), eg::bad_input);

    auto d = make({.examples = 3, .seed = 1});
    CHECK_THROWS_WITH(d.role("first"), ContainsSubstring("no role `first`; its roles are last"));
    CHECK_THROWS_WITH(d.part(1, 3), ContainsSubstring("has 3 examples; 3 from number 1"));
    CHECK_THROWS_AS(d.part(4, 0), eg::bad_input);
    d.targets.pop_back();
    CHECK_THROWS_WITH(d.part(0, 1), ContainsSubstring("3 originals and 2 targets"));
    d.targets.push_back(0);
    d.roles[1].source_positions.pop_back();
    CHECK_THROWS_WITH(d.require_complete(), ContainsSubstring("positions of `query_label` in alternates"));
}

TEST_CASE("a role without places in the alternates is counted from the end, or the prompts are equally long") {
    eg::desideratum d{"mine",
                      eg::batch({{1, 2, 3}, {1, 2, 3}}),
                      eg::batch({{4, 5, 6}, {4, 5, 6, 7}}),
                      {1, 1},
                      {{"subject", {1, -2}, {}}}};
    CHECK_NOTHROW(d.require_complete());
    d.roles[0].positions[1] = 1;
    CHECK_THROWS_WITH(d.part(0, 1), Catch::Matchers::ContainsSubstring(
                                        "engraft [source.length]: original 1 of the desideratum `mine` has 3 "
                                        "positions and its alternate 4, so position 1 of the role "
                                        "`subject` is not the same place in both"));
    d.roles[0].source_positions = {1, 2};
    CHECK_NOTHROW(d.require_complete());
}
