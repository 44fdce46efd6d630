#!/bin/sh
# With --task the programs run on a known task or on a file of pairs, and a file of a task's pairs gives the task's
# numbers. What does not fit is refused in one sentence before anything is run.
# usage: tasks.sh PROGRAMS WORK PAIR
set -eu
programs=$1
pair=$3
rm -rf "$2"
mkdir -p "$2"
cd "$2"
refuse() { # refuse TEXT PROGRAM ARGUMENTS...
    text=$1
    shift
    code=0
    timeout 20 "$programs/$@" >said 2>&1 || code=$?
    if [ $code -ne 2 ] || [ "$(wc -l <said)" -ne 1 ] || ! grep -qF -e "$text" said || LC_ALL=C grep -q '[[:cntrl:]]' said; then
        echo "$*: exit code $code, expected 2 and '$text': $(cat -v said)"
        exit 1
    fi
}
numbers() { grep -v -e seconds -e '"task"' -e '"examples"' -e '"seed"' "$1"; } # but times and which prompts
same() { # same PROGRAM ARGUMENTS...: with --task induction and with the file of its pairs
    program=$1
    shift
    "$programs/$program" --task induction --json known.json "$@" >known.txt
    "$programs/$program" --task pairs.jsonl --json file.json "$@" >file.txt
    numbers known.json >known
    numbers file.json >file
    [ -s known ] && cmp known file || {
        echo "$program: a task and the file of its pairs give different numbers"
        exit 1
    }
}
"$programs/task" induction --tokenizer "$pair/base" --count 12 --write pairs.jsonl >shown

roles="--roles end answer --sizes 3 2 2"
same discover_circuit --examples 12 $roles --out found --anew
grep -q "^12 pairs of induction, seed 10" known.txt && grep -q "^12 pairs of pairs.jsonl" file.txt || {
    echo "discover_circuit does not say what it runs on"
    exit 1
}
for group in end_to_logits end_to_queries answer_to_values; do
    grep -q "\"$group\"" found/circuit.json || { echo "the group $group was not found"; exit 1; }
done
circuit="--circuit found/circuit.json"
same evaluate_circuit $circuit --examples 12 --mean-examples 12 --mean-seed 10 --random-circuits 1 --curve --curve-steps 1
grep -q '"logit_difference"' known.json && grep -q '"cpr"' known.json || { echo "numbers are missing"; exit 1; }
same screen_then_patch --examples 2 --steps 1 --share 0.02
same cross_model_swap $circuit --examples 12 --draws 1
same dcm $circuit --model base --train 6 --evaluate 3 --test 3 --seed 10 --epochs 1

for program in cross_model_swap dcm discover_circuit evaluate_circuit screen_then_patch; do
    "$programs/$program" --help | tr -d '\n' | tr -s ' ' | grep -q "ioi, ioi-abba" || {
        echo "$program --help does not name the tasks"
        exit 1
    }
    refuse "there is no file and no task 'nothing'" $program --task nothing
    refuse "the text is empty" $program --task ""
    refuse "leave them out with --task 'induction'" $program --task induction --boxes 5
    refuse "there is no file and no task" $program --task "$(printf '\033[2J\001')"
    refuse "of its 99 words are one token" $program --task ioi
done
for program in cross_model_swap dcm evaluate_circuit; do
    refuse "no role" $program --task induction --circuit "$pair/circuit.json"
done
refuse "have no role 'subject'" discover_circuit --task induction --roles subject
refuse "'end' is given twice" discover_circuit --task induction --roles end end
refuse "give one for each of the 2 groups" discover_circuit --task induction --sizes 3
refuse "leave out --roles and --sizes" discover_circuit --step a:last:2 --roles last
refuse "--desiderata are of the task boxes" dcm --task induction --desiderata label
refuse "more than that" dcm --task pairs.jsonl $circuit --train 10 --evaluate 2 --test 1

printf '{"clean": [5, 6], "corrupted": [7, 6], "answer": 8, "roles": {"a/b": {"position": 1}, "first": {"position": 0}}}\n' >names.jsonl
refuse "can't be the name of a group" discover_circuit --task names.jsonl
printf '{"clean": [5, 6], "corrupted": [7, 6], "answer": 8, "roles": {"first": {"position": 0}}}\n' >places.jsonl
refuse "stands at the last token" discover_circuit --task places.jsonl
printf '{"clean": [5, 6], "corrupted": [7, 6]}\n' >wrong.jsonl
refuse "line 1: 'answer' is missing" evaluate_circuit --task wrong.jsonl
