#!/bin/sh
# Every diagnostic of the headers has a section in docs/reference/diagnostics.md, every one that the compiler finds has a source
# here that must not compile, and neither the page nor this folder has one that the headers do not.
# usage: diagnostics.sh ROOT
set -eu
export LC_ALL=C # one order for sort and comm
cd "$1"
page=docs/reference/diagnostics.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# All ids in the headers.
find include/engraft -type f \( -name '*.hpp' -o -name '*.ipp' -o -name '*.cuh' \) -exec cat {} + >"$work/headers"
grep -o 'engraft \[[a-z0-9_.]*\]' "$work/headers" | sed 's/.*\[//; s/\]//' | sort -u >"$work/used" || true

# Those inside the parentheses of a static_assert or an ENGRAFT_REFUSED. Parentheses in strings do not count; comments may say anything.
sed 's,^ *//.*,,' "$work/headers" | awk '
    { text = text $0 "\n" }
    END {
        while (match(text, /static_assert|ENGRAFT_REFUSED/)) {
            text = substr(text, RSTART + RLENGTH)
            depth = 0; quoted = 0
            for (i = 1; i <= length(text); i++) {
                c = substr(text, i, 1)
                if (quoted) { if (c == "\\") i++; else if (c == "\"") quoted = 0 }
                else if (c == "\"") quoted = 1
                else if (c == "(") depth++
                else if (c == ")" && --depth <= 0) break
                else if (c == ";" && depth == 0) break
            }
            print substr(text, 1, i)
            text = substr(text, i)
        }
    }' >"$work/asserts"
grep -o 'engraft \[[a-z0-9_.]*\]' "$work/asserts" | sed 's/.*\[//; s/\]//' | sort -u >"$work/asserted" || true

# Sections of the page: headings of one word, which is the id.
touch "$work/sections"
if [ -f "$page" ]; then
    sed -n 's/^## \([a-z0-9_.]*\) *$/\1/p' "$page" | sort >"$work/all_sections"
    sort -u "$work/all_sections" >"$work/sections"
fi
for source in tests/static/*.cpp; do
    [ -e "$source" ] && basename "$source" .cpp
done | sort >"$work/negatives"

wrong=0
complain() { # complain IDS TEXT: one line for each id
    while read -r id; do
        echo "$id: $2"
        wrong=1
    done <"$1"
}
comm -23 "$work/used" "$work/sections" >"$work/difference"
complain "$work/difference" "used in include/engraft, but $page has no section \"## <id>\" for it"
comm -13 "$work/used" "$work/sections" >"$work/difference"
complain "$work/difference" "$page has a section for it, but no file under include uses \"engraft [<id>]\""
comm -23 "$work/asserted" "$work/negatives" >"$work/difference"
complain "$work/difference" "at compile time, but there is no tests/static/<id>.cpp that must not compile"
comm -13 "$work/asserted" "$work/negatives" >"$work/difference"
complain "$work/difference" "tests/static/<id>.cpp is there, but nothing in include/engraft says this id at compile time"
if [ -f "$page" ]; then
    uniq -d "$work/all_sections" >"$work/difference"
    complain "$work/difference" "more than one section in $page"
fi
echo "$(wc -l <"$work/used") diagnostics, $(wc -l <"$work/asserted") of them at compile time"
exit $wrong
