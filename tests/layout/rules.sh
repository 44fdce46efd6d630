#!/bin/sh
# Rules about which file may name what. Prints each line that breaks one.
# usage: rules.sh ROOT
set -eu
cd "$1"
root=$(pwd)
wrong=0

refuse() { # refuse RULE LINES: LINES are the offenders, if any
    if [ -n "$2" ]; then
        printf '%s\n%s\n' "$1:" "$2"
        wrong=1
    fi
}
including() { # including LIBRARY FOLDER...: the lines that include a header of LIBRARY
    library=$1
    shift
    for folder in "$@"; do
        if [ -e "$folder" ]; then
            grep -rnHE "^ *# *include *[<\"]$library" "$folder" || true
        fi
    done
}

# What is in the project: not what git keeps, not what was built, not what an editor or git leaves out.
if git ls-files >/dev/null 2>&1; then
    files() { git ls-files --cached --others --exclude-standard; }
else
    files() { find . \( -path './.*' -o -path './build*' \) -prune -o -type f -print | sed 's,^\./,,'; }
fi

refuse "Eigen is not included: products are backend/cpu's own" "$(including '(unsupported/)?Eigen/' include || true)"
# Data goes one way: a folder includes itself and those before it. What is before io needs no file, and no library but
# Boost (tests/install/engine.sh); engraft.hpp and engraft.cpp add what is behind it.
behind='core model backend intervene run circuit io task'
for folder in $behind; do
    behind=${behind#"$folder"}
    behind=${behind# }
    [ -z "$behind" ] || refuse "$folder includes nothing of what is behind it" \
        "$(including "engraft/($(echo "$behind" | tr ' ' '|'))/" "include/engraft/$folder")"
done
refuse "the engine includes nothing of io and task" \
    "$(including 'engraft/(io/|task/|engraft.hpp)' include/engraft/engine.hpp include/engraft/engine.cpp)"
refuse "what is included as <engraft/...> is one of these folders'" \
    "$(including 'engraft/[a-z_]+/' include | grep -vE 'engraft/(core|model|backend|intervene|run|circuit|io|task)/[^:]*$' || true)"

# Programs that link what is compiled once must not pay for these.
refuse "nlohmann-json is included by io/json.hpp and under io/source only, as io/json.hpp is" \
    "$(including '(nlohmann/|engraft/io/json.hpp)' include | grep -vE '^include/engraft/io/(json.hpp:|source/)' || true)"
refuse "PCRE2 and utf8proc are included under io/source only" \
    "$(including '(pcre2|utf8proc)' include | grep -v '^include/engraft/io/source/' || true)"
refuse "what is under source is included there, by engine.cpp or engraft.cpp, and by its header at the end, if at all" \
    "$(including 'engraft/([a-z]+/)+source/' include examples tests bench |
        grep -vE '^(include/engraft/(engine\.cpp:|engraft\.cpp:|([a-z]+/)+(source/|[a-z0-9_]+\.hpp:))|tests/backend/linear.cpp:)' || true)"
refuse "a header includes its source only where ENGRAFT_COMPILED is not defined" \
    "$(find include/engraft -name '*.hpp' -exec awk '
        FNR == 1 { open = 0 }
        /^#ifndef ENGRAFT_COMPILED$/ { open = 1 }
        /^#endif/ { open = 0 }
        /^ *# *include *<engraft\/[a-z\/]*\/source\// && !open { print FILENAME ":" FNR ":" $0 }' {} +)"
refuse "CLI11 is for the examples" "$(including CLI/ include tests bench)"
refuse "Catch2 is included in tests/catch.hpp only" \
    "$(including catch2/ include examples bench tests | grep -v '^tests/catch.hpp:' || true)"
refuse "Google Benchmark is for bench" "$(including benchmark/ include examples tests)"
refuse "a header includes another as <engraft/...>, so that it works from every folder" \
    "$(grep -rnE '^ *# *include *"' include || true)"
refuse "every header begins with #pragma once (after comments), but what is read once for each instruction set" \
    "$(find include tests examples bench \( -name '*.hpp' -o -name '*.ipp' -o -name '*.cuh' \) \
        ! -name kernel_bodies.ipp -exec sh -c '
        for header; do
            first=$(grep -vE "^ *(//.*)?$" "$header" | head -n 1)
            [ "$first" = "#pragma once" ] || echo "$header"
        done' sh {} +)"

# Paths of somebody's machine: the homes that systems use, and where this checkout stands, unless that is so short or so
# common that it says nothing.
private='/(home|root|Users|mnt|Volumes)/[A-Za-z0-9_.-]'
case $root in
    /usr/* | /opt/* | /src | /build | /) ;;
    *)
        top=$(printf '%s' "$root" | cut -d/ -f2 | sed 's/[^A-Za-z0-9_-]/./g')
        [ "$top" = tmp ] || private="$private|/$top/"
        private="$private|$(printf '%s' "$root" | sed 's/[^A-Za-z0-9_/-]/./g')(/|[^A-Za-z0-9_-]|\$)"
        ;;
esac
# xargs would split names with spaces; there are none in the project, and this says so if that changes.
refuse "file names have no spaces" "$(files | grep ' ' || true)"
refuse "no file names a path of one machine" \
    "$(files | grep -v ' ' | xargs grep -InE -e "(^|[^A-Za-z0-9_.~}/-])($private)" /dev/null | cut -c 1-200 || true)"

exit $wrong
