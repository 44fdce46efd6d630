#pragma once

namespace engraft {

/// a b, rounded before anything is added to it. If the processor can, compilers may fuse a product with the sum that it
/// is added to, so a program's numbers would depend on its options; they cannot fuse this product.
inline double rounded_product(double a, double b) {
    double product = a * b;
#if defined(__x86_64__)
    asm("" : "+x"(product));
#elif defined(__aarch64__)
    asm("" : "+w"(product));
#endif
    return product;
}

} // namespace engraft
