#!/bin/sh
# Code in the documentation is code that is compiled. In README.md and docs/**/*.md each block
#
#     <!-- snippet: examples/program.cpp#region -->
#     ```cpp
#     ...
#     ```
#
# is what stands between the lines `// [region]` and `// [/region]` of that file, less their common indent. A block of
# CMake may name its file in the same way (`# [region]`).
# usage: snippets.sh ROOT [--update]      compares, or writes the blocks anew
set -eu
cd "$1"
update=${2-}
folder=tests/layout
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

wrong=0
{
    [ ! -e README.md ] || echo README.md
    [ ! -d docs ] || find docs -name '*.md' | sort
} >"$work/pages"

while IFS= read -r page; do
    if ! awk -v page="$page" -f "$folder/snippets.awk" "$page" >"$work/page"; then
        wrong=1
    elif ! cmp -s "$page" "$work/page"; then
        if [ "$update" = --update ]; then
            cat "$work/page" >"$page"
            echo "$page: written anew"
        else
            echo "$page differs from the code that it shows (-: the page, +: the code);"
            echo "to write it anew: sh $folder/snippets.sh . --update"
            diff -u "$page" "$work/page" || true
            wrong=1
        fi
    fi
done <"$work/pages"
exit $wrong
