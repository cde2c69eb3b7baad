#!/bin/sh
# run.sh: does the simulator find what is broken? usage: run.sh [NAME…], after ./dev build
#
# history/HASH.sim: a program that the parent of that commit breaks (the statement in its first line), and the commit does not:
#   both are built from the history, so this does not depend on the present code.
# hand/NAME.patch: breaks the present code; what each test run plays has to find it, which is found/ and seeds. One that does
#   not apply any more is to be carried over, by what it breaks, which its head says.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
parts=$root/build/tests/sim/libsimparts.a
command=$root/build/tests/sim/sim.p/sim.c.o
place=$root/build/mutants
seeds=150000
export CC="${CC:-cc}"
mkdir -p "$place"
found=0 missed=0 skipped=0

say() {
    printf '%-24s %s\n' "$1" "$2"
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

play_all() {
    "$1" --no-shrink --program "$here"/../found/*.sim || :
    "$1" --no-shrink --seeds 1 "$seeds"
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
    answer=$(play_all "$place/$1" | sed -n '/fails statement/{ s|^.*/found/|found/|; p; q }' || :)
    if [ -n "$answer" ]; then
        say "$1" "found: $answer"
        found=$((found + 1))
    else
        say "$1" "MISSED in $seeds programs"
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
echo "$found found, $missed missed, $skipped skipped"
[ "$missed" = 0 ]
