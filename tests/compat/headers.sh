#!/bin/sh
# headers.sh INCLUDE-DIRECTORY EVENT-DIRECTORY PROGRAM.cpp: our headers give no warning, in C and in C++, of
# any standard, with any compiler that is here, with the options that change them.
set -eu
include=$1 event=$2 program=$3
status=0

clean () { # COMMAND…: no output, no failure
    output=$("$@" -Wall -Wextra -Wpedantic -Werror -fsyntax-only "-I$include" "-I$event" 2>&1) || {
        echo "$*"
        echo "$output" | head -n 5
        status=1
    }
}

for compiler in g++ clang++; do
    command -v "$compiler" >/dev/null || continue
    for standard in c++11 c++14 c++17 c++20; do
        clean "$compiler" "-std=$standard" "$program"
        clean "$compiler" "-std=$standard" -DEV_MULTIPLICITY=0 "$program"
        clean "$compiler" "-std=$standard" -DOPS_LAST "$program"
        clean "$compiler" "-std=$standard" -include "$include/ev++.h" -x c++ /dev/null
    done
    clean "$compiler" -std=c++11 -DEV_USE_STDEXCEPT=0 "$program"
    clean "$compiler" -std=c++17 -DEV_USE_STDEXCEPT=0 -DEV_MULTIPLICITY=0 "$program"
    clean "$compiler" -std=c++17 "-DEV_H=<ev.h>" "$program"
    clean "$compiler" -std=c++17 -DEV_COMPAT3=0 "$program"
    clean "$compiler" -std=c++17 -DEV_MINPRI=0 -DEV_MAXPRI=0 "$program"
    clean "$compiler" -std=c++17 -include "$event/event.h" -x c++ /dev/null
    clean "$compiler" -std=c++17 -include "$include/ev_op.h" -x c++ /dev/null
    clean "$compiler" -std=c++17 -include "$include/ev_mailbox.h" -x c++ /dev/null
    clean "$compiler" -std=c++17 -DEV_MAILBOX_ENABLE=0 -include "$include/ev++.h" -include "$include/ev_mailbox.h" -x c++ /dev/null
    clean "$compiler" -std=c++17 -DOPS_LAST -DEV_MULTIPLICITY=0 "$program"
    clean "$compiler" -std=c++17 -DEV_OP_ENABLE=0 -include "$include/ev++.h" -include "$include/ev_op.h" \
        -include "$include/ev++.h" -x c++ /dev/null
done
for compiler in gcc clang; do
    command -v "$compiler" >/dev/null || continue
    for header in "$include/ev.h" "$include/ev_mailbox.h" "$include/ev_op.h" "$include/ev_stream.h" "$event/event.h"; do
        clean "$compiler" -std=c99 -include "$header" -x c /dev/null
        clean "$compiler" -std=gnu17 -include "$header" -x c /dev/null
        clean "$compiler" -std=gnu11 -DEV_MULTIPLICITY=0 -DEV_COMPAT3=0 -include "$header" -x c /dev/null
    done
done
exit "$status"
