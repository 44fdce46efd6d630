// What the CUDA backend asks of CUDA and cuBLASLt, by the stand-in for a GPU: algorithms that are not to be trusted,
// calls that fail, and memory that runs out.

#include <sstream>

#include "catch.hpp"
#include "random_models.hpp"

namespace {

using gpu_floats = eg::vector_tensor<float, eg::cuda_memory>;

gpu_floats floats(std::size_t n) { return gpu_floats(eg::extents<eg::dynamic>(n)); }

/// What a call is refused with.
template <class Work>
std::string said(Work const& work) {
    try {
        work();
    } catch (eg::cuda_error const& e) {
        return e.what();
    }
    return "nothing was refused";
}

/// While it lives, memory has a limit.
struct limited {
    std::size_t before = stand_in::memory::limit();
    explicit limited(std::size_t bytes) {
        eg::detail::gpu::one().wait();
        stand_in::memory::trim();
        stand_in::memory::limit(stand_in::memory::reserved() + bytes);
    }
    ~limited() { stand_in::memory::limit(before); }
    limited(limited const&) = delete;
    limited& operator=(limited const&) = delete;
};

template <eg::numeric_policy Numbers>
auto plan(std::size_t out, std::size_t in, bool back) {
    return eg::detail::blas_plans::all().of<Numbers>({out, in, back});
}

} // namespace

TEMPLATE_TEST_CASE("an algorithm by which a row's bits depend on its place is refused", "[cuda]", eg::fp32, eg::tf32,
                   eg::bf16) {
    for (auto const& [out, in] : {std::pair<std::size_t, std::size_t>{5, 8}, {67, 96}, {3, 200}})
        for (bool back : {false, true}) {
            INFO(in << " -> " << out << (back ? ", back" : ""));
            auto const chosen = plan<TestType>(out, in, back);
            CHECK(chosen->by_library);
            // Those are: not for every number of panels, with too much space for many, by its place, nothing at all,
            // and by the number of panels.
            CHECK(chosen->refused == 5);
            CHECK(chosen->offered == 7); // none that splits its sums or needs too much space for few
        }
}

TEMPLATE_TEST_CASE("cuBLASLt does the products of whole runs and of gradients", "[cuda]", eg::fp32, eg::tf32,
                   eg::bf16) {
    auto const model = random_model<eg::cuda<TestType>>(1);
    eg::gradient(model, random_prompts(2, {5, 9}), eg::identity, eg::capture(eg::resid_pre), eg::logit({3, 4}));
    std::ostringstream out;
    eg::cuda<TestType>::print_products(out);
    std::istringstream lines(out.str());
    int count = 0;
    for (std::string line; std::getline(lines, line); ++count)
        if (line.find("37 -> 31") == std::string::npos) // which is the next test's
            CHECK(line.find(": cuBLASLt, 5 of 7 algorithms refused") != std::string::npos);
    CHECK(count > 8);
}

TEST_CASE("a shape that cuBLASLt has nothing for is done by engraft's kernel", "[cuda]") {
    stand_in::let_fail("cublasLtMatmulAlgoGetHeuristic", CUBLAS_STATUS_NOT_SUPPORTED);
    CHECK_FALSE(plan<eg::fp32>(31, 37, false)->by_library);
    CHECK_FALSE(eg::cuda<eg::fp32>::products_by_library());
    std::ostringstream out;
    eg::cuda<eg::fp32>::print_products(out);
    CHECK(out.str().find("fp32 37 -> 31: engraft's kernel, 0 of 0 algorithms refused\n") != std::string::npos);
}

TEST_CASE("what fails while an algorithm is chosen is reported, and the choice is made again", "[cuda]") {
    stand_in::let_fail("cublasLtMatmulAlgoGetHeuristic", CUBLAS_STATUS_ALLOC_FAILED);
    CHECK(said([] { plan<eg::fp32>(33, 37, false); }).find("CUBLAS_STATUS_ALLOC_FAILED") != std::string::npos);
    stand_in::let_fail("cublasLtMatmulAlgoGetHeuristic", CUBLAS_STATUS_INVALID_VALUE); // of all, not of an algorithm
    CHECK(said([] { plan<eg::fp32>(33, 37, false); }).find("CUBLAS_STATUS_INVALID_VALUE") != std::string::npos);
    stand_in::let_fail("cublasLtMatmulAlgoCheck", CUBLAS_STATUS_ALLOC_FAILED);
    CHECK(said([] { plan<eg::fp32>(33, 37, false); }).find("CUBLAS_STATUS_ALLOC_FAILED") != std::string::npos);
    stand_in::let_fail("cublasLtMatmul", CUBLAS_STATUS_EXECUTION_FAILED);
    CHECK(said([] { plan<eg::fp32>(33, 37, false); }).find("CUBLAS_STATUS_EXECUTION_FAILED") != std::string::npos);
    CHECK(plan<eg::fp32>(33, 37, false)->refused == 5);
}

TEST_CASE("a call that fails is named", "[cuda]") {
    auto x = floats(10);
    std::vector<float> host(10, 1);
    auto const up = [&] { eg::cuda_memory::from_host(x.data(), host.data(), 40); };
    auto const down = [&] { eg::cuda_memory::to_host(host.data(), x.data(), 40); };
    stand_in::let_fail("cudaMemcpyAsync", cudaErrorInvalidValue);
    auto const upload = said(up);
    CHECK(upload.starts_with("cudaMemcpyAsync("));
    CHECK(upload.find(" at gpu.cuh:") != std::string::npos);
    CHECK(upload.ends_with(" failed with cudaErrorInvalidValue: cudaErrorInvalidValue"));
    stand_in::let_fail("cudaStreamSynchronize", cudaErrorIllegalAddress);
    CHECK(said(down).starts_with("cudaStreamSynchronize(stream_) at gpu.cuh:"));
    stand_in::let_fail("cudaLaunchKernelEx", cudaErrorInvalidConfiguration);
    auto const kernel = said([&] { eg::cuda<eg::fp32>().scale({x.data(), 1, 10, 10}, 2); });
    CHECK(kernel.find("scaled_rows") != std::string::npos);
    CHECK(kernel.find("cudaErrorInvalidConfiguration") != std::string::npos);
    CHECK(cudaGetLastError() == cudaSuccess); // what was reported is not for whom asks next
    up();
    down();
    CHECK(host == std::vector<float>(10, 1));
}

TEST_CASE("memory that is only kept is given back before any is refused", "[cuda]") {
    limited const memory(std::size_t(64) << 20);
    { auto const whole = floats((std::size_t(60) << 20) / 4); } // freed, and kept for this size
    auto const half = floats((std::size_t(31) << 20) / 4);
    CHECK(half.size() > 0);
    auto const refused = said([] { floats((std::size_t(60) << 20) / 4); });
    CHECK(refused.starts_with("cudaMallocAsync: 62914560 bytes were asked for; of the GPU's "));
    CHECK(refused.find("lower sweep_options::memory") != std::string::npos);
    auto x = floats(10); // less is still to be had
    eg::cuda<eg::fp32>().scale({x.data(), 1, 10, 10}, 2);
}

namespace {
/// out[i] = the sum of i, i + 1, ..., i + 99, by way of shared memory
struct sums_of_blocks {
    using shared_type = float;
    static constexpr std::size_t shared_elements = 100;
    float* out;

    template <class Block>
    ENGRAFT_DEVICE void operator()(Block const& block, std::size_t task) const {
        block.each(100, [&](std::size_t i) { block.shared[i] = static_cast<float>(task + i); });
        block.each_warp(1, [&](auto const& warp, std::size_t) {
            float const sum =
                warp.template sum<float>(100, [&](float s, std::size_t i) { return s + block.shared[i]; });
            warp.once([&] { out[task] = sum; });
        });
    }
};
} // namespace

TEST_CASE("blocks go on to the tasks that are left", "[cuda]") {
    constexpr std::size_t tasks = 7;
    auto out = floats(tasks);
    cudaLaunchConfig_t how{};
    how.gridDim = {2, 1, 1};
    how.blockDim = {eg::cuda_tiles::threads, 1, 1};
    how.stream = eg::detail::gpu::one().stream();
    ENGRAFT_CUDA(
        cudaLaunchKernelEx(&how, eg::kernels::run_each_block<sums_of_blocks>, sums_of_blocks{out.data()}, tasks));
    CHECK(out.to_host() == std::vector<float>{4950, 5050, 5150, 5250, 5350, 5450, 5550});
}

TEST_CASE("uploads in pieces, and more of them than pinned memory holds", "[cuda]") {
    constexpr std::size_t n = (std::size_t(9) << 20) + 3; // 36 MB in pieces of 4 MB; 32 MB are pinned
    std::vector<gpu_floats> all;
    std::vector<float> host(n);
    for (int turn = 0; turn < 3; ++turn) {
        for (std::size_t i = 0; i < n; ++i)
            host[i] = static_cast<float>((i + static_cast<std::size_t>(turn)) % 1000);
        all.push_back(gpu_floats::from_host(host, eg::extents<eg::dynamic>(n)));
    }
    std::size_t wrong = 0;
    for (int turn = 0; turn < 3; ++turn) {
        auto const found = all[static_cast<std::size_t>(turn)].to_host();
        for (std::size_t i = 0; i < n; ++i)
            wrong += found[i] != static_cast<float>((i + static_cast<std::size_t>(turn)) % 1000);
    }
    CHECK(wrong == 0);
}
