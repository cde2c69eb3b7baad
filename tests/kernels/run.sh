#!/bin/sh
# run.sh: the tests in a guest on another kernel (QEMU; software emulation unless the host's KVM takes guests).
#
#   tests/kernels/run.sh [KERNEL…]          (./dev kernels)
#
# KERNEL is a vmlinuz file, a series that Debian has (6.1, latest), or the name of a Debian package that holds a
# kernel (linux-image-6.1.0-28-cloud-amd64); default: 5.10 6.1 6.12 latest. Packages are fetched with apt, not
# installed. The tests are those of ./build, as meson lists them; the answer is a table, kernel by room. Exit status:
# 0 all passed, 1 a test failed, 77 there is nothing to run it with. "available" lists the series there are.
#
# In the environment: ROOMS (default: unit api op fault stress flavours), TESTS (only these, by meson's names: "op-net
# io-coop"), T, BACKEND and ENGINE (as everywhere), TIME_FACTOR (how much slower than real the guest may be), CPUS (of
# the guest), SETTINGS (more of the tests' environment).
set -eu
rooms=${ROOMS:-unit api op fault stress flavours}
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$here/../.." && pwd)/build
work=$build/kernels
mkdir -p "$work"

for tool in qemu-system-x86_64 busybox cpio; do
    command -v "$tool" >/dev/null 2>&1 || {
        echo "kernels: $tool is not installed" >&2
        exit 77
    }
done

# usage: with_lists PROGRAM-OF-APT ARGUMENTS; the lists are ours, the machine's stay as they are
with_lists() {
    program=$1
    shift
    "$program" -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$work/lists" -o Dir::State::status=/dev/null -o Dir::Cache="$work/cache" \
        -o APT::Sandbox::User=root -o Debug::NoLocking=true -o Acquire::Languages=none -q "$@" 2>>"$work/apt.log"
}

# What Debian has in all its living suites, from where this machine gets its packages.
make_lists() {
    [ ! -s "$work/sources.list" ] || return 0
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
    apt-get indextargets --format "\$(REPO_URI)" | sort -u | grep '/debian\(-security\)\?/*$' | while read -r archive; do
        for suite in bullseye bookworm trixie trixie-backports; do
            case $archive in
            *-security*) suite=${suite%-backports}-security ;;
            esac
            echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive $suite main"
        done | sort -u
    done >"$work/sources.list"
    with_lists apt-get update >/dev/null || : # suites come and go: the others will do
}

# The newest package of a series (6.1, or latest). From 6.19 on linux-image is empty and linux-binary has the kernel.
newest_of() {
    make_lists
    series=$(echo "$1" | sed 's/^latest$/[0-9]*/; s/\./\\./')
    with_lists apt-cache pkgnames linux- | grep "^linux-\(image\|binary\)-$series\.[0-9].*-cloud-amd64\$" |
        sed 's/^linux-\([a-z]*\)-\(.*\)/\2 \1/' | sort -k 1,1V -k 2,2r | sed 's/^\(.*\) \(.*\)/linux-\2-\1/' | tail -n 1
}

# The package that a meta package stands for, or the package itself.
real_package() {
    depends=$(apt-cache depends "$1" 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*\).*/\1/p' | head -n 1)
    echo "${depends:-$1}"
}

# Fetches a package, prints the path of the kernel in it.
kernel_of() {
    case $1 in
    [0-9]* | latest)
        package=$(newest_of "$1")
        get="with_lists apt-get"
        ;;
    *)
        package=$(real_package "$1")
        get=apt-get
        ;;
    esac
    if [ ! -d "$work/$package" ]; then
        (cd "$work" && $get download "$package" >/dev/null && dpkg-deb -x "$package"_*.deb "$package")
    fi
    find "$work/$package" -name 'vmlinuz*' -type f | head -n 1
}

# A line per test that is wanted: room, name, program, environment.
list_tests() {
    meson introspect --tests "$build" | ROOMS=$rooms python3 -c '
import json, os, sys
wanted, rooms = os.environ.get("TESTS", "").split(), os.environ["ROOMS"].split()
lines = []
for test in json.load(sys.stdin):
    suites = [suite.rpartition(":")[2] for suite in test["suite"]]
    room = "flavours" if "flavours" in suites else suites[0]
    if test["name"] in wanted or (not wanted and room in rooms):
        settings = ["%s=%s" % pair for pair in sorted(test["env"].items())]
        lines.append((rooms.index(room) if room in rooms else 0, " ".join([room, test["name"], test["cmd"][0]] + settings)))
for place, line in sorted(lines, key=lambda pair: pair[0]):
    print(line)'
}

# A file system in memory: busybox, the tests, and the libraries they need.
make_root() {
    root=$work/root
    rm -rf "$root"
    mkdir -p "$root/bin" "$root/tests" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/etc"
    cp "$(command -v busybox)" "$root/bin/busybox"
    list_tests >"$work/list"
    [ -s "$work/list" ] || {
        echo "kernels: there are no such tests" >&2
        exit 1
    }
    cut -d ' ' -f 3 "$work/list" | sort -u | while read -r program; do
        strip -o "$root/tests/$(basename "$program")" "$program"
        ldd "$program" | grep -o '/[^ ]*'
    done | sort -u | while read -r library; do
        mkdir -p "$root$(dirname "$library")"
        cp -L "$library" "$root$library"
    done
    sed 's| /[^ ]*/| /tests/|' "$work/list" >"$root/tests.list"
    echo "root:x:0:0::/:/bin/sh" >"$root/etc/passwd" # the file the tests watch
    cp "$here/init" "$root/init"
    chmod +x "$root/init"
    (cd "$root" && find . | cpio -o -H newc 2>/dev/null | gzip -1) >"$work/initrd"
}

# A hypervisor that is a guest itself may take no guests of ours, /dev/kvm or not: the module says so.
accelerator() {
    if [ -w /dev/kvm ] && { [ -d /sys/module/kvm_intel ] || [ -d /sys/module/kvm_amd ]; }; then
        echo kvm
    else
        echo tcg
    fi
}

# Boots a kernel; what its tests say goes to standard output. A kernel hands what it does not know itself to init,
# as environment.
boot() {
    settings="TIME_FACTOR=${TIME_FACTOR:-4}${T:+ T=$T}${BACKEND:+ BACKEND=$BACKEND}${ENGINE:+ ENGINE=$ENGINE} ${SETTINGS-}"
    timeout 14400 qemu-system-x86_64 -accel "$(accelerator)" -cpu max -smp "${CPUS:-2}" -m 2048 -nographic -no-reboot \
        -kernel "$1" -initrd "$work/initrd" -append "console=ttyS0 quiet panic=-1 $settings" </dev/null |
        stdbuf -o0 tr -d '\r' | tee "$2" | grep --line-buffered -aE '^(kernel|test|failed) ' || :
    grep -aq '^test done' "$2" || echo "failed: the guest did not finish, see $2"
}

# From what the guests said: a row for each kernel, a column for each room: how many tests ran, of which so many failed.
table() {
    awk -v rooms="$rooms" '
        FNR == 1 { name = FILENAME; sub(/.*said-/, "", name); names[++n] = name }
        $1 == "kernel" { release[name] = $2 }
        $1 == "test" && $4 ~ /^[0-9]+$/ { run[name, $2] += $4; bad[name, $2] += $6; skip[name, $2] += $8; seen[$2] }
        /^failed/ { wrong[name]++ }
        END {
            columns = split(rooms, room, " ")
            printf "%-12s %-28s", "kernel", ""
            for (c = 1; c <= columns; c++) printf " %16s", room[c]
            print ""
            for (i = 1; i <= n; i++) {
                name = names[i]
                printf "%-12s %-28s", name, release[name]
                for (c = 1; c <= columns; c++) {
                    key = name SUBSEP room[c]
                    cell = (key in run) ? run[key] : "-"
                    if (skip[key]) cell = cell " (" skip[key] " skip)"
                    if (bad[key]) cell = bad[key] " of " run[key] " FAIL"
                    printf " %16s", cell
                }
                print wrong[name] ? "  " wrong[name] " faults" : ""
            }
        }' "$@"
}

[ $# -gt 0 ] || set -- 5.10 6.1 6.12 latest
if [ "$1" = available ]; then
    make_lists
    with_lists apt-cache pkgnames linux- | sed -n 's/^linux-\(image\|binary\)-\([0-9]*\.[0-9]*\)\..*-cloud-amd64$/\2/p' | sort -uV
    exit
fi
make_root
bad=0 all=""
for kernel; do
    image=$kernel
    [ -f "$kernel" ] || image=$(kernel_of "$kernel")
    [ -f "$image" ] || {
        echo "failed: there is no kernel $kernel"
        bad=1
        continue
    }
    name=$(basename "$kernel")
    boot "$image" "$work/log-$name" | tee "$work/said-$name"
    ! grep -aq '^failed' "$work/said-$name" || bad=1
    all="$all $work/said-$name"
done
# shellcheck disable=SC2086 # names of files of ours
[ -z "$all" ] || table $all
exit $bad
