#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <engraft/backend/adapted.hpp>
#include <engraft/io/loaded_model.hpp>
#include <engraft/io/lora.hpp>
#include <engraft/model/map_layout.hpp>
#include <engraft/run/model.hpp>

namespace engraft {

namespace detail {

/// The rows that make up `map` of what an adapter adds to the whole stored matrix, in the backend's memory.
template <class Base>
void attach(adapted_map<Base>& to, low_rank const& added, stored_map const& map, Base const& backend) {
    using T = typename Base::value_type;
    using memory = typename Base::memory_type;
    auto const upload = [&](std::vector<double> const& from, std::size_t rows, std::size_t columns) {
        std::vector<T> elements(from.begin(), from.end());
        return backend.make_linear(
            matrix_tensor<T, memory>::from_host(elements, extents<dynamic, dynamic>(rows, columns)), {});
    };
    std::vector<double> up;
    for (int row : map.rows) {
        auto const first = added.up.begin() + static_cast<std::ptrdiff_t>(std::size_t(row) * added.rank);
        up.insert(up.end(), first, first + static_cast<std::ptrdiff_t>(added.rank));
    }
    to.rank = added.rank;
    to.down = upload(added.down, added.rank, added.in);
    to.up = upload(map.rows.empty() ? added.up : up, std::size_t(map.outputs()), added.rank);
}

} // namespace detail

/// The model with an adapter, which is kept apart from its weights: the two models share one copy of those, and each
/// adapted map costs two products of the adapter's rank more. To merge the adapter into weights of their own, give it
/// to `load`; that `adapted<Backend>` stands in the model's type says which was chosen.
///
///     auto llama = load<llama_7b>("llama-7b");
///     auto goat = adapt(llama, lora("goat-lora-7b"));   // loaded_model<llama_7b, adapted<cpu<fp32>>>
///
/// throws bad_model, naming the module, when the adapter is of another model
template <description const& D, class Backend>
model<D, adapted<Backend>> adapt(model<D, Backend> const& base, lora const& adapter) {
    auto const layout = layout_of<D>();
    auto const fitted = adapter.fit(layout);
    auto const owner = base.shared_weights();
    auto made = std::make_shared<weights<D, adapted<Backend>>>(owner);
    auto const adapt_map = [&](auto& to, auto const& from, stored_map const& map) {
        to.base = {owner, &from};
        if (map.weight.empty())
            return;
        if (auto const added = fitted.find(map.weight))
            detail::attach(to, *added, map, base.backend());
    };
    for (std::size_t layer = 0; layer < made->blocks.size(); ++layer) {
        auto& to = made->blocks[layer];
        auto const& from = owner->blocks[layer];
        auto const& at = layout.blocks[layer];
        adapt_map(to.q, from.q, at.q);
        adapt_map(to.k, from.k, at.k);
        adapt_map(to.v, from.v, at.v);
        adapt_map(to.o, from.o, at.o);
        adapt_map(to.gate, from.gate, at.gate);
        adapt_map(to.up, from.up, at.up);
        adapt_map(to.down, from.down, at.down);
        adapt_map(to.router, from.router, at.router);
        for (std::size_t e = 0; e < to.experts.size(); ++e) {
            adapt_map(to.experts[e].gate, from.experts[e].gate, at.experts[e].gate);
            adapt_map(to.experts[e].up, from.experts[e].up, at.experts[e].up);
            adapt_map(to.experts[e].down, from.experts[e].down, at.experts[e].down);
        }
    }
    adapt_map(made->unembedding, owner->unembedding, layout.unembedding);
    return {std::move(made), adapted<Backend>(base.backend())};
}

/// The same with the base model's tokenizer.
template <description const& D, class Backend>
loaded_model<D, adapted<Backend>> adapt(loaded_model<D, Backend> const& base, lora const& adapter) {
    model<D, Backend> const& weights_alone = base;
    return {adapt(weights_alone, adapter), base.shared_tokenizer()};
}

} // namespace engraft
