#!/bin/sh
# Killed at random moments, again and again: nothing is ever kept that is not what a run by itself finds.
# usage: kills.sh PAPER WORK TIMES
set -eu
paper=$1
times=$3
fail() {
    echo "$1"
    exit 1
}
. "$(dirname "$0")/results.sh"
rm -rf "$2"
mkdir -p "$2"
cd "$2"
now() { date +%s%N | cut -c 1-13; } # milliseconds
begin=$(now)
"$paper" $few --out alone >/dev/null 2>&1
took=$(($(now) - begin))

killed=0
for number in $(seq "$times"); do
    "$paper" $few --out killed >/dev/null 2>said &
    process=$!
    sleep "$(awk -v n="$number" -v t=$took 'BEGIN { srand(n); printf "%.3f", rand() * t / 1000 }')"
    kill -9 $process 2>/dev/null || true
    code=0
    wait $process || code=$?
    case $code in
        137) killed=$((killed + 1)) ;;
        0) complete killed alone ;;
        *) fail "after $killed kills: exit code $code: $(cat said)" ;;
    esac
    same killed alone
    if [ $code -eq 0 ] || [ -e killed/report.html ]; then
        rm -rf killed
    fi
done
[ "$killed" -gt 0 ] || fail "every run had ended before it was to be killed"
"$paper" $few --out killed >/dev/null 2>&1
complete killed alone
echo "killed $killed times of $times; the same to the byte"
