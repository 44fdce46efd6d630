#!/bin/sh
# On disks that are full sooner or later: one sentence, and nothing that is not what a run with room finds. With room, the
# same command goes on.
# usage: full_disk.sh PAPER WORK SIZES
set -eu
umount "$2/small" 2>/dev/null || true # of a run that was killed
rm -rf "$2"
mkdir -p "$2/small"
if ! mount -t tmpfs -o size=64k none "$2/small" 2>/dev/null; then
    if [ -z "${ENGRAFT_OWN_MOUNTS:-}" ] && unshare -rm true 2>/dev/null; then
        ENGRAFT_OWN_MOUNTS=1 exec unshare -rm sh "$0" "$@"
    fi
    echo "skipped: no file system can be mounted here (as root, or in a user namespace)"
    exit 77
fi
umount "$2/small"
paper=$1
sizes=$3
fail() {
    echo "$1"
    exit 1
}
. "$(dirname "$0")/results.sh"
cd "$2"
here=$2
trap 'umount "$here/small" 2>/dev/null || true' EXIT

"$paper" $few --out alone >/dev/null 2>&1
need=$(du -sk --apparent-size alone | cut -f 1)
for number in $(seq "$sizes"); do
    size=$((need * number / (sizes + 1)))
    mount -t tmpfs -o size=${size}k none small
    code=0
    "$paper" $few --out small/results --json small/numbers.json >out 2>said || code=$?
    [ $code -eq 2 ] && [ "$(wc -l <said)" -eq 1 ] || fail "$size of $need kB: exit code $code: $(cat said)"
    grep -q -e "No space left" -e "cut short" -e "cannot write" -e "can't be made" said || fail "$size of $need kB: $(cat said)"
    [ ! -e small/numbers.json ] || fail "numbers were written though the program failed"
    if [ -n "$(find small -name '*.part')" ]; then
        fail "$size of $need kB: an unfinished file was left"
    fi
    same small/results "$here/alone"
    mount -o remount,size=$((4 * need))k small
    "$paper" $few --out small/results --json small/numbers.json >/dev/null 2>said || fail "with room: $(cat said)"
    complete small/results "$here/alone"
    umount small
done
echo "full at $sizes sizes below $need kB; nothing wrong was kept"
