"""Writes include/engraft/io/unicode_tables.hpp: what normalization form C needs to know of Unicode.

    python3 tests/golden/make_unicode_tables.py > include/engraft/io/unicode_tables.hpp

The facts are those of Python's unicodedata, which follows the Unicode Character Database.
"""
import re
import sys
import textwrap
import unicodedata


def rows(items):
    text = re.sub(r"(?<!},) ", "~", " ".join(items))  # lines are not broken inside braces
    return textwrap.indent("\n".join(textwrap.wrap(text, 116)).replace("~", " "), "    ") + "\n"


def main():
    pairs, one_way, classes = [], [], []
    for code in range(sys.maxunicode + 1):
        c = chr(code)
        if 0xAC00 <= code <= 0xD7A3:  # Hangul syllables are computed
            continue
        decomposition = unicodedata.decomposition(c)
        if decomposition and not decomposition.startswith("<"):
            parts = [int(p, 16) for p in decomposition.split()] + [0]
            row = "{0x%X, 0x%X, 0x%X}," % (code, parts[0], parts[1])
            (pairs if unicodedata.normalize("NFC", c) == c else one_way).append(row)
        combining = unicodedata.combining(c)
        if combining:
            if classes and classes[-1][1] == code - 1 and classes[-1][2] == combining:
                classes[-1][1] = code
            else:
                classes.append([code, code, combining])
    print(f"""#pragma once

#include <cstdint>

/// Made by tests/golden/make_unicode_tables.py from Unicode {unicodedata.unidata_version}; do not edit.
namespace engraft::detail {{

/// A character and its canonical decomposition, for those that come back together: code, first, second.
inline constexpr std::uint32_t canonical_pairs[][3] = {{
{rows(pairs)}}};

/// Characters that composition never makes: code, first, second or 0.
inline constexpr std::uint32_t canonical_one_way[][3] = {{
{rows(one_way)}}};

/// Canonical combining classes other than 0: first code, last code, class.
inline constexpr std::uint32_t combining_classes[][3] = {{
{rows(["{0x%X, 0x%X, %d}," % tuple(c) for c in classes])}}};

}} // namespace engraft::detail""")


main()
