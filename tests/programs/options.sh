#!/bin/sh
# A number that an option does not take is refused in one sentence, which --help could have told; so is a file that can't
# be one, a name that would be printed as something else, and what is given twice.
# usage: options.sh PROGRAMS WORK PAIR
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
for program in cross_model_swap dcm desiderata discover_circuit evaluate_circuit screen_then_patch; do
    "$programs/$program" --help | grep -A 1 -e --threads | tr -d '\n' | grep -q "from 0 to 1024" || {
        echo "$program --help does not say which numbers of threads there are"
        exit 1
    }
    for count in 100000 -1 1e1 0x4 "" 18446744073709551616; do
        refuse "--threads" $program --threads "$count"
    done
    for seed in -1 1.5 18446744073709551616; do
        refuse "is not a whole number from 0 to 9007199254740991" $program --seed $seed
    done
done
for program in cross_model_swap desiderata discover_circuit evaluate_circuit screen_then_patch paper/paper; do
    for count in -1 0 1e9 1000000000 18446744073709551616 nan; do
        refuse "is not a whole number from 1 to 1000000" $program --examples $count
    done
done
for memory in nan -1 inf 1e99; do
    refuse "is not a number from" discover_circuit --memory $memory
    refuse "is not a number from" evaluate_circuit --memory $memory
done
refuse "is not a whole number from 1 to 10000" cross_model_swap --draws 0
refuse "is not a number from" dcm --learning-rate nan
refuse "is not a number from -100 to 100" paper/paper --threshold inf
refuse "is not a number from 0 to 1" released_results . --chance 7
refuse "'base' is given twice" dcm --model base,base
refuse "'object' is given twice" desiderata --desiderata object,label,object
refuse "'masks' is given twice" paper/paper --only masks masks
refuse "the text is empty" evaluate_circuit --adapter ""
refuse "the text is empty" paper/paper --out ""

mkfifo pipe
refuse "not a regular file" discover_circuit --objects pipe
refuse "not a regular file" evaluate_circuit --circuit pipe
refuse "not a regular file" paper/paper --models pipe
refuse "journal must be an ordinary file" evaluate_circuit --examples 7 --mean-examples 7 --journal pipe
echo "apple pear apple" >objects
refuse "the word 'apple' stands twice" discover_circuit --objects objects

printf '{"clean": "a", "corrupted": "b", "answer": "c"}\n{"clean": "a", "corrupted": "b"}\n\n{"clean"\n' >pairs.jsonl
refuse "pairs.jsonl: 2 lines do not fit: line 2: 'answer' is missing; line 4: not valid JSON" \
    task pairs.jsonl --tokenizer "$pair/base" --json pairs.json
[ ! -e pairs.json ] || { echo "numbers of a file that does not fit were written"; exit 1; }
printf 'clean,corrupted,answer\n"a\nb",b,c\na,b\n' >pairs.csv
refuse "line 4: the record has 2 fields; the header has 3" task pairs.csv --tokenizer "$pair/base"
refuse "the tasks are ioi, " task ioj --tokenizer "$pair/base"
refuse "--tokenizer is required" task ioi

escape=$(printf '\033[2J\001')
refuse "--from" cross_model_swap --from "$escape"
refuse "there is no such file" discover_circuit --objects "$escape"
printf '{"a\\u001b[2J": {"role": "last", "heads": []}}' >names.json
refuse "control characters" compare_circuits names.json names.json
awk 'BEGIN { printf "{\"a\": {\"role\": \""; for (i = 0; i < 100000; ++i) printf "x"; printf "\", \"heads\": []}}" }' >long.json
refuse "a role must have 1 to 120 bytes" compare_circuits long.json long.json
[ "$(wc -c <said)" -lt 400 ] || { echo "a text of a file was printed whole"; exit 1; }
printf '{"a": {"role": "last", "heads": [], "head": 1}}' >key.json
refuse "'head' is " compare_circuits key.json "$pair/circuit.json"
