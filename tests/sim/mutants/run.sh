#!/bin/sh
# run.sh: does the simulator find what is broken? usage: run.sh [NAME…], after ./dev build
#
# history/HASH.sim: a program that the parent of that commit breaks (the statement in its first line), and the commit does not:
#   both are built from the history, so this does not depend on the present code.
# hand/NAME.patch: breaks the present code, most by taking back a mend of the history, whose commit then stands in its
#   first line. What each test run plays has to find it: found/, and seeds from 1 on, within five minutes. One that does not
#   apply any more is to be carried over, by what it breaks, which its head says.
#
# The answer is a line for each: how long it took, and what found it. SECONDS_EACH: instead of those 300.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
parts=$root/build/tests/sim/libsimparts.a
command=$root/build/tests/sim/sim.p/sim.c.o
place=$root/build/mutants
seconds=${SECONDS_EACH:-300}
export CC="${CC:-cc}"
mkdir -p "$place"
found=0 missed=0 skipped=0

say() {
    printf '%-26s %5s  %s\n' "$1" "${3:--}" "$2"
}

wanted() {
    name=$1
    shift
    [ $# -gt 0 ] || return 0
    for one; do
        [ "$one" != "$name" ] || return 0
    done
    return 1
}

# usage: link NAME TREE: the simulator with the library of that tree
link() {
    "$here/../seam.sh" "$2" "$place/$1.o" -w
    $CC -o "$place/$1" "$command" -Wl,--whole-archive "$parts" -Wl,--no-whole-archive "$place/$1.o"
}

# usage: link_commit COMMIT: prints the name of the program; it is kept until the simulator changes
link_commit() {
    id=$(git -C "$root" rev-parse --short "$1")
    if [ -z "$(find "$place/$id" -newer "$root/build/tests/sim/sim" 2>/dev/null)" ]; then
        rm -rf "$place/tree"
        mkdir -p "$place/tree"
        git -C "$root" archive "$1" src include compat | tar -x -C "$place/tree"
        link "$id" "$place/tree"
    fi
    echo "$id"
}

history() {
    program=$here/history/$1.sim
    statement=$(sed -n '1s/^# \(statement [0-9]*\):.*/\1/p' "$program")
    if ! git -C "$root" cat-file -e "$1^{commit}" 2>/dev/null; then
        say "$1" "skipped: this checkout has no such commit"
        skipped=$((skipped + 1))
        return
    fi
    before=$(link_commit "$1^")
    after=$(link_commit "$1")
    if ! "$place/$after" --program "$program" >/dev/null; then
        say "$1" "MISSED: the mend fails, too"
        missed=$((missed + 1))
    elif "$place/$before" --no-shrink --program "$program" | grep -q "fails $statement"; then
        say "$1" "found: $(sed -n '1s/^# //p' "$program")"
        found=$((found + 1))
    else
        say "$1" "MISSED: what was broken before passes"
        missed=$((missed + 1))
    fi
}

first_failure() {
    sed -n '/fails statement/{ s|^.*/found/|found/|; p; q }'
}

# What fails first, and does not without the mutant.
play_all() {
    answer=$("$1" --no-shrink --program "$here"/../found/*.sim | first_failure || :)
    [ -n "$answer" ] || answer=$(timeout "$seconds" "$1" --no-shrink --seeds 1 1000000000 | first_failure || :)
    case $answer in
    "seed "*) "$root/build/tests/sim/sim" --no-shrink "$(echo "$answer" | cut -d ' ' -f 2)" >/dev/null || answer="" ;;
    esac
    echo "$answer"
}

hand() {
    rm -rf "$place/tree"
    mkdir -p "$place/tree"
    cp -r "$root/src" "$root/include" "$root/compat" "$place/tree"
    if ! patch -s -p1 -d "$place/tree" <"$here/hand/$1.patch" >/dev/null; then
        say "$1" "MISSED: the patch does not apply; carry it over: $(sed -n '1s/^# //p' "$here/hand/$1.patch")"
        missed=$((missed + 1))
        return
    fi
    link "$1" "$place/tree"
    begun=$(date +%s.%N)
    answer=$(play_all "$place/$1")
    took=$(echo "$(date +%s.%N) $begun" | awk '{ printf "%.1f", $1 - $2 }')
    rm -f "$place/$1" "$place/$1.o"*
    if [ -n "$answer" ]; then
        say "$1" "found: $answer" "$took"
        found=$((found + 1))
    else
        say "$1" "MISSED in $seconds seconds" "$took"
        missed=$((missed + 1))
    fi
}

for file in "$here"/history/*.sim; do
    name=$(basename "$file" .sim)
    ! wanted "$name" "$@" || history "$name"
done
for file in "$here"/hand/*.patch; do
    name=$(basename "$file" .patch)
    ! wanted "$name" "$@" || hand "$name"
done
mends=$(cat "$here"/history/*.sim "$here"/hand/*.patch | grep -c '^# \(statement [0-9]*\|[0-9a-f]\{7\}\): ')
echo "$found found, $missed missed, $skipped skipped; $mends of all take a mend back"
[ "$missed" = 0 ]
