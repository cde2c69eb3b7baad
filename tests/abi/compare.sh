#!/bin/sh
# compare.sh PROGRAM REFERENCE: what PROGRAM prints must be REFERENCE, to the letter.
set -eu
output=$(mktemp)
trap 'rm -f "$output"' EXIT
"$1" >"$output"
diff -u "$2" "$output"
