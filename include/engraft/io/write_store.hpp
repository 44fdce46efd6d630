#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <engraft/circuit/part_of_batch.hpp>
#include <engraft/core/hash.hpp>
#include <engraft/intervene/policy.hpp>
#include <engraft/io/store_writer.hpp>
#include <engraft/run/model.hpp>

namespace engraft {

struct store_options {
    engraft::dtype dtype = dtype::f32; ///< or dtype::bf16, dtype::f16: numbers are rounded to the nearest
    /// About how large a file is, in bytes. So much memory holds the file that is being made.
    double shard_bytes = 256e6;
    /// Memory for one run, in bytes, weights not included: so many prompts are run at a time as fit. It changes no bit.
    double memory = 1e9;
    /// Called with the share of the prompts that are in whole shards, from 0 to 1.
    std::function<void(double)> progress{};
};

namespace detail {

/// The policy for some of the prompts: the same for all, or made of the part.
template <class PolicyOf>
decltype(auto) policy_for(PolicyOf const& policy_of, part_of_batch const& part) {
    if constexpr (policy<PolicyOf>)
        return (policy_of); // NOLINT: a reference to the argument
    else
        return policy_of(part);
}

template <site S>
struct storable {
    static_assert(S::kind != site_kind::pattern,
                  "engraft [store.pattern]: attention patterns are as wide as their prompt is long, so prompts have no "
                  "common shape to be stored in; see detect_heads and attention_from for what sums them up");
    static constexpr bool value = true;
};

/// use(site, array of what the run kept) for each site that was captured.
template <class Run, site... S>
void each_kept(Run const& run, site_list<S...>, auto const& use) {
    static_assert(sizeof...(S) > 0, "engraft [store.captures]: the policy captures nothing, so nothing would be "
                                    "stored; add capture(site)");
    static_assert((storable<S>::value && ...));
    (use(S{}, run[S{}].array()), ...);
}

} // namespace detail

/// Runs all prompts, some at a time, and writes what the policy captures to a store (io/store.hpp). A program that was
/// stopped at any time, by SIGKILL too, and begins again with the same arguments, goes on behind the shards that are
/// whole, and the files in the end are the same to the bit.
///
///     write_store(model, prompts.tokens, capture(resid_post, layer(12)), folder, {.dtype = dtype::bf16});
///
/// policy_of: a policy whose places do not depend on the example, or policy_of(part_of_batch), which makes one for some
/// of the prompts: [&](part_of_batch part) { return capture(z, at(part.of(last))); }
/// first: nothing, or first_layers{n} where layers behind are not captured
/// throws bad_input [store.other] if the folder has a store of something else, and as `model.run`
template <description const& D, class B, class PolicyOf, class... First>
void write_store(model<D, B> const& m, batch const& tokens, PolicyOf const& policy_of,
                 std::filesystem::path const& folder, store_options const& options = {}, First const&... first) {
    using policy_type = std::remove_cvref_t<decltype(detail::policy_for(policy_of, part_of_batch{}))>;
    using captures = typename policy_type::captures;
    if (options.dtype != dtype::f32 && options.dtype != dtype::bf16 && options.dtype != dtype::f16)
        throw bad_input(
            {"engraft [store.dtype]: a store has numbers of type F32, BF16 or F16, not ", to_string(options.dtype)});
    if (!(options.memory > 0) || !(options.shard_bytes > 0))
        throw bad_input("store_options::memory or shard_bytes is not above 0; give numbers of bytes");
    auto const run = [&](part_of_batch const& part, auto const& use) {
        auto const some = part.of(tokens);
        auto const done = m.run(some, detail::policy_for(policy_of, part), first...);
        detail::each_kept(done, captures{}, use);
    };

    // The first prompt says what there is of each, and tells another model or policy apart from this one.
    store_manifest made{.dtype = options.dtype};
    hasher work;
    work.add(tokens.tokens()).add(tokens.examples()).add(to_string(options.dtype));
    double numbers = 0; // that are captured of the first prompt
    run({0, 1}, [&](auto s, auto const& kept) {
        stored_site site{
            decltype(s)::name, {kept.layers.begin(), kept.layers.end()}, {kept.shape.begin() + 2, kept.shape.end()}};
        numbers += static_cast<double>(kept.values.size());
        work.add(site.name).add(kept.layers).add(kept.positions).add(std::as_bytes(std::span(kept.values)));
        made.sites.push_back(std::move(site));
    });
    made.of = work.value();
    store_writer writer(folder, made);
    if (writer.finished())
        return;

    double const mean = static_cast<double>(tokens.rows().rows()) / static_cast<double>(tokens.examples());
    double const of_row = numbers / static_cast<double>(tokens.rows().length(0));
    auto const count = [](double bytes, double each) {
        return static_cast<std::size_t>(std::clamp(bytes / each, 1.0, 1e9));
    };
    auto const in_shard =
        count(options.shard_bytes, of_row * mean * static_cast<double>(facts_of(options.dtype).bytes));
    // What is kept, twice, and what a forward pass holds of a row besides.
    double const row = 2 * of_row + 8.0 * D.d_model + 3.0 * D.d_mlp + 4.0 * D.heads * D.d_head;
    auto const at_once =
        count(options.memory, row * static_cast<double>(tokens.rows().longest()) * sizeof(typename B::value_type));
    while (writer.finished_examples() < tokens.examples()) {
        auto const begin = writer.finished_examples(), end = std::min(begin + in_shard, tokens.examples());
        for (auto from = begin; from < end; from += at_once) {
            part_of_batch const part{from, std::min(at_once, end - from)};
            bool labelled = false;
            run(part, [&](auto s, auto kept) {
                for (auto& e : kept.examples)
                    e += static_cast<std::int64_t>(part.first);
                if (!std::exchange(labelled, true)) {
                    std::vector<std::int64_t> words;
                    for (std::size_t r = 0; r < kept.examples.size(); ++r)
                        words.push_back(tokens.at(kept.examples[r], kept.positions[r]));
                    writer.add_labels(words, kept.examples, kept.positions);
                }
                auto const size = kept.values.size() / kept.layers.size();
                for (std::size_t l = 0; l < kept.layers.size(); ++l)
                    writer.add(decltype(s)::name, static_cast<int>(kept.layers[l]),
                               std::span(std::as_const(kept.values)).subspan(l * size, size));
            });
        }
        writer.write_shard(end - begin);
        if (options.progress)
            options.progress(static_cast<double>(end) / static_cast<double>(tokens.examples()));
    }
    writer.finish();
}

} // namespace engraft
