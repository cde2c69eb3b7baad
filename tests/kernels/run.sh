#!/bin/sh
# run.sh: the tests that speak to the ring, in a guest on another kernel (QEMU, software emulation: some minutes each).
#
#   tests/kernels/run.sh [KERNEL…]          (./dev kernels)
#
# KERNEL is a vmlinuz file, a series that Debian has (6.1, latest), or the name of a Debian package that holds a
# kernel (linux-image-6.1.0-28-cloud-amd64); default: 5.10 6.1 latest. The tests are those in ./build. Packages are
# fetched with apt, not installed. Exit status: 0 all passed, 1 a test failed, 77 there is nothing to run it with.
#
# In the environment: TESTS (instead of those below: "op/op_net api/io"), T and ENGINE (as everywhere), TIME_FACTOR
# (how much slower than real the guest may be), CPUS (of the guest), SETTINGS (more of the tests' environment).
set -eu
of_operations="agree cancel deadline file fork link mixed net order pool process road sqe"
tests="unit/unit_ring unit/unit_uring api/uring api/io api/badinput api/fork api/thread api/embed api/async api/busy api/settled api/exit"
for name in $of_operations; do
    tests="$tests op/op_$name"
done
tests=${TESTS:-$tests}
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

# A file system in memory: busybox, the tests, and the libraries they need.
make_root() {
    root=$work/root
    rm -rf "$root"
    mkdir -p "$root/bin" "$root/tests" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/etc"
    cp "$(command -v busybox)" "$root/bin/busybox"
    for test in $tests; do
        cp "$build/tests/${test}_test" "$root/tests/"
        ldd "$build/tests/${test}_test" | grep -o '/[^ ]*'
    done | sort -u | while read -r library; do
        mkdir -p "$root$(dirname "$library")"
        cp -L "$library" "$root$library"
    done
    echo "root:x:0:0::/:/bin/sh" >"$root/etc/passwd" # the file the tests watch
    cp "$here/init" "$root/init"
    chmod +x "$root/init"
    (cd "$root" && find . | cpio -o -H newc 2>/dev/null | gzip -1) >"$work/initrd"
}

# Boots a kernel; what its tests say goes to standard output. A kernel hands what it does not know itself to init,
# as environment.
boot() {
    settings="TIME_FACTOR=${TIME_FACTOR:-4} ENGINE=${ENGINE:-uring,attached,ready}${T:+ T=$T} ${SETTINGS-}"
    timeout 3600 qemu-system-x86_64 -accel tcg -cpu max -smp "${CPUS:-2}" -m 2048 -nographic -no-reboot -kernel "$1" \
        -initrd "$work/initrd" -append "console=ttyS0 quiet panic=-1 $settings" </dev/null | stdbuf -o0 tr -d '\r' | tee "$work/log" |
        grep --line-buffered -aE '^(kernel|test|failed) ' || :
    grep -aq '^test done' "$work/log" || echo "failed: the guest did not finish, see $work/log"
}

[ $# -gt 0 ] || set -- 5.10 6.1 latest
make_root
bad=0
for kernel; do
    image=$kernel
    [ -f "$kernel" ] || image=$(kernel_of "$kernel")
    [ -f "$image" ] || {
        echo "failed: there is no kernel $kernel"
        bad=1
        continue
    }
    boot "$image" | tee "$work/said"
    ! grep -aq '^failed' "$work/said" || bad=1
done
exit $bad
