#!/bin/sh
# seam.sh: the library's object, cut off from the machine it was made on.
# usage: seam.sh TREE OBJECT [OPTIONS OF THE COMPILER]
#
# Compiles TREE/src/ev.c as it is shipped, then gives every name with which it would reach the kernel or the process
# (seam.txt) another one: sim_*, which the model answers. Its statics become one section, which can be put back to how
# they were; so do the functions that run when a process ends. Fails when the object needs a name that nobody has judged.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=$1
object=$2
shift 2

${CC:-cc} -std=gnu11 -O3 -g1 -U_FORTIFY_SOURCE -fno-lto -fPIE -fno-common -fno-strict-aliasing -fno-stack-protector \
    -DEV_STANDALONE=1 -DEV_WALK_ENABLE=1 "-I$tree/include" "-I$tree/compat" "$@" -c "$tree/src/ev.c" -o "$object.raw"

list=$object.list
sed -n 's/^\([a-z0-9_]\{2,\}\) *seam$/\1 sim_\1/p' "$here/seam.txt" >"$list"
sed -n 's/^\([A-Za-z0-9_]\{2,\}\) *pure$/\1/p' "$here/seam.txt" >"$list.pure"
strange=$(nm -u "$object.raw" | awk -v seam="$list" -v pure="$list.pure" '
    BEGIN {
        while ((getline line < seam) > 0) { split(line, word, " "); known[word[1]] = 1 }
        while ((getline line < pure) > 0) known[line] = 1
    }
    !known[$2] { print $2 }')
[ -z "$strange" ] || {
    printf 'seam.sh: seam.txt does not judge %s\n' "$(echo "$strange" | tr '\n' ' ')" >&2
    exit 1
}
if objdump -d "$object.raw" | grep -qE '[[:space:]](syscall|sysenter|svc|int +.0x80)( |$)'; then
    echo "seam.sh: the library makes a system call that no symbol names" >&2
    exit 1
fi

statics=sim_statics,alloc,load,data,contents
objcopy --redefine-syms="$list" \
    --set-section-flags .bss=alloc,load,data,contents \
    --rename-section ".bss=$statics" --rename-section ".data=$statics" --rename-section ".data.rel.local=$statics" \
    --rename-section .fini_array=sim_fini,alloc,load,data,contents \
    "$object.raw" "$object"
left=$(objdump -h "$object" | awk '$2 ~ /^\.(data|bss|tdata|tbss)/ && $2 !~ /^\.data\.rel\.ro/ && $3 !~ /^0*$/ { print $2 }')
[ -z "$left" ] || {
    echo "seam.sh: statics that would not be put back: $left" >&2
    exit 1
}
