#pragma once

#include <cstddef>
#include <string_view>
#include <type_traits>
#include <vector>

#include <engraft/core/refused.hpp>
#include <engraft/intervene/compose.hpp>
#include <engraft/intervene/donor.hpp>

/// Mistakes that people who come from Python make first. The compiler refuses each where it is written, with a
/// sentence; nothing here can be called.
namespace engraft {

namespace detail {
template <class Where, class Source>
concept place_without_run = is_where<Where> && !source_run<Source>;
template <class A, class B>
concept two_places = is_where<A> && is_where<B>;
template <class... T>
concept any_number = (std::is_arithmetic_v<T> || ...);
} // namespace detail

// clang-format off
#define ENGRAFT_REFUSES_TEXT(...)                                                                                      \
    ENGRAFT_REFUSED("engraft [site.text]: a site is a value, not a text: write eg::z for \"blocks.5.attn.hook_z\", "   \
                    "and layer(5) as the place; docs/reference/sites.md lists the sites", composed<> __VA_ARGS__)
template <class... More> ENGRAFT_REFUSES_TEXT(capture(std::string_view, More const&...));
template <class... More> ENGRAFT_REFUSES_TEXT(tap(std::string_view, More const&...));
template <class... More> ENGRAFT_REFUSES_TEXT(patch(std::string_view, More const&...));
template <class... More> ENGRAFT_REFUSES_TEXT(swap(std::string_view, More const&...));
template <class... More> ENGRAFT_REFUSES_TEXT(freeze(std::string_view, More const&...));
template <class... More> ENGRAFT_REFUSES_TEXT(ablate(std::string_view, More const&...));
template <class... More> ENGRAFT_REFUSES_TEXT(scale(std::string_view, More const&...));
template <class... More> ENGRAFT_REFUSES_TEXT(edit(std::string_view, More const&...));
template <class Run> ENGRAFT_REFUSES_TEXT(mean(Run const&, std::string_view));
template <class Where> ENGRAFT_REFUSES_TEXT(steer(std::string_view, Where const&, std::vector<double>, double = 1));
template <class Where, class Source>
ENGRAFT_REFUSES_TEXT(subspace(std::string_view, Where const&, std::vector<std::vector<double>>, Source const&));
template <class Where, class Source>
ENGRAFT_REFUSES_TEXT(mask(std::string_view, Where const&, std::vector<double>, Source const&));
template <class Where, class Source>
ENGRAFT_REFUSES_TEXT(mask_directions(std::string_view, Where const&, std::vector<std::vector<double>>,
                                     std::vector<double>, Source const&));
template <class Source> ENGRAFT_REFUSES_TEXT(picked(std::string_view, Source const&, std::vector<std::size_t>));
ENGRAFT_REFUSES_TEXT(receivers(std::string_view, std::vector<node>, role));
#undef ENGRAFT_REFUSES_TEXT

#define ENGRAFT_REFUSES_NUMBER(...)                                                                                    \
    ENGRAFT_REFUSED("engraft [where.number]: a number is not a place; write layer(3), head(3) or at(3) for 3, joined " \
                    "with & if you mean more than one", composed<> __VA_ARGS__)
template <site S, class... More> ENGRAFT_REFUSES_NUMBER(capture(S, double, More const&...));
template <site S, class... More> ENGRAFT_REFUSES_NUMBER(tap(S, double, More const&...));
template <site S, class... More> ENGRAFT_REFUSES_NUMBER(patch(S, double, More const&...));
template <site S, class... More> ENGRAFT_REFUSES_NUMBER(swap(S, double, More const&...));
template <site S, class... More> ENGRAFT_REFUSES_NUMBER(freeze(S, double, More const&...));
template <site S, class... More> ENGRAFT_REFUSES_NUMBER(ablate(S, double, More const&...));
template <site S, class... More> ENGRAFT_REFUSES_NUMBER(scale(S, double, More const&...));
template <site S, class... More> ENGRAFT_REFUSES_NUMBER(edit(S, double, More const&...));
template <site S> ENGRAFT_REFUSES_NUMBER(steer(S, double, std::vector<double>, double = 1));
template <site S, class Source>
ENGRAFT_REFUSES_NUMBER(subspace(S, double, std::vector<std::vector<double>>, Source const&));
template <site S, class Source> ENGRAFT_REFUSES_NUMBER(mask(S, double, std::vector<double>, Source const&));
template <site S, class Source>
ENGRAFT_REFUSES_NUMBER(mask_directions(S, double, std::vector<std::vector<double>>, std::vector<double>,
                                       Source const&));
template <class Where, class From, class To> requires detail::any_number<Where, From, To>
ENGRAFT_REFUSES_NUMBER(knockout(Where const&, From const&, To const&));
#undef ENGRAFT_REFUSES_NUMBER

#define ENGRAFT_REFUSES_SOURCE(...)                                                                                    \
    ENGRAFT_REFUSED("engraft [source.run]: activations are taken from a finished run, not from tokens or a model: "    \
                    "run the tokens first, source = model.run(tokens, capture(site)), and pass that run",              \
                    composed<> __VA_ARGS__)
template <site S, class Where, class Source, class... More> requires detail::place_without_run<Where, Source>
ENGRAFT_REFUSES_SOURCE(patch(S, Where const&, Source const&, More const&...));
template <site S, class Where, class Source> requires detail::place_without_run<Where, Source>
ENGRAFT_REFUSES_SOURCE(swap(S, Where const&, Source const&));
template <site S, class Where, class Source> requires detail::place_without_run<Where, Source>
ENGRAFT_REFUSES_SOURCE(freeze(S, Where const&, Source const&));
template <site S, class Where, class Source> requires detail::place_without_run<Where, Source>
ENGRAFT_REFUSES_SOURCE(subspace(S, Where const&, std::vector<std::vector<double>>, Source const&));
template <site S, class Where, class Source> requires(detail::place_without_run<Where, Source> && !donor<Source>)
ENGRAFT_REFUSES_SOURCE(mask(S, Where const&, std::vector<double>, Source const&));
template <site S, class Where, class Source> requires(detail::place_without_run<Where, Source> && !donor<Source>)
ENGRAFT_REFUSES_SOURCE(mask_directions(S, Where const&, std::vector<std::vector<double>>, std::vector<double>,
                                       Source const&));
template <site S, class Source> requires(!source_run<Source>)
ENGRAFT_REFUSES_SOURCE(picked(S, Source const&, std::vector<std::size_t>));
template <class Source, site S> requires(!source_run<Source>)
ENGRAFT_REFUSES_SOURCE(mean(Source const&, S));
#undef ENGRAFT_REFUSES_SOURCE

#define ENGRAFT_REFUSES_JOIN(...)                                                                                      \
    ENGRAFT_REFUSED("engraft [where.join]: the parts of a place are joined with &: layer(3) & head(1); | joins "       \
                    "policies, and a place is an argument of its policy", __VA_ARGS__)
template <class A, class B> requires detail::two_places<A, B> ENGRAFT_REFUSES_JOIN(A operator|(A const&, B const&));
template <class A, class B> requires detail::two_places<A, B> ENGRAFT_REFUSES_JOIN(A operator&&(A const&, B const&));
template <class A, class B> requires detail::two_places<A, B> ENGRAFT_REFUSES_JOIN(A operator||(A const&, B const&));
template <class A, class B> requires detail::two_places<A, B> ENGRAFT_REFUSES_JOIN(A operator+(A const&, B const&));
template <class A, policy B> requires detail::is_where<A> ENGRAFT_REFUSES_JOIN(B operator|(A const&, B const&));
template <policy A, class B> requires detail::is_where<B> ENGRAFT_REFUSES_JOIN(A operator|(A const&, B const&));
#undef ENGRAFT_REFUSES_JOIN

#define ENGRAFT_REFUSES_ELEMENT(...)                                                                                   \
    ENGRAFT_REFUSED("engraft [functor.element]: the functor takes one number, but it is called with a row; write "     \
                    "[](auto row) { for (auto& x : row) x /= 2; }", __VA_ARGS__)
template <site S, class Where, element_functor F> requires detail::is_where<Where>
ENGRAFT_REFUSES_ELEMENT(composed<> edit(S, Where const&, F const&));
template <site S, class Where, element_functor F> requires detail::is_where<Where>
ENGRAFT_REFUSES_ELEMENT(composed<> tap(S, Where const&, F const&));
template <element_functor F> ENGRAFT_REFUSES_ELEMENT(condition<F> when(F const&));
#undef ENGRAFT_REFUSES_ELEMENT
// clang-format on

} // namespace engraft
