#pragma once

namespace engraft {

/// a b, rounded before anything is added to it. Compilers may fuse a product with the sum that it goes to where the
/// processor can, so a program's numbers would depend on its options; they do not fuse this one.
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
