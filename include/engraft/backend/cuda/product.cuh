#pragma once

#if !defined(__CUDACC__)
#error "engraft/backend/cuda/product.cuh needs nvcc: a program for GPUs is a .cu file"
#endif

#include <algorithm>
#include <compare>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <ostream>
#include <set>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <engraft/backend/cuda/kernels/elements.hpp>
#include <engraft/backend/cuda/launch.cuh>
#include <engraft/core/numeric.hpp>
#include <engraft/core/random.hpp>
#include <engraft/core/tensor.hpp>

/// Matrix products by cuBLASLt. Rows go through in panels of one height: one panel is one matrix of a batch, so that a
/// call with more rows is the same product more often. cuBLASLt does not promise that a row's bits depend neither on
/// where it stands in its panel nor on how many panels there are; so the algorithm of each shape is the first, by
/// cuBLASLt's own order, that does each dot product in one sequence and passes a test of just that. It is chosen once.
/// Where none does, a kernel of engraft does the product, slower.
namespace engraft {

/// Who does matrix products: cuBLASLt, or engraft's own kernel, which needs no test to be trusted and is slow.
enum class products { library, own };

namespace detail {

template <numeric_policy Numbers>
struct blas_types {
    static_assert(std::is_same_v<typename Numbers::compute, float>,
                  "products of cuBLASLt are summed in fp32; take fp32, tf32 or bf16");
    static constexpr cudaDataType_t storage =
        std::is_same_v<typename Numbers::storage, bfloat16> ? CUDA_R_16BF : CUDA_R_32F;
    static constexpr cublasComputeType_t compute =
        std::is_same_v<Numbers, tf32> ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
};

/// Whether an algorithm can do a product; throws what fails otherwise.
inline bool is_supported(cublasStatus_t status, char const* call, int line) {
    if (status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE ||
        status == CUBLAS_STATUS_ARCH_MISMATCH)
        return false;
    require_cuda(status, call, __FILE__, line);
    return true;
}

/// What is multiplied: rows with W^T or, back, with W, of [out, in]. Those of one shape are done alike.
struct blas_shape {
    std::size_t out, in; ///< of the weight
    bool back;

    std::size_t width_in() const { return back ? out : in; }  ///< of the rows that go in
    std::size_t width_out() const { return back ? in : out; } ///< and that come out

    friend auto operator<=>(blas_shape const&, blas_shape const&) = default;
};

/// The matrices of a call, in cuBLASLt's words: those of the transposed product, out^T = W in^T or W^T in^T, whose
/// columns are our rows. To cuBLASLt W is transposed as it lies.
template <numeric_policy Numbers>
class blas_call {
public:
    blas_call(blas_shape const& shape, std::size_t panels) {
        using types = blas_types<Numbers>;
        constexpr auto tall = cuda_tiles::panel_rows;
        ENGRAFT_CUDA(cublasLtMatmulDescInit(&operation, types::compute, CUDA_R_32F));
        std::int32_t const how = shape.back ? CUBLAS_OP_N : CUBLAS_OP_T;
        ENGRAFT_CUDA(cublasLtMatmulDescSetAttribute(&operation, CUBLASLT_MATMUL_DESC_TRANSA, &how, sizeof(how)));
        describe(weight, types::storage, shape.in, shape.out, panels, 0);
        describe(input, types::storage, shape.width_in(), tall, panels, shape.width_in() * tall);
        describe(output, CUDA_R_32F, shape.width_out(), tall, panels, shape.width_out() * tall);
    }

    cublasLtMatmulDescOpaque_t operation{};
    cublasLtMatrixLayoutOpaque_t weight{}, input{}, output{};

    /// Whether the algorithm can do this call.
    bool fits(cublasLtMatmulAlgo_t const& algorithm) {
        cublasLtMatmulHeuristicResult_t result{};
        auto const status = cublasLtMatmulAlgoCheck(gpu::one().blas(), &operation, &weight, &input, &output, &output,
                                                    &algorithm, &result);
        return is_supported(status, "cublasLtMatmulAlgoCheck", __LINE__) &&
               result.workspaceSize <= gpu::blas_space_bytes;
    }

    cublasStatus_t run(void* to, void const* from, void const* with, cublasLtMatmulAlgo_t const& algorithm) {
        float const one = 1, zero = 0;
        auto& g = gpu::one();
        return cublasLtMatmul(g.blas(), &operation, &one, with, &weight, from, &input, &zero, to, &output, to, &output,
                              &algorithm, g.blas_space(), gpu::blas_space_bytes, g.stream());
    }

private:
    /// rows x columns in columns without gaps; the matrices of a batch are `apart` elements apart
    static void describe(cublasLtMatrixLayoutOpaque_t& layout, cudaDataType_t type, std::size_t rows,
                         std::size_t columns, std::size_t panels, std::size_t apart) {
        ENGRAFT_CUDA(cublasLtMatrixLayoutInit(&layout, type, rows, columns, static_cast<std::int64_t>(rows)));
        auto const count = static_cast<std::int32_t>(panels);
        auto const stride = static_cast<std::int64_t>(apart);
        ENGRAFT_CUDA(
            cublasLtMatrixLayoutSetAttribute(&layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof(count)));
        ENGRAFT_CUDA(cublasLtMatrixLayoutSetAttribute(&layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride,
                                                      sizeof(stride)));
    }
};

/// How products of one shape are done.
struct blas_plan {
    bool by_library = false; ///< otherwise by engraft's kernel
    cublasLtMatmulAlgo_t algorithm{};
    int offered = 0; ///< algorithms that cuBLASLt named
    int refused = 0; ///< of these, those before the chosen one
};

/// What cuBLASLt offers for a shape, best first; none that divides a dot product into parts.
template <numeric_policy Numbers>
std::vector<cublasLtMatmulAlgo_t> offered_algorithms(blas_shape const& shape) {
    blas_call<Numbers> call(shape, cuda_tiles::panels); // the number that the order is for
    cublasLtMatmulPreferenceOpaque_t wishes{};
    ENGRAFT_CUDA(cublasLtMatmulPreferenceInit(&wishes));
    auto const wish = [&](cublasLtMatmulPreferenceAttributes_t what, auto value) {
        ENGRAFT_CUDA(cublasLtMatmulPreferenceSetAttribute(&wishes, what, &value, sizeof(value)));
    };
    wish(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t(gpu::blas_space_bytes));
    wish(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, std::uint32_t(CUBLASLT_REDUCTION_SCHEME_NONE));
    for (auto what : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
        wish(what, std::uint32_t(16));
    cublasLtMatmulHeuristicResult_t results[32];
    int count = 0;
    auto const status = cublasLtMatmulAlgoGetHeuristic(gpu::one().blas(), &call.operation, &call.weight, &call.input,
                                                       &call.output, &call.output, &wishes, 32, results, &count);
    std::vector<cublasLtMatmulAlgo_t> offered;
    if (status == CUBLAS_STATUS_NOT_SUPPORTED)
        return offered;
    require_cuda(status, "cublasLtMatmulAlgoGetHeuristic", __FILE__, __LINE__);
    for (int i = 0; i < count; ++i)
        if (results[i].state == CUBLAS_STATUS_SUCCESS)
            offered.push_back(results[i].algo);
    return offered;
}

/// Numbers between -1 and 1 that have nothing to do with each other.
template <class Storage>
struct arbitrary_elements {
    Storage* to;

    ENGRAFT_DEVICE void operator()(std::size_t i) const {
        auto x = static_cast<std::uint32_t>(i) * 0x9e3779b1u; // the golden ratio, then the last steps of MurmurHash3
        x = (x ^ (x >> 16)) * 0x85ebca6bu;
        x = (x ^ (x >> 13)) * 0xc2b2ae35u;
        to[i] = kernels::stored<Storage>(static_cast<float>(static_cast<std::int32_t>(x ^ (x >> 16))) * 0x1p-31f);
    }
};

/// Multiplies a few rows with a weight at many places of one panel, of three and of as many as a call has: whether each
/// has the same bits everywhere.
template <numeric_policy Numbers>
class placement_test {
public:
    using storage = typename Numbers::storage;

    explicit placement_test(blas_shape const& shape)
        : shape_(shape), weight_(extents<dynamic, dynamic>(shape.out, shape.in)),
          out_(extents<dynamic, dynamic>(cuda_tiles::panels * tall, shape.width_out())) {
        cuda_launches::each(weight_.size(), arbitrary_elements<storage>{weight_.data()});
        for (auto const& [panels, turn] : {std::pair<std::size_t, std::size_t>{1, 5}, {3, 3}, {cuda_tiles::panels, 7}})
            inputs_.push_back({panels, turn, arranged(panels, turn)});
    }

    bool passes(cublasLtMatmulAlgo_t const& algorithm) {
        for (std::size_t panels = 1; panels <= cuda_tiles::panels; ++panels)
            if (!blas_call<Numbers>(shape_, panels).fits(algorithm))
                return false;
        std::vector<std::vector<float>> found(kinds);
        for (auto const& in : inputs_)
            if (!same(in, algorithm, found))
                return false;
        return std::set(found.begin(), found.end()).size() == kinds; // or nothing was multiplied
    }

private:
    static constexpr std::size_t tall = cuda_tiles::panel_rows, kinds = 4;
    using table = matrix_tensor<storage, cuda_memory>;
    struct input {
        std::size_t panels, turn;
        table rows;
    };

    /// Which of the kinds of rows stands in row r.
    static std::size_t kind(std::size_t r, std::size_t turn) { return (r * turn + r / 7) % kinds; }

    table arranged(std::size_t panels, std::size_t turn) const {
        auto const in = shape_.width_in();
        std::vector<float> rows(kinds * in);
        random r(20240101);
        for (auto& x : rows) // of sizes so different that a few of them, too, have other sums in another order
            x = static_cast<float>(std::ldexp(r.normal(), static_cast<int>(r.below(25)) - 12));
        auto const of_kinds = matrix_tensor<float, cuda_memory>::from_host(rows, extents<dynamic, dynamic>(kinds, in));
        table stored(of_kinds.shape()), made(extents<dynamic, dynamic>(panels * tall, in));
        cuda_launches::each(stored.size(),
                            kernels::staged_rows<storage, float>{as_matrix(stored), as_matrix(of_kinds)});
        std::vector<std::int32_t> which;
        for (std::size_t i = 0; i < panels * tall; ++i)
            which.push_back(static_cast<std::int32_t>(kind(i, turn)));
        auto const index = upload<cuda_memory>(which);
        cuda_launches::each(made.size(), kernels::gathered_rows<storage>{
                                             as_matrix(made), as_matrix(std::as_const(stored)), index.data()});
        return made;
    }

    bool same(input const& in, cublasLtMatmulAlgo_t const& algorithm, std::vector<std::vector<float>>& found) {
        auto const width = shape_.width_out();
        blas_call<Numbers> call(shape_, in.panels);
        auto const status = call.run(out_.data(), in.rows.data(), weight_.data(), algorithm);
        if (!is_supported(status, "cublasLtMatmul", __LINE__))
            return false;
        std::size_t const all = in.panels * tall, at_once = std::max<std::size_t>(1, (std::size_t(1) << 20) / width);
        std::vector<float> rows(std::min(all, at_once) * width);
        for (std::size_t begin = 0; begin < all; begin += at_once) {
            auto const count = std::min(at_once, all - begin);
            cuda_memory::to_host(rows.data(), out_.data() + begin * width, count * width * sizeof(float));
            for (std::size_t i = 0; i < count; ++i) {
                std::span<float const> const row(rows.data() + i * width, width);
                auto& first = found[kind(begin + i, in.turn)];
                if (first.empty())
                    first.assign(row.begin(), row.end());
                if (std::memcmp(first.data(), row.data(), row.size_bytes()) != 0)
                    return false;
            }
        }
        return true;
    }

    blas_shape shape_;
    table weight_;
    std::vector<input> inputs_;
    matrix_tensor<float, cuda_memory> out_;
};

/// Plans of all shapes that were met.
class blas_plans {
public:
    using key = std::pair<std::string_view, blas_shape>; ///< by the numbers' name

    static blas_plans& all() {
        static blas_plans& the = *new blas_plans;
        return the;
    }

    template <numeric_policy Numbers>
    std::shared_ptr<blas_plan const> of(blas_shape const& shape) {
        std::lock_guard const lock(mutex_);
        auto& plan = plans_[{Numbers::name, shape}];
        if (!plan)
            plan = std::make_shared<blas_plan const>(choose<Numbers>(shape));
        return plan;
    }

    /// Whether cuBLASLt does the products of all shapes that were met.
    bool by_library() const {
        std::lock_guard const lock(mutex_);
        return std::ranges::all_of(plans_, [](auto const& met) { return !met.second || met.second->by_library; });
    }

    /// One line per shape, for a person to read.
    void print(std::ostream& out) const {
        std::lock_guard const lock(mutex_);
        for (auto const& [met, plan] : plans_)
            if (plan)
                out << met.first << ' ' << met.second.width_in() << " -> " << met.second.width_out()
                    << (met.second.back ? ", of gradients: " : ": ")
                    << (plan->by_library ? "cuBLASLt" : "engraft's kernel") << ", " << plan->refused << " of "
                    << plan->offered << " algorithms refused\n";
    }

private:
    template <numeric_policy Numbers>
    static blas_plan choose(blas_shape const& shape) {
        blas_plan plan;
        auto const offered = offered_algorithms<Numbers>(shape);
        plan.offered = static_cast<int>(offered.size());
        if (offered.empty())
            return plan;
        placement_test<Numbers> test(shape);
        for (auto const& algorithm : offered) {
            if (test.passes(algorithm)) {
                plan.by_library = true;
                plan.algorithm = algorithm;
                return plan;
            }
            ++plan.refused;
        }
        return plan;
    }

    mutable std::mutex mutex_;
    std::map<key, std::shared_ptr<blas_plan const>> plans_;
};

} // namespace detail

/// Launches kernels on the GPU, and has cuBLASLt do its matrix products: see `launched`.
struct cuda_launch : cuda_launches {
    using memory_type = cuda_memory;
    static constexpr std::size_t panel_rows = cuda_tiles::panel_rows, panels_together = cuda_tiles::panels;
    static constexpr std::size_t lines_together = cuda_tiles::lines_together;

    products by = products::library;

    static char const* name() { return "cuda"; }

    template <numeric_policy Numbers>
    struct product {
        std::shared_ptr<detail::blas_plan const> plan{};
        bool back = false;
        bool plain() const { return !plan || !plan->by_library; }
    };

    template <numeric_policy Numbers>
    product<Numbers> prepare(matrix<typename Numbers::storage const> weight, bool back) const {
        // Plans are for aligned weights, which parts of one need not be, and made once for all batches, which what
        // edges are scored by is not.
        if (by == products::own || weight.rows == 0 || reinterpret_cast<std::uintptr_t>(weight.data) % 16 != 0 ||
            (back ? weight.rows : weight.columns) > cuda_tiles::widest)
            return {{}, back};
        return {detail::blas_plans::all().template of<Numbers>({weight.rows, weight.columns, back}), back};
    }

    template <numeric_policy Numbers>
    void multiply(float* out, typename Numbers::storage const* in, std::size_t panels,
                  matrix<typename Numbers::storage const> weight, product<Numbers> const& how) const {
        detail::blas_call<Numbers> call({weight.rows, weight.columns, how.back}, panels);
        ENGRAFT_CUDA(call.run(out, in, weight.data, how.plan->algorithm));
    }
};

} // namespace engraft
