#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include <engraft/backend/backend.hpp>
#include <engraft/backend/dense_map.hpp>

namespace engraft {

/// Memory that has the shapes of tensors and counts what they would hold. Only lists that come from the host are there,
/// since policies read them back; all else is zeros.
class no_memory {
public:
    static constexpr bool host_accessible = false;

    static void* allocate(std::size_t bytes) {
        if (bytes == 0)
            return nullptr;
        std::lock_guard const lock(one().mutex);
        void* const p = ::operator new(1); // an address of its own
        one().pieces[p].bytes = bytes;
        one().held += bytes;
        one().most_held = std::max(one().most_held, one().held);
        return p;
    }
    static void deallocate(void* p) noexcept {
        if (!p)
            return;
        std::lock_guard const lock(one().mutex);
        auto const piece = one().pieces.find(p);
        one().held -= piece->second.bytes;
        one().pieces.erase(piece);
        ::operator delete(p);
    }
    static void from_host(void* to, void const* from, std::size_t bytes) {
        if (bytes == 0)
            return;
        std::lock_guard const lock(one().mutex);
        auto const begin = static_cast<char const*>(from);
        one().pieces.at(to).content.assign(begin, begin + bytes);
    }
    static void to_host(void* to, void const* from, std::size_t bytes) {
        if (bytes == 0)
            return;
        std::memset(to, 0, bytes);
        std::lock_guard const lock(one().mutex);
        if (auto const piece = one().pieces.find(from); piece != one().pieces.end() && !piece->second.content.empty())
            std::memcpy(to, piece->second.content.data(), std::min(bytes, piece->second.content.size()));
    }

    /// Bytes of all tensors that are there.
    static std::size_t held() { return one().held; }
    /// The most that they have been since `forget_most`.
    static std::size_t most_held() { return one().most_held; }
    static void forget_most() { one().most_held = one().held; }

private:
    struct piece {
        std::size_t bytes = 0;
        std::vector<char> content; ///< of a list
    };
    struct all_pieces {
        std::mutex mutex;
        std::map<void const*, piece> pieces;
        std::size_t held = 0, most_held = 0;
    };
    static all_pieces& one() {
        static all_pieces all;
        return all;
    }
};

/// A backend without memory and arithmetic. A model of it has the shapes of its weights and no numbers: its runs keep
/// nothing, and sweeps beside them are planned and not computed (their numbers are NaN). It tells what an experiment
/// will cost before the weights are there.
///
///     model<llama_7b, planning> const model(empty_weights<llama_7b, planning>());
///     auto const clean = model.run(tokens, capture_for_sweeps<llama_7b>());
///     std::cout << sweep(model, clean, each_head<llama_7b>(), policy_of, {probability(answers)}).planned << '\n';
///     std::cout << no_memory::held() << " bytes: weights, and what the clean run keeps\n";
struct planning {
    using value_type = float;
    using memory_type = no_memory;
    using linear_map = dense_map<float, no_memory>;
    using out_matrix = matrix<float>;
    using in_matrix = matrix<float const>;
    template <class T>
    using list = vector_tensor<T, no_memory>;

    double chunk = host_chunk; ///< of the backend that is planned for; infinite for a GPU

    static constexpr bool computes = false;
    static char const* name() { return "planning"; }
    double preferred_chunk() const { return chunk; }

    linear_map make_linear(matrix_tensor<float, no_memory> weight, list<float> bias) const {
        return {std::move(weight), std::move(bias)};
    }
    void gather_rows(out_matrix, in_matrix, list<std::int32_t> const&) const {}
    void gather_weights(out_matrix, linear_map const&, list<std::int32_t> const&) const {}
    void copy_rows(out_matrix, list<std::int32_t> const&, in_matrix, list<std::int32_t> const&) const {}
    void linear(out_matrix, in_matrix, linear_map const&) const {}
    void head_results(out_matrix, in_matrix, linear_map const&, std::size_t) const {}
    void rms_norm(out_matrix, in_matrix, list<float> const&, double) const {}
    void layer_norm(out_matrix, in_matrix, list<float> const&, list<float> const&, double) const {}
    void scale(out_matrix, double) const {}
    void add(out_matrix, in_matrix) const {}
    void add_difference(out_matrix, in_matrix, in_matrix, std::size_t) const {}
    void rotate(out_matrix, std::size_t, in_matrix, list<std::uint32_t> const&) const {}
    void scores(float*, in_matrix, in_matrix, attention_shape const&, ragged const&) const {}
    void softmax(float*, attention_shape const&, ragged const&) const {}
    void mix(out_matrix, float const*, in_matrix, attention_shape const&, ragged const&) const {}
    void attention(out_matrix, in_matrix, in_matrix, in_matrix, attention_shape const&, ragged const&) const {}
    void attention_rows(out_matrix, in_matrix, list<attention_row> const&, in_matrix, in_matrix, in_matrix, in_matrix,
                        list<std::uint32_t> const&, attention_shape const&, ragged const&) const {}
    void score_rows(out_matrix, in_matrix, list<attention_row> const&, in_matrix, in_matrix, list<std::uint32_t> const&,
                    attention_shape const&, ragged const&) const {}
    void softmax_rows(out_matrix) const {}
    void mix_rows(out_matrix, in_matrix, list<attention_row> const&, in_matrix, in_matrix, list<std::uint32_t> const&,
                  attention_shape const&, ragged const&) const {}
    void activate(out_matrix, mlp) const {}
    void gated(out_matrix, in_matrix, mlp) const {}
    void softcap(out_matrix, double) const {}
    void copy(float*, float const*, std::size_t) const {}
    void copy_slices(float*, float const*, list<row_slice> const&) const {}
    void fill_slices(float*, double, list<row_slice> const&) const {}
    void scale_slices(float*, double, list<row_slice> const&) const {}
    void add_slices(float*, float const*, double, list<row_slice> const&) const {}
    void blend_slices(float*, float const*, list<row_slice> const&, in_matrix) const {}
    void project_slices(float*, float const*, list<row_slice> const&, in_matrix) const {}
    void mean_rows(out_matrix, in_matrix, list<std::uint64_t> const&, list<row_group> const&) const {}
    void largest_columns(list<std::int32_t>&, in_matrix) const {} // all rows go to expert 0
    void expert_weights(out_matrix, in_matrix, list<std::int32_t> const&, bool) const {}
    void sum_rows(out_matrix, in_matrix, in_matrix, list<std::int32_t> const&) const {}
    std::vector<token> argmax(in_matrix in) const { return std::vector<token>(in.rows); }
    std::vector<double> log_sum_exp(in_matrix in) const { return std::vector<double>(in.rows); }
    std::vector<double> elements(in_matrix in, std::span<token const>) const { return std::vector<double>(in.rows); }
    std::vector<double> map_entries(in_matrix in, linear_map const&, std::span<token const>) const {
        return std::vector<double>(in.rows);
    }
};

} // namespace engraft
