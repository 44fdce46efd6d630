#pragma once

#include <memory>
#include <string>
#include <utility>

#include <engraft/model/families.hpp>

namespace engraft {

namespace detail {

/// Gives a family the tensors that it asks for, uninitialised.
template <class Backend>
class shapes_reader {
public:
    using T = typename Backend::value_type;
    using memory = typename Backend::memory_type;

    explicit shapes_reader(Backend const& backend) : backend_(backend) {}

    bool contains(std::string const&) const { return true; }

    auto vector(std::string const&, int n) { return vector_tensor<T, memory>(extents<dynamic>(std::size_t(n))); }
    auto vector_plus_one(std::string const& name, int n) { return vector(name, n); }
    auto constant(int n, double) { return vector({}, n); }
    auto table(std::string const&, int rows, int columns) {
        return matrix_tensor<T, memory>(extents<dynamic, dynamic>(std::size_t(rows), std::size_t(columns)));
    }
    auto linear(stored_map const& map) {
        vector_tensor<T, memory> bias;
        if (!map.bias.empty())
            bias = vector(map.bias, map.outputs());
        return backend_.make_linear(table(map.bias, map.outputs(), map.in), std::move(bias));
    }

private:
    Backend const& backend_;
};

} // namespace detail

/// Weights of the described shapes without numbers, for a backend that needs none (backend/planning.hpp).
template <description const& D, class Backend>
std::shared_ptr<weights<D, Backend> const> empty_weights(Backend const& backend = Backend{}) {
    detail::shapes_reader<Backend> reader(backend);
    return std::make_shared<weights<D, Backend> const>(family_of<D>::template read<weights<D, Backend>>(D, reader));
}

} // namespace engraft
