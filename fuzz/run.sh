#!/bin/sh
# Builds the fuzzers with clang and runs each for a while: fuzz/run.sh [seconds] [libFuzzer options]. ONLY=program or elf: that one.
# New inputs are kept in build-fuzz/corpus-*; what is worth keeping for ever goes to fuzz/corpus* by hand. In the end: how
# many lines of the code the corpus reaches.
set -eu
cd "$(dirname "$0")/.."

seconds=60
case ${1-} in
[0-9]*)
    seconds=$1
    shift
    ;;
esac

agree=tests/agree
program="fuzz/program.c src/ev.c $agree/acts.c $agree/lib.c $agree/play.c $agree/program.c $agree/world.c"
elf=fuzz/elf.c

# build NAME SOURCES OPTIONS…
build() {
    output=$1
    sources=$2
    shift 2
    # shellcheck disable=SC2086 # words
    "${CLANG:-clang}" -std=gnu11 -D_GNU_SOURCE -g -O1 -fno-omit-frame-pointer -fno-strict-aliasing -Wno-unused-parameter \
        -Wno-macro-redefined -rdynamic -DEV_STANDALONE=1 -DEV_WALK_ENABLE=1 -DEV_VERIFY=2 -Iinclude -Icompat -Icmd "$@" \
        $sources -o "build-fuzz/$output" -ldl -lm -lpthread
}

# coverage NAME SOURCES CORPUS FILES…: which lines of FILES its corpus performs
coverage() {
    name=$1
    corpus=$3
    build "$name-lines" "$2" -DFUZZ_MAIN -fprofile-instr-generate -fcoverage-mapping
    shift 3
    find "build-fuzz/$corpus" "fuzz/$corpus" -type f -print0 |
        LLVM_PROFILE_FILE="build-fuzz/$name.raw" xargs -0 -n 100000 "build-fuzz/$name-lines" >/dev/null || return 0
    llvm-profdata merge -o "build-fuzz/$name.data" "build-fuzz/$name.raw"
    llvm-cov report "build-fuzz/$name-lines" -instr-profile="build-fuzz/$name.data" "$@" |
        awk '/^TOTAL/ { print "'"$name"': " $8 - $9 " of " $8 " lines, " $5 - $6 " of " $5 " functions reached by its corpus" }'
}

# A record of ev_once that never fires is freed by nobody: no leak check. Hangs are noticed by program.c.
# fuzz NAME SOURCES CORPUS OPTIONS…
fuzz() {
    name=$1
    corpus=$3
    mkdir -p "build-fuzz/$corpus"
    build "$name" "$2" -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
    shift 3
    ASAN_OPTIONS=detect_leaks=0 "build-fuzz/$name" -max_total_time="$seconds" -rss_limit_mb=4096 \
        -artifact_prefix=build-fuzz/ "$@" "build-fuzz/$corpus" "fuzz/$corpus"
}

mkdir -p build-fuzz
if [ "${ONLY:-program}" = program ]; then
    fuzz program "$program" corpus -timeout=0 "$@"
    coverage program "$program" corpus src
fi
if [ "${ONLY:-elf}" = elf ]; then
    fuzz elf "$elf" corpus-elf -timeout=10 -max_len=8192 "$@"
    coverage elf "$elf" corpus-elf cmd/program.c
fi
