#!/bin/sh
# copied.sh PROGRAM: PROGRAM has a copy of ev_default_loop_ptr (otherwise it would not test what it is meant
# to), and passes.
set -eu
readelf -W --relocs "$1" | grep '_COPY .* ev_default_loop_ptr' || {
    echo "no copy relocation for ev_default_loop_ptr"
    exit 1
}
"$1"
