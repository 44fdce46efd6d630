#!/bin/sh
# An object that includes headers only defines no function and no variable that a second such object must not define, too.
# usage: inline.sh NM OBJECT
set -eu
# One name stands in every object and is dropped from all but one, as tests/install/mixed.sh sees.
defined=$("$1" --extern-only --defined-only --demangle "$2" | grep -v ' [VWu] ' |
    grep -v ' engraft_is_in_headers_or_linked_but_not_both$' || true)
if [ -n "$defined" ]; then
    echo "these are not inline:"
    echo "$defined"
    exit 1
fi
"$1" --defined-only "$2" | grep -q ' W ' || {
    echo "$2 defines nothing at all, so this says nothing"
    exit 1
}
