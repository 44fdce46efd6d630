// The table of docs/reference/sites.md against the sites themselves, and these against the steps of blocks.

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <boost/hana/for_each.hpp>

#include "catch.hpp"

#include <engraft/engraft.hpp>

namespace eg = engraft;

namespace {

template <eg::site... S>
std::vector<std::string> names(eg::site_list<S...>) {
    return {S::name...};
}

inline constexpr eg::description gated{
    .name = "gated", .layers = 2, .d_model = 8, .heads = 2, .kv_heads = 1, .d_head = 4, .d_mlp = 12, .vocab = 9};
inline constexpr eg::description parallel{.name = "parallel",
                                          .layers = 2,
                                          .d_model = 8,
                                          .heads = 2,
                                          .kv_heads = 2,
                                          .d_head = 4,
                                          .d_mlp = 12,
                                          .vocab = 9,
                                          .norm = eg::norm::layer,
                                          .mlp = eg::mlp::gelu,
                                          .residual = eg::residual::parallel};

/// The sites that a block's steps write, in the order in which they do.
struct written_by_steps {
    std::vector<std::string> names;

    template <eg::site... S>
    void add(S...) {
        (names.push_back(S::name), ...);
    }
    template <eg::site From, eg::site To, eg::block_weight W>
    void take(eg::steps::norm<From, To, W>) {
        add(To());
    }
    template <eg::site From, eg::block_weight... W, eg::site... To>
    void take(eg::steps::maps<From, eg::steps::map<W, To>...>) {
        add(To()...);
    }
    template <eg::site From, eg::site To>
    void take(eg::steps::rotate<From, To>) {
        add(To());
    }
    template <eg::site Queries, eg::site Keys>
    void take(eg::steps::attend<Queries, Keys>) {
        add(eg::scores, eg::pattern, eg::z);
    }
    void take(eg::steps::activate) { add(eg::mlp_post); }
    template <eg::site From, eg::site To, eg::block_weight W>
    void take(eg::steps::sum<From, To, W>) {
        if constexpr (eg::per_head_site<From>)
            add(eg::result);
    }
    template <eg::site S>
    void take(eg::steps::complete<S>) {
        add(S());
    }
    template <eg::site To, eg::site... Part>
    void take(eg::steps::join<To, Part...>) {
        add(To());
    }
};

template <eg::description const& D>
void check_order() {
    written_by_steps steps{{"resid_pre"}};
    eg::detail::each_step<D>([&](auto step) { steps.take(step); });
    std::vector<std::string> sites;
    boost::hana::for_each(eg::block_sites<D>, [&](auto site) { sites.push_back(decltype(site)::name); });
    CHECK(steps.names == sites);
}

} // namespace

TEST_CASE("the documentation lists every site in the order of a forward pass") {
    std::ifstream page(ENGRAFT_DOCS "/reference/sites.md");
    std::vector<std::string> listed;
    for (std::string line; std::getline(page, line);)
        if (line.starts_with("| `"))
            listed.push_back(line.substr(3, line.find('`', 3) - 3));
    CHECK(listed == names(eg::known_sites{}));
}

TEST_CASE("a block's steps write its sites, in their order") {
    check_order<gated>();
    check_order<parallel>();
}
