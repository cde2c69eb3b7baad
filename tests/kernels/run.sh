#!/bin/sh
# run.sh: the tests that speak to the ring, in a guest on another kernel (QEMU, software emulation: a minute each).
#
#   tests/kernels/run.sh [KERNEL…]          (./dev kernels)
#
# KERNEL is a vmlinuz file, or the name of a Debian package that holds one (linux-image-6.1.0-28-cloud-amd64);
# default: what linux-image-cloud-amd64 stands for here. The tests are those in ./build. Packages are fetched with
# apt, not installed. Exit status: 0 all passed, 1 a test failed, 77 there is nothing to run it with.
set -eu
tests="unit/unit_ring unit/unit_uring api/uring api/io api/badinput api/fork api/thread api/embed api/async"
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

# The package that a meta package stands for, or the package itself.
real_package() {
    depends=$(apt-cache depends "$1" 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9][^ ]*\).*/\1/p' | head -n 1)
    echo "${depends:-$1}"
}

# Fetches a package, prints the path of the kernel in it.
kernel_of() {
    package=$(real_package "$1")
    if ! ls "$work/$package"/boot/vmlinuz-* >/dev/null 2>&1; then
        (cd "$work" && apt-get download "$package" >/dev/null && dpkg-deb -x "$package"_*.deb "$package")
    fi
    ls "$work/$package"/boot/vmlinuz-*
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

# Boots a kernel; what its tests say goes to standard output.
boot() {
    timeout 600 qemu-system-x86_64 -accel tcg -cpu max -smp 2 -m 2048 -nographic -no-reboot -kernel "$1" \
        -initrd "$work/initrd" -append "console=ttyS0 quiet panic=-1" </dev/null | tr -d '\r' | tee "$work/log" |
        grep -aE '^(kernel|test|failed) ' || :
    grep -aq '^test done' "$work/log" || echo "failed: the guest did not finish, see $work/log"
}

[ $# -gt 0 ] || set -- linux-image-cloud-amd64
make_root
bad=0
for kernel; do
    [ -f "$kernel" ] || kernel=$(kernel_of "$kernel")
    boot "$kernel" | tee "$work/said"
    ! grep -aq '^failed' "$work/said" || bad=1
done
exit $bad
