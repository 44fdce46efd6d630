#pragma once

#include <concepts>
#include <filesystem>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <engraft/io/adapt.hpp>
#include <engraft/io/checkpoint.hpp>
#include <engraft/io/config.hpp>
#include <engraft/io/derived_tensor.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/tokenizer.hpp>
#include <engraft/model/families.hpp>
#include <engraft/run/model.hpp>

namespace engraft {

namespace detail {

/// What is merged into the maps of a model that is loaded as it is.
struct no_adapter {
    struct nothing {
        explicit constexpr operator bool() const { return false; }
    };
    static constexpr nothing find(std::string_view) { return {}; }
};

/// Takes a family's tensors out of a checkpoint, each with the shape that the description implies, into a backend's
/// memory; converted while they are read, a piece at a time where the host can't write to that memory.
/// Adapter::find(name) says what is added to the stored matrix of that name, if anything.
template <class Backend, class Adapter>
class weight_reader {
public:
    using T = typename Backend::value_type;
    using memory = typename Backend::memory_type;

    weight_reader(checkpoint const& from, Backend const& backend, Adapter const& adapter)
        : from_(from), backend_(backend), adapter_(adapter) {}

    bool contains(std::string const& name) const { return from_.contains(name); }

    auto vector(std::string const& name, int n) {
        require_shape(name, {std::size_t(n)});
        vector_tensor<T, memory> t{extents<dynamic>(n)};
        fill(name, t.data(), t.size());
        return t;
    }

    auto vector_plus_one(std::string const& name, int n) {
        require_shape(name, {std::size_t(n)});
        auto elements = from_.read_weight<T>(name);
        for (auto& e : elements)
            e += 1;
        return vector_tensor<T, memory>::from_host(elements, extents<dynamic>(n));
    }

    auto table(std::string const& name, int rows, int columns) {
        require_shape(name, {std::size_t(rows), std::size_t(columns)});
        matrix_tensor<T, memory> t{extents<dynamic, dynamic>(rows, columns)};
        fill(name, t.data(), t.size());
        return t;
    }

    auto linear(stored_map const& map) {
        vector_tensor<T, memory> bias;
        if (!map.bias.empty())
            bias = map.rows.empty() ? vector(map.bias, map.out) : picked_vector(map);
        auto const added = adapter_.find(map.weight);
        if (map.rows.empty() && !map.transposed && !added)
            return backend_.make_linear(table(map.weight, map.out, map.in), std::move(bias));
        return backend_.make_linear(picked_rows(map, added), std::move(bias));
    }

    /// Of the tensors that nobody took, those that follow from others must hold what they should.
    /// throws bad_model when they don't, or when there are others
    template <class Family>
    void require_all_read(description const& d) const {
        std::string left;
        int count = 0;
        for (auto const& name : from_.names()) {
            if (read_.contains(name))
                continue;
            if (auto const derived = Family::derived(d, name); derived.holds != derived_tensor::content::none)
                require_derived(from_, d, name, derived);
            else if (++count <= 5)
                left += (left.empty() ? "" : ", ") + printable(name);
        }
        if (count > 0)
            throw bad_model({from_.path(), ": ", count, " tensors are not part of the described model (", left,
                             (count > 5 ? ", ..." : ""), "); the description is not of this checkpoint"});
    }

private:
    auto picked_vector(stored_map const& map) {
        require_shape(map.bias, {std::size_t(map.out)});
        auto const stored = from_.read_weight<T>(map.bias);
        std::vector<T> picked;
        for (int row : map.rows)
            picked.push_back(stored[std::size_t(row)]);
        return vector_tensor<T, memory>::from_host(picked, extents<dynamic>(picked.size()));
    }

    /// A map's rows out of a matrix that is transposed, holds other maps too, or has something added to it. Read line
    /// by line: a second copy of a large matrix would stay in the heap, in pieces that nothing else fits.
    template <class Added>
    auto picked_rows(stored_map const& map, Added const& added) {
        std::size_t const out(map.out), in(map.in), count(map.outputs());
        require_shape(map.weight, map.transposed ? std::vector{in, out} : std::vector{out, in});
        auto const stored_row = [&](std::size_t r) { return map.rows.empty() ? r : std::size_t(map.rows[r]); };
        return written(extents<dynamic, dynamic>(count, in), [&](T* picked) {
            if (map.transposed) {
                std::vector<T> line(out);
                for (std::size_t c = 0; c < in; ++c) {
                    from_.read_weight(map.weight, c * out, std::span<T>(line));
                    for (std::size_t r = 0; r < count; ++r)
                        picked[r * in + c] = line[stored_row(r)];
                }
            } else {
                for (std::size_t r = 0; r < count; ++r)
                    from_.read_weight(map.weight, stored_row(r) * in, std::span<T>(picked + r * in, in));
            }
            if constexpr (!std::same_as<Added, no_adapter::nothing>)
                if (added)
                    for (std::size_t r = 0; r < count; ++r)
                        added->add_row(stored_row(r), picked + r * in);
        });
    }

    /// A tensor that write(elements) fills on the host.
    template <class Write>
    static matrix_tensor<T, memory> written(extents<dynamic, dynamic> shape, Write const& write) {
        matrix_tensor<T, memory> t(shape);
        if constexpr (memory::host_accessible) {
            write(t.data());
        } else {
            std::vector<T> staged(t.size());
            write(staged.data());
            memory::from_host(t.data(), staged.data(), staged.size() * sizeof(T));
        }
        return t;
    }

    void require_shape(std::string const& name, std::vector<std::size_t> const& expected) {
        if (!from_.contains(name))
            throw bad_model({from_.path(), ": the tensor ", name, " that the description implies is missing"});
        if (auto const shape = from_.shape(name); shape != expected)
            throw bad_model({from_.path(), ": the tensor ", name, " has the shape ", shape_text(shape),
                             ", the description implies ", shape_text(expected)});
        read_.insert(name);
    }

    void fill(std::string const& name, T* to, std::size_t n) const {
        if constexpr (memory::host_accessible) {
            from_.read_weight(name, 0, std::span<T>(to, n));
        } else {
            constexpr std::size_t piece = 1 << 22;
            std::vector<T> staged(std::min(n, piece));
            for (std::size_t first = 0; first < n; first += piece) {
                auto const part = std::span<T>(staged).first(std::min(piece, n - first));
                from_.read_weight(name, first, part);
                memory::from_host(to + first, part.data(), part.size_bytes());
            }
        }
    }

    checkpoint const& from_;
    Backend const& backend_;
    Adapter const& adapter_;
    std::set<std::string, std::less<>> read_;
};

/// All weights of a checkpoint. The description is a value here: a program can read what it was not compiled for.
/// throws bad_model for tensors that are missing, have another shape or are left over
template <class Family, class Weights, class Backend, class Adapter>
Weights read_weights(description const& d, checkpoint const& from, Backend const& backend, Adapter const& adapter) {
    weight_reader<Backend, Adapter> reader(from, backend, adapter);
    Weights read = Family::template read<Weights>(d, reader);
    reader.template require_all_read<Family>(d);
    return read;
}

/// A model's files, checked against its description.
struct model_files {
    checkpoint tensors;
    std::shared_ptr<tokenizer const> words; ///< nothing where none came with the weights
};

/// throws bad_file, bad_model
model_files open_model(std::filesystem::path const& path, description const& described);

template <description const& D, class Backend, class Adapter>
model<D, Backend> load_model(std::filesystem::path const& path, Backend backend, Adapter const& adapter) {
    auto files = open_model(path, D);
    auto loaded = std::make_shared<weights<D, Backend> const>(
        read_weights<family_of<D>, weights<D, Backend>>(D, files.tensors, backend, adapter));
    return {std::move(loaded), std::move(backend), std::move(files.words)};
}

} // namespace detail

/// Loads a Hugging Face folder: config.json, which must agree with the description in every field; the weights as
/// safetensors; and tokenizer.json if there is one. Every tensor that the description implies must be there with its
/// shape and finite numbers, and no other tensor may be left. Also loads a GGUF file: its metadata must agree with the
/// description, its weights are dequantised while they are read, and its tokenizer is read.
///
///     auto llama = load<llama_7b>("llama-7b");                          // fp32 on the CPU
///     auto small = load<smollm2>("SmolLM2-135M-Instruct.Q4_1.gguf");
///     auto oracle = load<llama_7b>("llama-7b", reference{});            // double, slowly
///
/// throws bad_file for files that can't be read, bad_model for those of another model
template <description const& D, class Backend = default_backend>
    requires(!std::same_as<Backend, lora>)
model<D, Backend> load(std::filesystem::path const& path, Backend backend = Backend{}) {
    return detail::load_model<D>(path, std::move(backend), detail::no_adapter{});
}

/// The same with a low-rank adapter merged into the weights, W + s B A computed in double; the model's type, and what a
/// run costs, are those of a model without an adapter. To keep adapter and weights apart, see `adapt`.
///
///     auto goat = load<llama_7b>("llama-7b", lora("goat-lora-7b"));
///
/// throws also bad_model, naming the module, when the adapter is of another model
template <description const& D, class Backend = default_backend>
model<D, Backend> load(std::filesystem::path const& path, lora const& adapter, Backend backend = Backend{}) {
    return detail::load_model<D>(path, std::move(backend), detail::fit<D>(adapter, layout_of<D>()));
}

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/load.ipp>
#endif
