#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <engraft/engraft.hpp>

namespace bench {

/// out[i] = mean + deviation times a normal number that is a function of (seed, stream, i) alone.
struct normal_numbers {
    float* out;
    std::uint64_t seed, stream;
    float mean, deviation;

    static __device__ std::uint64_t mixed(std::uint64_t x) { // splitmix64
        x += 0x9e3779b97f4a7c15u;
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
        return x ^ (x >> 31);
    }

    __device__ void operator()(std::size_t i) const {
        auto const bits = mixed(mixed(seed * 1000003u + stream) + i);
        float const a = (static_cast<float>(bits >> 40) + 0.5f) * 0x1p-24f;
        float const b = static_cast<float>(bits & 0xffffffu) * 0x1p-24f;
        out[i] = mean + deviation * sqrtf(-2 * logf(a)) * cosf(6.2831853f * b);
    }
};

/// Makes up the tensors that a family asks for, on the GPU: billions of numbers take seconds there.
template <class Backend>
class device_reader {
public:
    using memory = typename Backend::memory_type;

    device_reader(Backend const& backend, std::uint64_t seed) : backend_(backend), seed_(seed) {}

    bool contains(std::string const&) const { return true; }
    auto vector(std::string const& name, int n) {
        engraft::vector_tensor<float, memory> made{engraft::extents<engraft::dynamic>(n)};
        fill(made.data(), made.size(), name.ends_with("bias") ? 0.f : 1.f, 0.1f);
        return made;
    }
    auto vector_plus_one(std::string const& name, int n) { return vector(name, n); }
    auto table(std::string const&, int rows, int columns) {
        engraft::matrix_tensor<float, memory> made{engraft::extents<engraft::dynamic, engraft::dynamic>(rows, columns)};
        fill(made.data(), made.size(), 0, 1 / std::sqrt(static_cast<float>(columns)));
        return made;
    }
    auto linear(engraft::stored_map const& map) {
        auto weight = table(map.weight, map.outputs(), map.in);
        engraft::vector_tensor<float, memory> bias;
        if (!map.bias.empty())
            bias = vector(map.bias, map.outputs());
        return backend_.make_linear(std::move(weight), std::move(bias));
    }

private:
    void fill(float* out, std::size_t n, float mean, float deviation) {
        backend_.launch().each(n, normal_numbers{out, seed_, stream_++, mean, deviation});
    }

    Backend const& backend_;
    std::uint64_t seed_, stream_ = 0;
};

template <engraft::description const& D, class Backend>
std::shared_ptr<engraft::weights<D, Backend> const> weights_on_device(std::uint64_t seed,
                                                                      Backend const& backend = Backend()) {
    using all = engraft::weights<D, Backend>;
    device_reader<Backend> reader(backend, seed);
    return std::make_shared<all const>(engraft::family_of<D>::template read<all>(D, reader));
}

} // namespace bench
