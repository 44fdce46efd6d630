#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/checkpoint.hpp>
#include <engraft/io/derived_tensor.hpp>
#include <engraft/io/mapped_file.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/source/stored_tensor.ipp> // index_text
#include <engraft/model/rotary.hpp>

namespace engraft {

namespace detail {

[[noreturn]] inline void refuse_derived(checkpoint const& from, std::string_view name, std::string_view why) {
    throw bad_model({from.path(), ": the tensor ", printable(name), " ", why});
}

/// Whether some elements of two tensors are the same bytes, for tensors in the order in which they are stored.
inline bool same_bytes(arranged_tensor const& a, arranged_tensor const& b, std::size_t first, std::size_t count) {
    auto const plain = [](arranged_tensor const& t) { return t.rows.empty() && !t.transposed && !t.one_added; };
    auto const& facts = facts_of(a.stored->dtype);
    if (a.stored->dtype != b.stored->dtype || facts.elements != 1 || !plain(a) || !plain(b))
        return false;
    auto const in_a = a.stored->bytes.subspan(first * facts.bytes, count * facts.bytes),
               in_b = b.stored->bytes.subspan(first * facts.bytes, count * facts.bytes);
    bool const same = std::memcmp(in_a.data(), in_b.data(), in_a.size()) == 0;
    mapped_file::release(in_a);
    mapped_file::release(in_b);
    return same;
}

inline void require_copy(checkpoint const& from, std::string const& name, std::string const& of) {
    auto const shape = from.shape(name);
    if (shape != from.shape(of))
        refuse_derived(from, name,
                       "has the shape " + shape_text(shape) + ", but the config says that it is " + of +
                           " (tie_word_embeddings), of the shape " + shape_text(from.shape(of)));
    constexpr std::size_t piece = 1 << 18;
    std::vector<double> a, b;
    for (std::size_t first = 0, size = from.size(name); first < size; first += piece) {
        std::size_t const count = std::min(piece, size - first);
        if (same_bytes(from.at(name), from.at(of), first, count))
            continue;
        a.resize(count);
        b.resize(count);
        from.read_weight(name, first, std::span(a));
        from.read_weight(of, first, std::span(b));
        auto const differs = std::ranges::mismatch(a, b);
        if (differs.in1 != a.end())
            refuse_derived(from, name,
                           "is " + number_text(*differs.in1) + " at " +
                               index_text(shape, first + static_cast<std::size_t>(differs.in1 - a.begin())) +
                               " where " + of + " is " + number_text(*differs.in2) +
                               ", but the config says that both are one (tie_word_embeddings); set that to false to "
                               "use both, as transformers does, or take the tensor out");
    }
}

/// Checkpoints have the frequencies with or without the scaling for long contexts, in the type of the weights.
inline void require_frequencies(checkpoint const& from, description const& d, std::string const& name) {
    auto unscaled = d;
    unscaled.rope_scaling = rope_scaling::none;
    auto const found = from.read<double>(name), plain = rotary_frequencies(unscaled), scaled = rotary_frequencies(d);
    bool const short_type = from.dtype(name) == dtype::f16 || from.dtype(name) == dtype::bf16;
    auto const close = [&](double a, double b) {
        return short_type ? std::abs(a - b) <= b / 128 + 1e-7 : std::abs(a - b) <= b * 1e-4;
    };
    if (found.size() != plain.size())
        refuse_derived(from, name,
                       "has " + std::to_string(found.size()) + " frequencies, but the config implies " +
                           std::to_string(plain.size()));
    for (std::size_t i = 0; i < found.size(); ++i)
        if (!close(found[i], plain[i]) && !close(found[i], scaled[i]))
            refuse_derived(from, name,
                           "is " + number_text(found[i]) + " at [" + std::to_string(i) +
                               "], but the config (rope_theta) implies " + number_text(plain[i]) +
                               "; take the tensor out if the config is right");
}

/// Those of the pairs (i, i + half of them), computed in fp32 when the model was made.
inline void require_rotary_table(checkpoint const& from, description const& d, std::string const& name, bool cosines) {
    auto const frequencies = rotary_frequencies(d);
    auto const shape = from.shape(name);
    std::size_t const half = frequencies.size();
    if (shape.size() != 2 || shape[1] != 2 * half)
        refuse_derived(from, name,
                       "has the shape " + shape_text(shape) + ", but the config implies rows of " +
                           std::to_string(2 * half));
    std::vector<double> row(2 * half);
    for (std::size_t p = 0; p < shape[0]; ++p) {
        from.read(name, p * row.size(), std::span(row));
        for (std::size_t i = 0; i < row.size(); ++i) {
            double const angle = static_cast<double>(p) * frequencies[i % half];
            double const expected = cosines ? std::cos(angle) : std::sin(angle);
            if (!(std::abs(row[i] - expected) <= 1e-2))
                refuse_derived(from, name,
                               "is " + number_text(row[i]) + " at [" + std::to_string(p) + ", " + std::to_string(i) +
                                   "], but the config implies " + number_text(expected) +
                                   "; take the tensor out if the config is right");
        }
    }
}

inline void require_causal_mask(checkpoint const& from, std::string const& name, int window) {
    auto const shape = from.shape(name);
    std::size_t const n = shape.empty() ? 0 : shape.back();
    if (shape.size() < 2 || shape[shape.size() - 2] != n || from.size(name) != n * n)
        refuse_derived(from, name, "has the shape " + shape_text(shape) + ", which is no causal mask's");
    std::vector<double> row(n);
    for (std::size_t r = 0; r < n; ++r) {
        from.read(name, r * n, std::span(row));
        for (std::size_t c = 0; c < n; ++c)
            if (bool const seen = c <= r && (window == 0 || r - c < static_cast<std::size_t>(window));
                row[c] != (seen ? 1 : 0))
                refuse_derived(from, name,
                               "is " + number_text(row[c]) + " at [" + std::to_string(r) + ", " + std::to_string(c) +
                                   "], but only causal masks are supported" +
                                   (window == 0 ? "" : ", here with a window of " + std::to_string(window)));
    }
}

} // namespace detail

ENGRAFT_BODY void require_derived(checkpoint const& from, description const& d, std::string const& name,
                                  derived_tensor tensor) {
    switch (tensor.holds) {
    case derived_tensor::content::none:
        break;
    case derived_tensor::content::copy: {
        std::string const of(tensor.of); // with a prefix in some checkpoints of GPT-2
        detail::require_copy(from, name, from.contains(of) ? of : "transformer." + of);
        break;
    }
    case derived_tensor::content::frequencies:
        detail::require_frequencies(from, d, name);
        break;
    case derived_tensor::content::causal_mask:
        detail::require_causal_mask(from, name, tensor.window);
        break;
    case derived_tensor::content::cosines:
    case derived_tensor::content::sines:
        detail::require_rotary_table(from, d, name, tensor.holds == derived_tensor::content::cosines);
        break;
    case derived_tensor::content::masked_score:
        if (from.size(name) != 1 || !(from.read<double>(name)[0] <= -1000))
            detail::refuse_derived(from, name, "must be one number, far below every score");
        break;
    }
}

} // namespace engraft
