#!/bin/sh
# Holds models against what is known of them: one program per folder, built by a project outside of the tree.
# usage: ground_truth.sh SOURCE WORK FOLDER...; a FOLDER without cases.json is one of such folders
# exit code 0: every claim of every folder holds; 1: some do not; 77: there are no such folders
set -eu
source=$1
work=$2
shift 2
folders=
for folder in "$@"; do
    for one in "$folder" "$folder"/*; do
        [ ! -f "$one/cases.json" ] || folders="$folders${folders:+;}$one"
    done
done
if [ -z "$folders" ]; then
    echo "SKIPPED: there are no models with known mechanisms in $*" >&2
    exit 77
fi
cmake -S "$source/tests/install/ground_truth" -B "$work" -D CMAKE_BUILD_TYPE=Release -D ENGRAFT_SOURCE="$source" \
    -D FOLDERS="$folders" >"$work.log" 2>&1 && cmake --build "$work" >>"$work.log" 2>&1 || { cat "$work.log"; exit 1; }
code=0
IFS=';'
for one in $folders; do
    "$work/$(basename "$one")" "$one" || code=1
done
exit $code
