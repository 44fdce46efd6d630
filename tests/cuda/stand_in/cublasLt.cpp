// cuBLASLt by the stand-in for a GPU: products by plain loops.

#include "cublasLt.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

using namespace stand_in;

namespace {

/// What it offers, in its order.
enum class algorithm : std::uint64_t {
    split,     ///< adds up each dot product in two parts, unless that is not wished
    large,     ///< needs more space than was wished
    refused,   ///< the heuristic itself says that it is not supported
    straight0, ///< in the order of the elements, but not for every number of matrices
    growing,   ///< the same, but for many matrices it needs more space
    by_place,  ///< adds up odd columns of the output the other way round
    idle,      ///< writes nothing
    by_batch,  ///< adds up the other way round where there are more matrices than one
    straight,  ///< in the order of the elements
    straight2, ///< the same
    count
};

constexpr std::size_t little_space = std::size_t(1) << 20, much_space = std::size_t(64) << 20;

struct bfloat16_bits {
    std::uint16_t bits;
};
float number(float x) { return x; }
float number(bfloat16_bits x) { return std::bit_cast<float>(std::uint32_t(x.bits) << 16); }

/// To ten bits of a mantissa, the nearest.
float rounded(float x, bool tf32) {
    if (!tf32)
        return x;
    auto const bits = std::bit_cast<std::uint32_t>(x);
    return std::bit_cast<float>((bits + 0xfffu + ((bits >> 13) & 1u)) & ~0x1fffu);
}

std::size_t size_of(cudaDataType_t type) { return type == CUDA_R_16BF ? 2 : 4; }

/// Of all matrices of a batch.
std::size_t bytes_of(cublasLtMatrixLayoutOpaque_t const& m) {
    auto const one = static_cast<std::size_t>(m.leading) * (m.columns - 1) + m.rows;
    return (static_cast<std::size_t>(m.stride) * static_cast<std::size_t>(m.batch - 1) + one) * size_of(m.type);
}

struct product {
    cublasLtMatmulDescOpaque_t operation;
    cublasLtMatrixLayoutOpaque_t a, b, d;
    void const *from_a, *from_b;
    void* to;
    algorithm by;

    std::size_t depth() const { return operation.a == CUBLAS_OP_T ? a.rows : a.columns; }

    template <class T>
    void run() const {
        if (by == algorithm::idle)
            return;
        bool const tf32 = operation.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
        auto const n = depth();
        std::vector<float> left(d.rows * n), right(n);
        for (std::int32_t m = 0; m < d.batch; ++m) {
            T const* const of_a = static_cast<T const*>(from_a) + m * a.stride;
            T const* const of_b = static_cast<T const*>(from_b) + m * b.stride;
            float* const out = static_cast<float*>(to) + m * d.stride;
            if (m == 0 || a.stride != 0)
                for (std::size_t r = 0; r < d.rows; ++r)
                    for (std::size_t k = 0; k < n; ++k)
                        left[r * n + k] =
                            rounded(number(operation.a == CUBLAS_OP_T ? of_a[r * std::size_t(a.leading) + k]
                                                                      : of_a[k * std::size_t(a.leading) + r]),
                                    tf32);
            for (std::size_t c = 0; c < d.columns; ++c) {
                for (std::size_t k = 0; k < n; ++k)
                    right[k] = rounded(number(of_b[c * std::size_t(b.leading) + k]), tf32);
                bool const turned = (by == algorithm::by_place && c % 2) || (by == algorithm::by_batch && d.batch > 1);
                for (std::size_t r = 0; r < d.rows; ++r) {
                    float sum = 0;
                    float const* const x = left.data() + r * n;
                    for (std::size_t k = 0; k < n; ++k) {
                        auto const i = turned ? n - 1 - k : k;
                        sum += x[i] * right[i];
                    }
                    if (by == algorithm::split) {
                        float halves[2] = {};
                        for (std::size_t k = 0; k < n; ++k)
                            halves[k % 2] += x[k] * right[k];
                        sum = halves[0] + halves[1];
                    }
                    out[c * std::size_t(d.leading) + r] = sum;
                }
            }
        }
    }
};

void require(bool holds, std::string const& otherwise) {
    if (!holds)
        undefined("cublasLtMatmul: " + otherwise);
}

template <class T>
T read(void const* value, std::size_t bytes) {
    require(bytes == sizeof(T), "an attribute of " + std::to_string(bytes) + " bytes");
    T result{};
    std::memcpy(&result, value, sizeof(T));
    return result;
}

/// Whether the matrices fit each other, and a kind of product that there is.
cublasStatus_t check(cublasLtMatmulDescOpaque_t const& operation, cublasLtMatrixLayoutOpaque_t const& a,
                     cublasLtMatrixLayoutOpaque_t const& b, cublasLtMatrixLayoutOpaque_t const& c,
                     cublasLtMatrixLayoutOpaque_t const& d) {
    bool const turned = operation.a == CUBLAS_OP_T;
    auto const rows = turned ? a.columns : a.rows, depth = turned ? a.rows : a.columns;
    if (operation.b != CUBLAS_OP_N || operation.scale != CUDA_R_32F || a.type != b.type || d.type != CUDA_R_32F ||
        (operation.compute == CUBLAS_COMPUTE_32F_FAST_TF32 && a.type != CUDA_R_32F))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    for (auto const& m : {a, b, c, d})
        if (m.batch != d.batch || m.leading < static_cast<std::int64_t>(m.rows) || m.rows == 0 || m.columns == 0)
            return CUBLAS_STATUS_INVALID_VALUE;
    if (d.rows != rows || b.rows != depth || d.columns != b.columns || c.rows != d.rows || c.columns != d.columns ||
        c.leading != d.leading || c.stride != d.stride || c.type != d.type)
        return CUBLAS_STATUS_INVALID_VALUE;
    return CUBLAS_STATUS_SUCCESS;
}

} // namespace

char const* cublasLtGetStatusName(cublasStatus_t status) {
    switch (status) {
    case CUBLAS_STATUS_SUCCESS:
        return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_ALLOC_FAILED:
        return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE:
        return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_ARCH_MISMATCH:
        return "CUBLAS_STATUS_ARCH_MISMATCH";
    case CUBLAS_STATUS_EXECUTION_FAILED:
        return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_NOT_SUPPORTED:
        return "CUBLAS_STATUS_NOT_SUPPORTED";
    }
    return "a status";
}
char const* cublasLtGetStatusString(cublasStatus_t status) { return cublasLtGetStatusName(status); }

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
    *handle = new int(0);
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescInit(cublasLtMatmulDesc_t operation, cublasComputeType_t compute,
                                      cudaDataType_t scale) {
    *operation = {compute, scale, CUBLAS_OP_N, CUBLAS_OP_N};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t operation, cublasLtMatmulDescAttributes_t which,
                                              void const* value, std::size_t bytes) {
    (which == CUBLASLT_MATMUL_DESC_TRANSA ? operation->a : operation->b) = read<std::int32_t>(value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutInit(cublasLtMatrixLayout_t layout, cudaDataType_t type, std::uint64_t rows,
                                        std::uint64_t columns, std::int64_t leading) {
    *layout = {type, rows, columns, leading, 1, 0};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t which,
                                                void const* value, std::size_t bytes) {
    if (which == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT)
        layout->batch = read<std::int32_t>(value, bytes);
    else
        layout->stride = read<std::int64_t>(value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceInit(cublasLtMatmulPreference_t wishes) {
    *wishes = {0, CUBLASLT_REDUCTION_SCHEME_MASK, {256, 256, 256, 256}};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t wishes,
                                                    cublasLtMatmulPreferenceAttributes_t which, void const* value,
                                                    std::size_t bytes) {
    if (which == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES)
        wishes->space = read<std::uint64_t>(value, bytes);
    else if (which == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK)
        wishes->reductions = read<std::uint32_t>(value, bytes);
    else
        wishes->alignment[which - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES] = read<std::uint32_t>(value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t operation,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t wishes, int most,
                                              cublasLtMatmulHeuristicResult_t* results, int* count) {
    if (int const status = failing("cublasLtMatmulAlgoGetHeuristic"))
        return static_cast<cublasStatus_t>(status);
    if (auto const status = check(*operation, *a, *b, *c, *d); status != CUBLAS_STATUS_SUCCESS)
        return status;
    *count = 0;
    for (std::uint64_t i = 0; i < std::uint64_t(algorithm::count) && *count < most; ++i) {
        auto const by = algorithm(i);
        if ((by == algorithm::split && wishes->reductions == CUBLASLT_REDUCTION_SCHEME_NONE) ||
            wishes->space < (by == algorithm::large ? much_space : little_space))
            continue;
        auto const* const aligned = wishes->alignment;
        results[(*count)++] = {{{i, aligned[0], aligned[1], aligned[2], aligned[3]}},
                               by == algorithm::large ? much_space : little_space,
                               by == algorithm::refused ? CUBLAS_STATUS_NOT_SUPPORTED : CUBLAS_STATUS_SUCCESS};
    }
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t, cublasLtMatmulDesc_t operation, cublasLtMatrixLayout_t a,
                                       cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                       cublasLtMatmulAlgo_t const* algo, cublasLtMatmulHeuristicResult_t* result) {
    if (int const status = failing("cublasLtMatmulAlgoCheck"))
        return static_cast<cublasStatus_t>(status);
    if (auto const status = check(*operation, *a, *b, *c, *d); status != CUBLAS_STATUS_SUCCESS)
        return status;
    auto const by = algorithm(algo->data[0]);
    if (by == algorithm::refused || (by == algorithm::straight0 && d->batch == 13))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    *result = {*algo, by == algorithm::large || (by == algorithm::growing && d->batch > 14) ? much_space : little_space,
               CUBLAS_STATUS_SUCCESS};
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t operation, void const* alpha, void const* from_a,
                              cublasLtMatrixLayout_t a, void const* from_b, cublasLtMatrixLayout_t b, void const* beta,
                              void const* from_c, cublasLtMatrixLayout_t c, void* to, cublasLtMatrixLayout_t d,
                              cublasLtMatmulAlgo_t const* algo, void* space, std::size_t space_bytes,
                              cudaStream_t stream) {
    if (int const status = failing("cublasLtMatmul"))
        return static_cast<cublasStatus_t>(status);
    if (auto const status = check(*operation, *a, *b, *c, *d); status != CUBLAS_STATUS_SUCCESS)
        return status;
    require(stream != nullptr, "outside of engraft's stream");
    require(*static_cast<float const*>(alpha) == 1 && *static_cast<float const*>(beta) == 0 && from_c == to,
            "more than a product, which this stand-in does not know");
    require(memory::holds(from_a, bytes_of(*a)) && memory::holds(from_b, bytes_of(*b)) &&
                memory::holds(to, bytes_of(*d)),
            "matrices that go beyond their memory");
    require(memory::holds(space, space_bytes) && space_bytes >= little_space, "too little space to work in");
    auto const require_aligned = [&](void const* p, std::size_t of) {
        require(reinterpret_cast<std::uintptr_t>(p) % algo->data[of] == 0,
                "memory that is not aligned as the algorithm was asked for");
    };
    require_aligned(from_a, 1);
    require_aligned(from_b, 2);
    require_aligned(from_c, 3);
    require_aligned(to, 4);
    product const work{*operation, *a, *b, *d, from_a, from_b, to, algorithm(algo->data[0])};
    stream->add([work, bf16 = a->type == CUDA_R_16BF] { bf16 ? work.run<bfloat16_bits>() : work.run<float>(); });
    return CUBLAS_STATUS_SUCCESS;
}
