#!/bin/sh
# What is not used costs nothing: a run without a policy and one with `identity | identity` are the same instructions, in
# every function of the object file. A capture of z must change those of the forward pass, or this test would not notice.
# usage: same_code.sh COMPILER OBJDUMP SOURCE COMPILER_ARGUMENT...
set -eu
export LC_ALL=C
compiler=$1 objdump=$2 source=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# disassemble NAME ARGUMENT...: NAME.all has "function: instruction" lines; NAME.pass has the forward pass's functions, one
# to a line and sorted, without the names of functions, which a policy is part of. Each function is in a section of its
# own, so that addresses begin at 0 in each.
disassemble() {
    name=$1
    shift
    "$compiler" -std=c++20 -O2 -ffunction-sections "$@" -c "$source" -o "$work/$name.o"
    "$objdump" -dr --no-show-raw-insn "$work/$name.o" | awk -v all="$work/$name.all" -v pass="$work/$name.bodies" '
        function flush() { if (in_pass) print body > pass; body = ""; in_pass = 0 }
        /^[0-9a-f]+ <.*>:$/ { flush(); name = $2; in_pass = name ~ /forward_pass/; next }
        /^ *[0-9a-f]+:/ {
            print name, $0 > all
            sub(/^ *[0-9a-f]+:[ \t]*/, ""); gsub(/<[^>]*>/, ""); sub(/R_[A-Z0-9_]*[ \t].*/, "reference")
            body = body $0 "; "
        }
        END { flush() }'
    [ -s "$work/$name.bodies" ] || { echo "no function of the forward pass in the disassembly"; exit 1; }
    sort "$work/$name.bodies" >"$work/$name.pass"
}

disassemble none "$@"
disassemble identity "$@" '-DPOLICY=eg::identity | eg::identity'
disassemble capture "$@" '-DPOLICY=eg::capture(eg::z)'

wrong=0
if ! cmp -s "$work/none.all" "$work/identity.all"; then
    echo "a run with identity | identity is other code than one without a policy:"
    diff "$work/none.all" "$work/identity.all" | head -n 20
    wrong=1
fi
if cmp -s "$work/none.pass" "$work/capture.pass"; then
    echo "a capture of z leaves the forward pass as it is: this test compares the wrong thing"
    wrong=1
fi
for name in none identity capture; do
    echo "$name: $(wc -l <"$work/$name.all") lines of disassembly, $(tr -cd ';' <"$work/$name.pass" | wc -c) of them in" \
        "$(wc -l <"$work/$name.pass") functions of the forward pass"
done
exit $wrong
