# Prints a page with its blocks of C++, and those of CMake that name one, replaced by the regions of code that they name. See snippets.sh.

function complain(text) {
    print page ":" NR ": " text > "/dev/stderr"
    bad = 1
}

# Prints the region NAME of FILE without the indent that all its lines share, and without the marks of other regions.
# In CMake a mark is `# [NAME]`.
function print_region(file, name,    line, lines, count, i, inside, found, indent, least) {
    count = 0; inside = 0; found = 0; least = 1000
    while ((status = (getline line < file)) > 0) {
        if (line ~ /^ *(\/\/|#) \[\/?[a-z0-9_]+\]$/) {
            sub(/^ */, "", line)
            sub(/^#/, "//", line)
            if (line == "// [" name "]") { inside = 1; found++ }
            else if (line == "// [/" name "]") inside = 0
        } else if (inside) {
            lines[++count] = line
            if (line !~ /^ *$/) {
                indent = match(line, /[^ ]/) - 1
                if (indent < least) least = indent
            }
        }
    }
    close(file)
    if (status < 0) complain("there is no file " file)
    else if (found != 1) complain(file " has " found " regions `// [" name "]`, not 1")
    else if (inside) complain("region " name " of " file " has no end `// [/" name "]`")
    else if (count == 0) complain("region " name " of " file " is empty")
    for (i = 1; i <= count; i++) print lines[i] ~ /^ *$/ ? "" : substr(lines[i], least + 1)
}

replacing { # the block's old lines go
    if ($0 ~ /^```/) { replacing = 0; print }
    next
}

/^ *(```|~~~)/ && !fenced {
    fence = $0
    if (fence ~ /^ *(```|~~~) *(cpp|c\+\+|cxx|cc|C\+\+|hpp|cuda|cu)/) {
        if (fence != "```cpp") complain("a block of C++ begins with ```cpp at the start of its line")
        else if (mark == "") complain("a block of C++ must come right after a line <!-- snippet: file.cpp#region -->")
        else if (split(mark, part, "#") != 2) complain("write <!-- snippet: file.cpp#region -->, not " mark)
        else if (part[1] !~ /^(examples|tests\/(gradient|unit|backend|cuda|golden|law|circuit|docs|smollm2|static)|tests\/install\/consumer)\/[A-Za-z0-9_.]+\.(cpp|hpp|cu)$|^include\/engraft\/[a-z_\/]+\.(hpp|ipp)$/)
            complain(part[1] " is not compiled: a snippet comes from include, examples, a folder of tests, or tests/install/consumer")
        else {
            print
            print_region(part[1], part[2])
            replacing = 1; mark = ""
            next
        }
    } else if (fence == "```cmake" && split(mark, part, "#") == 2) {
        if (part[1] !~ /^tests\/install\/[a-z_]+\/CMakeLists.txt$/) complain(part[1] " is not built by a test of tests/install")
        else {
            print
            print_region(part[1], part[2])
            replacing = 1; mark = ""
            next
        }
    } else if (mark != "") complain("no ```cpp follows the line <!-- snippet: -->")
    fenced = 1; mark = ""; print; next
}
/^ *(```|~~~) *$/ && fenced { fenced = 0; print; next }

{
    if (mark != "") complain("no ```cpp follows the line <!-- snippet: -->")
    mark = ""
    if (!fenced && match($0, /^<!-- snippet: [^ ]+ -->$/)) {
        mark = $0
        sub(/^<!-- snippet: /, "", mark); sub(/ -->$/, "", mark)
    } else if (!fenced && $0 ~ /<!-- *snippet/) complain("write <!-- snippet: file.cpp#region --> on a line of its own")
    print
}

END {
    if (fenced || replacing) complain("a block does not end")
    if (bad) exit 1
}
