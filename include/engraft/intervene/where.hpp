#pragma once

#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <engraft/backend/slice.hpp>
#include <engraft/model/hook_point.hpp>

namespace engraft {

/// A head of a layer.
struct node {
    int layer = 0;
    int head = 0;

    friend bool operator==(node const&, node const&) = default;
    friend auto operator<=>(node const&, node const&) = default;
};

/// Heads of queries and heads of keys and values are different things where several queries share a key/value head.
enum class head_kind { query, kv };

/// A named token position of a task: one position per example, counted from the end when negative.
/// Where an activation comes from another prompt in which the role stands elsewhere, `from` gives its places there.
struct role {
    std::string name;
    std::vector<long> positions;
    /// As long as `positions`, or empty: the same positions in the source, where negative ones count from its end.
    std::vector<long> source_positions;

    /// This role, with the activations of a source run taken at the other role's positions.
    role from(role const& source) const { return {name, positions, source.positions}; }
};

/// The parts of a `where`. What a program writes as a constant (`layer_c<3>`) is checked by the compiler, the rest when
/// the run begins; either way before anything is computed.
namespace axes {

struct every {};

template <int... I>
struct constants {};

/// Layers or heads, in no particular order.
struct list {
    std::vector<int> items;
};

/// From a first to before a last one.
struct range {
    static constexpr long to_the_end = std::numeric_limits<long>::max();
    long first = 0;
    long last = to_the_end;
};

/// Single heads of single layers, for `where::layers`; then `where::heads` is `in_nodes`.
struct nodes {
    std::vector<node> items;
};
struct in_nodes {};

/// The same positions in every example, from the end when negative.
struct positions {
    std::vector<long> items;
};

/// Positions of each example, from its end when negative.
struct each {
    std::vector<std::vector<long>> items;
};

/// Some examples of the batch; a range counts from 0.
struct examples {
    std::vector<std::size_t> items;
};

} // namespace axes

/// Which layers, heads, positions and examples a policy acts on. Parts are joined with &; a part that is not named
/// means all. What is excepted stands behind a minus, and a condition on the values behind the last &.
///
///     layers(4, 12) & heads({0, 3}) & at(-1)            // heads 0 and 3 of layers 4 to 11, at the last token
///     layer_c<5> & at(prompts.role<query_label>())       // layer 5, at one position per example
///     positions(4) - nodes({{3, 1}}).at(last)            // all heads from position 4 on, but one at one place
///     layers(0, 6) & when(norm_above{10})                // rows whose values make the functor true
template <class Layers = axes::every, class Heads = axes::every, class Positions = axes::every,
          class Examples = axes::every, head_kind Kind = head_kind::query>
struct where {
    Layers layers;
    Heads heads;
    Positions positions;
    Examples examples;

    using layers_type = Layers;
    using heads_type = Heads;
    using positions_type = Positions;
    using examples_type = Examples;
    static constexpr head_kind kind = Kind;

    /// This place, at a role's position of each example.
    auto at(role r) const {
        static_assert(
            std::is_same_v<Positions, axes::every>,
            "engraft [where.twice]: positions are given twice; join each of layers, heads and positions once");
        return where<Layers, Heads, role, Examples, Kind>{layers, heads, std::move(r), examples};
    }
};

/// The places of one `where` that another does not name.
template <class All, class But>
struct where_except {
    All all;
    But but;

    using layers_type = typename All::layers_type;
    using heads_type = typename All::heads_type;
    using positions_type = typename All::positions_type;
    using examples_type = typename All::examples_type;
    static constexpr head_kind kind = All::kind;
};

/// A condition on the values of a row: a functor that is called with the row (`activation_row`), or with the row and
/// its place (`row_place`), when a forward pass is there.
template <class F>
struct condition {
    F holds;
};

/// The places of a `where` whose rows a condition holds for.
template <class Where, class F>
struct where_when {
    Where where;
    F holds;

    using layers_type = typename Where::layers_type;
    using heads_type = typename Where::heads_type;
    using positions_type = typename Where::positions_type;
    using examples_type = typename Where::examples_type;
    static constexpr head_kind kind = Where::kind;
};

namespace detail {
template <class T>
inline constexpr bool is_product = false;
template <class L, class H, class P, class E, head_kind K>
inline constexpr bool is_product<where<L, H, P, E, K>> = true;
template <class T>
inline constexpr bool is_place_set = is_product<T>;
template <class A, class B>
inline constexpr bool is_place_set<where_except<A, B>> = true;
template <class T>
inline constexpr bool is_where = is_place_set<T>;
template <class W, class F>
inline constexpr bool is_where<where_when<W, F>> = true;

template <class A, class B>
constexpr auto either(A a, B b) {
    if constexpr (std::is_same_v<A, axes::every>)
        return b;
    else
        return a;
}
template <class A, class B>
inline constexpr bool not_both = std::is_same_v<A, axes::every> || std::is_same_v<B, axes::every>;
} // namespace detail

template <class A, class B>
    requires(detail::is_product<A>&& detail::is_product<B>)
constexpr auto operator&(A a, B b) {
    static_assert(detail::not_both<typename A::layers_type, typename B::layers_type> &&
                      detail::not_both<typename A::heads_type, typename B::heads_type> &&
                      detail::not_both<typename A::positions_type, typename B::positions_type> &&
                      detail::not_both<typename A::examples_type, typename B::examples_type>,
                  "engraft [where.twice]: one of layers, heads, positions and examples is given twice; join each of "
                  "them once");
    auto l = detail::either(std::move(a.layers), std::move(b.layers));
    auto h = detail::either(std::move(a.heads), std::move(b.heads));
    auto p = detail::either(std::move(a.positions), std::move(b.positions));
    auto e = detail::either(std::move(a.examples), std::move(b.examples));
    constexpr auto kind = std::is_same_v<typename A::heads_type, axes::every> ? B::kind : A::kind;
    return where<decltype(l), decltype(h), decltype(p), decltype(e), kind>{std::move(l), std::move(h), std::move(p),
                                                                           std::move(e)};
}

template <class All, class But>
    requires(detail::is_place_set<All>&& detail::is_place_set<But>)
constexpr auto operator-(All all, But but) { return where_except<All, But>{std::move(all), std::move(but)}; }

/// What is joined to places with an exception is joined to the places; the exception stays.
template <class All, class But, class B>
    requires(detail::is_product<B>)
constexpr auto operator&(where_except<All, But> a, B b) { return (std::move(a.all) & std::move(b)) - std::move(a.but); }
template <class A, class All, class But>
    requires(detail::is_product<A>)
constexpr auto operator&(A a, where_except<All, But> b) { return (std::move(a) & std::move(b.all)) - std::move(b.but); }

template <class Where, class F>
    requires(detail::is_place_set<Where>)
constexpr auto operator&(Where w, condition<F> c) { return where_when<Where, F>{std::move(w), std::move(c.holds)}; }

inline constexpr where<> everywhere{};

/// Layers first, first + 1, ..., last - 1.
inline auto layers(int first, int last) { return where<axes::range>{{first, last}, {}, {}, {}}; }
inline auto layers(std::vector<int> items) { return where<axes::list>{{std::move(items)}, {}, {}, {}}; }
inline auto layer(int l) { return layers(std::vector<int>{l}); }
template <int... L>
inline constexpr where<axes::constants<L...>> layer_c{};

/// Query heads; of any site where key/value heads are as many.
inline auto heads(std::vector<int> items) { return where<axes::every, axes::list>{{}, {std::move(items)}, {}, {}}; }
inline auto head(int h) { return heads(std::vector<int>{h}); }
template <int... H>
inline constexpr where<axes::every, axes::constants<H...>> head_c{};

/// Key/value heads, for the sites `k`, `v` and `rot_k`.
inline auto kv_heads(std::vector<int> items) {
    return where<axes::every, axes::list, axes::every, axes::every, head_kind::kv>{{}, {std::move(items)}, {}, {}};
}
inline auto kv_head(int h) { return kv_heads(std::vector<int>{h}); }
template <int... H>
inline constexpr where<axes::every, axes::constants<H...>, axes::every, axes::every, head_kind::kv> kv_head_c{};

/// Single query heads of single layers, such as a group of a circuit.
inline auto nodes(std::vector<node> items) {
    return where<axes::nodes, axes::in_nodes>{{std::move(items)}, {}, {}, {}};
}

/// Single key/value heads of single layers.
inline auto kv_nodes(std::vector<node> items) {
    return where<axes::nodes, axes::in_nodes, axes::every, axes::every, head_kind::kv>{{std::move(items)}, {}, {}, {}};
}

/// One position per example; some positions of every example, negative ones from its end: at(-1), at({0, -1}).
inline auto at(role r) { return where<>{}.at(std::move(r)); }
inline auto at(std::vector<long> items) {
    return where<axes::every, axes::every, axes::positions>{{}, {}, {std::move(items)}, {}};
}
inline auto at(long position) { return at(std::vector<long>{position}); }
/// Positions first to last - 1 of every example, or to its end; negative ones count from there.
inline auto positions(long first, long last = axes::range::to_the_end) {
    return where<axes::every, axes::every, axes::range>{{}, {}, {first, last}, {}};
}

/// Some positions of each example, an entry per example; an entry may be empty.
inline auto at_each(std::vector<std::vector<long>> items) {
    return where<axes::every, axes::every, axes::each>{{}, {}, {std::move(items)}, {}};
}

/// Some examples of the batch, counted from 0.
inline auto examples(std::vector<std::size_t> items) {
    return where<axes::every, axes::every, axes::every, axes::examples>{{}, {}, {}, {std::move(items)}};
}

/// Only rows for which `holds(row)` or `holds(row, place)` is true: the last part of a where.
template <class F>
    requires(!element_functor<F>)
constexpr condition<F> when(F holds) { return {std::move(holds)}; }

} // namespace engraft
