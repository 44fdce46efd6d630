#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <engraft/core/random.hpp>
#include <engraft/core/rounded_product.hpp>
#include <engraft/model/families.hpp>

namespace engraft {

namespace detail {

/// Makes up the tensors that a family asks for: the n-th tensor is stream n of the seed.
template <class Backend>
class random_reader {
public:
    using T = typename Backend::value_type;
    using memory = typename Backend::memory_type;

    random_reader(Backend const& backend, std::uint64_t seed) : backend_(backend), seed_(seed) {}

    bool contains(std::string const&) const { return true; }

    auto vector(std::string const& name, int n) {
        bool const bias = name.ends_with("bias") || name.ends_with(".b") || name.find(".b_") != name.npos;
        double const mean = bias ? 0 : 1;
        return vector_tensor<T, memory>::from_host(normal(std::size_t(n), mean, 0.1), extents<dynamic>(n));
    }
    auto vector_plus_one(std::string const& name, int n) { return vector(name, n); }
    auto constant(int n, double value) {
        return vector_tensor<T, memory>::from_host(std::vector<T>(std::size_t(n), T(value)), extents<dynamic>(n));
    }
    auto table(std::string const&, int rows, int columns) { return matrix_of(rows, columns); }
    auto linear(stored_map const& map) {
        auto weight = matrix_of(map.outputs(), map.in);
        vector_tensor<T, memory> bias;
        if (!map.bias.empty())
            bias = vector(map.bias, map.outputs());
        return backend_.make_linear(std::move(weight), std::move(bias));
    }

private:
    auto matrix_of(int rows, int columns) {
        return matrix_tensor<T, memory>::from_host(
            normal(std::size_t(rows) * std::size_t(columns), 0, 1 / std::sqrt(double(columns))),
            extents<dynamic, dynamic>(rows, columns));
    }

    std::vector<T> normal(std::size_t n, double mean, double deviation) {
        random r(seed_, stream_++);
        std::vector<T> elements(n);
        for (auto& e : elements)
            e = static_cast<T>(static_cast<float>(mean + rounded_product(deviation, r.normal())));
        return elements;
    }

    Backend const& backend_;
    std::uint64_t seed_;
    std::uint64_t stream_ = 0;
};

} // namespace detail

/// Weights of the described shapes from a seed, the same numbers (those of fp32) on every backend: for tests and for
/// measuring what a model costs without having its checkpoint. Gains are near 1, maps keep the size of their input.
template <description const& D, class Backend>
std::shared_ptr<weights<D, Backend> const> random_weights(std::uint64_t seed, Backend const& backend = Backend{}) {
    detail::random_reader<Backend> reader(backend, seed);
    return std::make_shared<weights<D, Backend> const>(family_of<D>::template read<weights<D, Backend>>(D, reader));
}

} // namespace engraft
