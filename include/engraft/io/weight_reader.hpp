#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/tensor.hpp>
#include <engraft/io/checkpoint.hpp>
#include <engraft/io/derived_tensor.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/model/description.hpp>
#include <engraft/model/stored_map.hpp>

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

    auto constant(int n, double value) const {
        return vector_tensor<T, memory>::from_host(std::vector<T>(std::size_t(n), T(value)), extents<dynamic>(n));
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
            bias = bias_of(map);
        auto const added = adapter_.find(map.weight);
        if (map.rows.empty() && !is_transposed(map) && !added)
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
    static bool is_transposed(stored_map const& map) { return map.transposed || map.out_heads > 0 || map.in_heads > 0; }

    auto bias_of(stored_map const& map) {
        require_shape(map.bias, map.bias_shape());
        if (map.rows.empty()) {
            vector_tensor<T, memory> whole{extents<dynamic>(map.out)};
            fill(map.bias, whole.data(), whole.size());
            return whole;
        }
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
        require_shape(map.weight, map.weight_shape());
        auto const stored_row = [&](std::size_t r) { return map.rows.empty() ? r : std::size_t(map.rows[r]); };
        return written(extents<dynamic, dynamic>(count, in), [&](T* picked) {
            if (is_transposed(map)) {
                std::size_t const width = map.out_heads > 0 ? out / std::size_t(map.out_heads) : out;
                std::vector<T> line(width);
                for (std::size_t first = 0; first < out; first += width)
                    for (std::size_t c = 0; c < in; ++c) {
                        from_.read_weight(map.weight, first * in + c * width, std::span<T>(line));
                        for (std::size_t r = 0; r < count; ++r)
                            if (auto const at = stored_row(r) - first; at < width) // which wraps for rows before these
                                picked[r * in + c] = line[at];
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

} // namespace detail

} // namespace engraft
