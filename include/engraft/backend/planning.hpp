#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include <engraft/backend/backend.hpp>
#include <engraft/backend/dense_map.hpp>

namespace engraft {

/// Memory that holds nothing and counts what it would hold: only the shapes of tensors are there.
struct no_memory {
    static constexpr bool host_accessible = false;

    static void* allocate(std::size_t bytes) {
        if (bytes == 0)
            return nullptr;
        auto const now = held_ += bytes;
        auto most = peak_.load();
        while (most < now && !peak_.compare_exchange_weak(most, now)) {
        }
        return new std::size_t(bytes);
    }
    static void deallocate(void* p) noexcept {
        if (p)
            held_ -= *static_cast<std::size_t*>(p);
        delete static_cast<std::size_t*>(p);
    }
    static void from_host(void*, void const*, std::size_t) {}
    static void to_host(void*, void const*, std::size_t) {}

    /// Bytes of all tensors that are there.
    static std::size_t held() { return held_; }
    /// The most that were there at one time since the last `restart`.
    static std::size_t peak() { return peak_; }
    static void restart() { peak_ = held_.load(); }

private:
    inline static std::atomic<std::size_t> held_{0}, peak_{0};
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

    static constexpr bool computes = false;
    static char const* name() { return "planning"; }

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
    std::vector<token> argmax(in_matrix in) const { return std::vector<token>(in.rows); }
    std::vector<double> log_sum_exp(in_matrix in) const { return std::vector<double>(in.rows); }
    std::vector<double> elements(in_matrix in, std::span<token const>) const { return std::vector<double>(in.rows); }
    std::vector<double> map_entries(in_matrix in, linear_map const&, std::span<token const>) const {
        return std::vector<double>(in.rows);
    }
};

} // namespace engraft
