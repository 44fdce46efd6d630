# For the scripts beside it: what a folder of results may look like at any moment. Sourced, with `paper` and `fail` set.
# Few experiments, and the circuits that they read: with figures, arrays and circuits, in the shortest time.
few="--examples 8 --random-circuits 1 --only table_1 figure_a1"

whole() { # whole FOLDER: the last bytes of each drawing and of the report are there
    for file in "$1"/figures/*.svg "$1"/report.html; do
        [ -e "$file" ] || continue
        tail -n 3 "$file" | tr -d '\r\n' | grep -q -e '</svg>$' -e '</html>$' || fail "$file is cut short"
    done
    for file in "$1"/figures/*.gp; do
        [ -e "$file" ] || continue
        [ -s "${file%.gp}.svg" ] && [ -s "${file%.gp}.png" ] || fail "$file says that it was drawn, and it was not"
    done
}

same() { # same FOLDER OTHER: what is in its results and circuits has the bytes of the other's
    for file in "$1"/results/* "$1"/circuits/*; do
        case $file in
            *.part | *'*') ;; # of a program that was killed while it wrote; nothing reads it
            *) cmp "$file" "$2/${file#"$1"/}" || fail "$file is not that of a run that nothing happened to" ;;
        esac
    done
    whole "$1"
}

complete() { # complete FOLDER OTHER: the same, and none is missing
    same "$1" "$2"
    for file in "$2"/results/* "$2"/circuits/* "$2"/figures/*.svg "$2"/report.html; do
        [ -e "$file" ] || continue
        [ -e "$1/${file#"$2"/}" ] || fail "$1 has no ${file#"$2"/}"
    done
}
