#pragma once

/// Declares a function that stands for a mistake: a call of it is refused where it is written, and the compiler's first
/// error has the sentence. (Compilers without the attribute say "deleted function" and show the line with the
/// sentence.)
///
///     template <class Text>
///     ENGRAFT_REFUSED("engraft [site.text]: a site is a value", void capture(Text const&));
#if defined(__has_attribute) && !defined(__CUDACC__)
#if __has_attribute(unavailable)
#define ENGRAFT_REFUSED(sentence, ...) __attribute__((unavailable(sentence))) __VA_ARGS__
#endif
#endif
#ifndef ENGRAFT_REFUSED
#define ENGRAFT_REFUSED(sentence, ...) __VA_ARGS__ = delete
#endif
