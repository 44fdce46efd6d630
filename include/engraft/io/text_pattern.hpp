#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <engraft/core/linkage.hpp>

namespace engraft {

/// What becomes of the matches when a text is cut up by a pattern: in "a-b" cut at "-"
enum class split_behavior {
    removed,              ///< a b
    isolated,             ///< a - b
    merged_with_previous, ///< a- b
    merged_with_next,     ///< a -b
    contiguous,           ///< as isolated, but neighbouring matches stay together
};

/// A regular expression or a literal text to look for in UTF-8 text. Expressions mean what they mean to Oniguruma, the
/// engine behind Hugging Face's tokenizers; what would mean something else here is refused.
/// Copies share the compiled expression; one may be used from many threads.
class text_pattern {
public:
    /// throws bad_file, beginning with `path`, when the expression is wrong or not supported
    static text_pattern regex(std::string_view source, std::string const& path);
    static text_pattern literal(std::string_view text, std::string const& path);

    /// Cuts valid UTF-8 into pieces, none of them empty. `invert` exchanges the matches with what lies between them.
    /// throws bad_input when the text makes the expression too costly
    std::vector<std::string_view> split(std::string_view text, split_behavior behavior, bool invert = false) const;

    /// Whether there is a match anywhere in valid UTF-8.
    bool occurs(std::string_view text) const;

private:
    struct range {
        std::size_t begin, end;
        bool matches;
    };

    text_pattern(std::string const& source, std::uint32_t options, std::string const& path);

    /// The whole text as matches and what lies between them. After an empty match the next one may not be empty at the
    /// same place, as in Oniguruma's iteration.
    std::vector<range> cover(std::string_view text) const;

    struct compiled; ///< of PCRE2, which only the source knows

    std::shared_ptr<compiled const> code_;
};

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/text_pattern.ipp>
#endif
