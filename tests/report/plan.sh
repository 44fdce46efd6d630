#!/bin/sh
# --plan-only needs no weights, and plans what a run then computes: to the FLOP where no result decides what is done.
# usage: plan.sh PAPER WORK PAIR
set -eu
paper=$1
pair=$3
rm -rf "$2"
mkdir -p "$2/configs/base"
cd "$2"
cp "$pair/base/config.json" configs/base/ # alone: no weights, no tokenizer
cat >models.json <<'JSON'
{"models": [{"name": "base", "folder": "configs/base", "paper": "Llama-7B", "heads": [16, 8, 6, 4]},
            {"name": "tuned", "folder": "configs/base", "paper": "FLoat-7B"}]}
JSON
number() { # number FILE KEY: the first number of that key
    sed -n "s/^.*\"$2\": *\([-0-9.e+]*\).*/\1/p" "$1" | head -n 1
}
"$paper" --plan-only --gflops 50 --models models.json --examples 16 --repetitions 2 --random-circuits 2 --json plan.json >said
grep -q "prompts of 54 tokens" said || { cat said; exit 1; }
[ ! -e paper_results ] || { echo "planning has made a folder of results"; exit 1; }
[ "$(grep -c '"sweeps"' plan.json)" = 12 ] || { cat plan.json; echo "not every experiment was planned"; exit 1; }

"$paper" --plan-only --gflops 50 --models models.json --examples 16 --only figure_a1 --json figure_a1.json >/dev/null
PATH=/nowhere "$paper" --examples 16 --only figure_a1 --out run >/dev/null 2>&1
planned=$(number figure_a1.json sweeps) ran=$(number run/results/figure_a1.json counted_flops)
awk -v a="$planned" -v b="$ran" 'BEGIN { exit !(a > 0 && a / b > 0.9999999 && a / b < 1.0000001) }' ||
    { echo "$planned FLOPs were planned, $ran computed"; exit 1; }

sed 's/"hidden_size": 128/"hidden_size": 64/' "$pair/base/config.json" >configs/base/config.json
said=$("$paper" --plan-only --models models.json 2>&1) && code=0 || code=$?
[ $code -eq 2 ] && [ "$(echo "$said" | wc -l)" -eq 1 ] || { echo "another architecture: exit code $code: $said"; exit 1; }
