# Of each source of this folder that a compiler's messages name, the first error: FILE NAME <tab> MESSAGE. What g++ finds in
# a header is the source's that its instantiation was required from.
/: In (instantiation|substitution) of/ { from = "" }
/: +required from here$/ { from = name_of($0) }
/: (fatal )?error: / {
    at = name_of($0)
    if (at == "")
        at = from
    from = ""
    if (at != "" && !(at in seen)) {
        seen[at] = 1
        sub(/^.* error: /, "")
        print at "\t" $0
    }
}
function name_of(line) {
    sub(/:.*/, "", line)
    return line ~ /\/static\/[^\/]*\.cpp$/ ? substr(line, match(line, /[^\/]*$/)) : ""
}
