#include "lab_of.hpp"

#include <chrono>

#include "../backend.hpp"
#include "../described.hpp"

namespace paper {

std::unique_ptr<lab> load_lab(settings const& chosen) {
    return std::make_unique<lab_of<described, example::backend>>(chosen);
}

double speed_of_products() {
    using B = example::backend;
    using table = eg::matrix_tensor<B::value_type, B::memory_type>;
    constexpr std::size_t rows = 512, in = described.d_model, out = described.d_mlp;
    B const backend;
    auto const filled = [](std::size_t n, std::size_t columns) {
        return table::from_host(std::vector<B::value_type>(n * columns, 1),
                                eg::extents<eg::dynamic, eg::dynamic>(n, columns));
    };
    auto const map = backend.make_linear(filled(out, in), {});
    auto const x = filled(rows, in);
    auto y = filled(rows, out);
    backend.linear(eg::as_matrix(y), eg::as_matrix(x), map);
    example::wait();
    auto const begin = std::chrono::steady_clock::now();
    double seconds = 0, count = 0;
    for (; seconds < 1; ++count) {
        backend.linear(eg::as_matrix(y), eg::as_matrix(x), map);
        example::wait();
        seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    }
    return 2.0 * count * rows * in * out / seconds;
}

} // namespace paper
