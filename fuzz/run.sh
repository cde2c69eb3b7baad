#!/bin/sh
# Builds the fuzzer with clang and runs it for a while: fuzz/run.sh [seconds] [libFuzzer options].
# New inputs are kept in build-fuzz/corpus; what is worth keeping for ever goes to fuzz/corpus by hand.
set -eu
cd "$(dirname "$0")/.."

seconds=60
case ${1-} in
[0-9]*)
    seconds=$1
    shift
    ;;
esac

mkdir -p build-fuzz/corpus
agree=tests/agree
"${CLANG:-clang}" -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
    -fno-omit-frame-pointer -fno-strict-aliasing -Wno-unused-parameter -rdynamic \
    -DEV_STANDALONE=1 -DEV_WALK_ENABLE=1 -DEV_VERIFY=2 -Iinclude -Icompat \
    fuzz/program.c src/ev.c $agree/acts.c $agree/lib.c $agree/play.c $agree/program.c $agree/world.c \
    -o build-fuzz/program -ldl -lm -lpthread

# A record of ev_once that never fires is freed by nobody: no leak check. Hangs are noticed by program.c.
ASAN_OPTIONS=detect_leaks=0 exec ./build-fuzz/program -max_total_time="$seconds" -timeout=0 -rss_limit_mb=4096 \
    -artifact_prefix=build-fuzz/ "$@" build-fuzz/corpus fuzz/corpus
