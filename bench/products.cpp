// Matrix products of the cpu backend on one thread beside what the processor's registers could do at most: fused
// multiply-adds of 16 numbers that touch no memory. Best of thirty, in turns. (x86 with AVX-512; elsewhere only the
// products are told.)
//
//     bench_products

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <engraft/backend/cpu/kernels.hpp>
#include <engraft/backend/cpu/product.hpp>

namespace eg = engraft;

namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

#if defined(__x86_64__)
/// GFLOP/s of 24 chains of fused multiply-adds.
[[gnu::target("avx512f")]] double peak_of_registers() {
    __m512 sums[24], factor = _mm512_set1_ps(0.999f), addend = _mm512_set1_ps(0.001f);
    for (auto& s : sums)
        s = addend;
    constexpr int steps = 200000;
    double const begin = now();
    for (int i = 0; i < steps; ++i) {
#pragma GCC unroll 24
        for (int s = 0; s < 24; ++s)
            sums[s] = _mm512_fmadd_ps(sums[s], factor, addend);
    }
    double const seconds = now() - begin;
    float volatile sink = 0; // so that no chain is left out
    for (auto const& s : sums)
        sink = sink + _mm512_cvtss_f32(s);
    return 24.0 * 32 * steps / seconds / 1e9;
}
#endif

struct product {
    std::size_t rows, in, out;
    double best = 0;
};

} // namespace

int main() {
    double peak = 0;
    product products[] = {{1325, 576, 1536}, {1325, 1536, 576}, {1325, 576, 576},
                          {1325, 576, 192},  {1325, 128, 192},  {53, 576, 1536}};
    for (auto& p : products) {
        using table = eg::matrix_tensor<float, eg::host_memory>;
        table w(table::extents_type(p.out, p.in)), x(table::extents_type(p.rows, p.in)),
            y(table::extents_type(p.rows, p.out));
        std::fill_n(w.data(), w.size(), 0.5f);
        std::fill_n(x.data(), x.size(), 0.25f);
        eg::detail::packed_matrix const packed(std::move(w), 1);
        for (int turn = 0; turn < 30; ++turn) {
#if defined(__x86_64__)
            if (__builtin_cpu_supports("avx512f"))
                peak = std::max(peak, peak_of_registers());
#endif
            double const begin = now();
            eg::detail::multiply(1, as_matrix(y), as_matrix(std::as_const(x)), packed);
            p.best = std::max(p.best, 2e-9 * double(p.rows) * double(p.in) * double(p.out) / (now() - begin));
            if (y.data()[y.size() - 1] != 0.125f * float(p.in)) {
                std::fprintf(stderr, "a product is not what it should be\n");
                return 1;
            }
        }
    }
    std::printf("%s kernels; registers alone %.1f GFLOP/s\n", eg::detail::kernels().name, peak);
    for (auto const& p : products)
        std::printf("%5zu rows, %4zu -> %4zu: %6.1f GFLOP/s, %.0f %% of that\n", p.rows, p.in, p.out, p.best,
                    peak > 0 ? 100 * p.best / peak : 0);
}
