#!/bin/sh
# Bad input: exit code 2 and one sentence. Without gnuplot: a sentence, and all else goes on.
# usage: refusals.sh PAPER WORK
set -eu
paper=$1
rm -rf "$2"
mkdir -p "$2"
cd "$2"
refuse() { # refuse ARGUMENTS...
    said=$("$paper" "$@" 2>&1) && code=0 || code=$?
    if [ $code -ne 2 ] || [ "$(echo "$said" | wc -l)" -ne 1 ]; then
        echo "paper $*: exit code $code: $said"
        exit 1
    fi
}
refuse --models nowhere.json
refuse --only nothing
refuse --examples 0
refuse --threshold nan
refuse --gflops 10
echo '{"models": [{"name": "a/b", "folder": "."}]}' >name.json
refuse --models name.json
echo '{"models": [{"name": "base", "folder": ".", "heads": [1, 2]}]}' >heads.json
refuse --models heads.json
echo '{"boxes": 2, "models": []}' >boxes.json
refuse --models boxes.json
echo '{"models": [{"name": "base", "folder": "nowhere", "heads": [1, 1, 1, 1]}, {"name": "tuned", "folder": "nowhere"}]}' >folder.json
refuse --models folder.json
mkdir -p broken
echo '{"experiments": 3}' >broken/manifest.json
refuse --out broken

PATH=/nowhere "$paper" --examples 14 --only figure_a1 --out plain 2>said
[ "$(grep -c gnuplot said)" = 1 ] || { cat said; echo "a missing gnuplot was not said once"; exit 1; }
grep -q "gnuplot was not found" plain/report.html || { echo "the report does not say why it has no figures"; exit 1; }
