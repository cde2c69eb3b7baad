#!/usr/bin/env python3
"""The tests of the library on other machines: compiled by Debian's cross compilers in a chroot per architecture, run there
by qemu-user (i386 too: not every kernel runs it). As root; every mount is in a namespace that goes with us.

usage: run.py [--in FOLDER] [--jobs N] [--tests NAME,…] [ARCHITECTURE…]        (./dev arch)

Architectures: i386 arm64 s390x armhf ppc64el riscv64; without any, all. FOLDER holds the chroots, a gigabyte each, which are made
once (default: $ARCH_CHROOTS, or ./build/arch). What the emulator cannot do stands in emulator.txt, by name and with the reason:
such tests are skipped, counted and told. The answer is a table, architecture by backend. Exit status: 0 all passed, 1 something
failed, 77 there is nothing to run it with."""
import argparse
import collections
import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
MIRROR = os.environ.get("MIRROR", "http://deb.debian.org/debian")

Machine = collections.namedtuple("Machine", "triplet compiler qemu family endian release gcc")
MACHINES = {
    "i386": Machine("i686-linux-gnu", "i686-linux-gnu", "qemu-i386", "x86", "little", "bookworm", 12),
    "arm64": Machine("aarch64-linux-gnu", "aarch64-linux-gnu", "qemu-aarch64", "aarch64", "little", "bookworm", 12),
    "s390x": Machine("s390x-linux-gnu", "s390x-linux-gnu", "qemu-s390x", "s390x", "big", "bookworm", 12),
    "armhf": Machine("arm-linux-gnueabihf", "arm-linux-gnueabihf", "qemu-arm", "arm", "little", "bookworm", 12),
    "ppc64el": Machine("powerpc64le-linux-gnu", "powerpc64le-linux-gnu", "qemu-ppc64le", "ppc64", "little", "bookworm", 12),
    "riscv64": Machine("riscv64-linux-gnu", "riscv64-linux-gnu", "qemu-riscv64", "riscv64", "little", "trixie", 14),
}
MULTIARCH = {"i386": "i386-linux-gnu"}  # where Debian's folder has another name than its compiler

# proc is the namespace's own: what is mounted here goes with it.
ENTER = """
mount -t proc proc "$1/proc" && mount -t devpts devpts "$1/dev/pts" -o ptmxmode=666 && mount -t tmpfs tmpfs "$1/dev/shm" &&
mount -t tmpfs tmpfs "$1/tmp" && root=$1 && shift && exec chroot "$root" "$@"
"""


def say(text):
    print("arch: " + text, file=sys.stderr, flush=True)


def enter(chroot, *command):
    return ["unshare", "--mount", "--pid", "--fork", "sh", "-c", ENTER, "sh", chroot, *command]


def make_chroot(name, chroot):
    machine = MACHINES[name]
    foreign = ["libc6-dev", "check", "libev-dev", "libstdc++-%d-dev" % machine.gcc]
    packages = ["meson", "ninja-build", "pkg-config", "python3", "gcc", "libc6-dev", "g++-" + machine.compiler]
    packages += ["%s:%s" % (package, name) for package in foreign] + ["qemu-user"]
    say("making a chroot for " + name)
    shutil.rmtree(chroot + ".new", ignore_errors=True)
    subprocess.run(["mmdebstrap", "--quiet", "--variant=apt", "--mode=root", "--architectures=amd64," + name,
                    "--include=" + ",".join(packages), machine.release, chroot + ".new",
                    "deb %s %s main" % (MIRROR, machine.release)], check=True)
    os.rename(chroot + ".new", chroot)


def cross_file(name):
    machine = MACHINES[name]
    binaries = {"c": "gcc", "cpp": "g++", "ar": "gcc-ar", "strip": "strip"}
    lines = ["[binaries]"] + ["%s = '%s-%s'" % (word, machine.triplet, tool) for word, tool in binaries.items()]
    lines += ["pkgconfig = 'pkg-config'", "exe_wrapper = '%s'" % machine.qemu, "[properties]", "needs_exe_wrapper = true",
              "pkg_config_libdir = '/usr/lib/%s/pkgconfig:/usr/share/pkgconfig'" % MULTIARCH.get(name, machine.triplet),
              "[host_machine]", "system = 'linux'", "cpu_family = '%s'" % machine.family, "cpu = '%s'" % machine.family,
              "endian = '%s'" % machine.endian]
    return "\n".join(lines) + "\n"


def copy_sources(chroot):
    """What git knows of, as it is now, with its times: ninja compiles what has changed."""
    target = os.path.join(chroot, "evring")
    shutil.rmtree(target, ignore_errors=True)
    os.mkdir(target)
    files = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], check=True,
                           stdout=subprocess.PIPE).stdout
    files = b"\0".join(name for name in files.split(b"\0") if os.path.isfile(os.path.join(ROOT.encode(), name)))
    pack = subprocess.Popen(["tar", "-C", ROOT, "--null", "-T", "-", "-cf", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    unpack = subprocess.Popen(["tar", "-C", target, "-xf", "-"], stdin=pack.stdout)
    pack.stdout.close()
    pack.stdin.write(files)
    pack.stdin.close()
    if unpack.wait() or pack.wait():
        sys.exit("arch: the sources cannot be copied")


def run(name, options):
    """What inside.py has found on one architecture, or None."""
    chroot = os.path.join(options.folder, name)
    if not os.path.isdir(chroot):
        make_chroot(name, chroot)
    copy_sources(chroot)
    with open(os.path.join(chroot, "cross.txt"), "w", encoding="utf-8") as file:
        file.write(cross_file(name))
    found = os.path.join(chroot, "found.json")
    if os.path.exists(found):
        os.unlink(found)
    say("building and testing on " + name)
    command = enter(chroot, "python3", "/evring/tests/arch/inside.py", MACHINES[name].qemu, str(options.jobs), options.tests)
    subprocess.run(command, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"})
    if not os.path.exists(found):
        print("failed: %s does not build" % name)
        return None
    with open(found, encoding="utf-8") as file:
        return json.load(file)


def table(results):
    """A row for each architecture, a column for each backend: how many tests ran, and how many of them failed."""
    columns = ["once", "epoll", "poll", "select", "abi"]
    print("%-8s" % "" + "".join("%16s" % column for column in columns) + "%10s" % "skipped")
    for name, found in results.items():
        row = "%-8s" % name
        for column in columns:
            run_, failed = found["counts"].get(column, (0, 0)) if found else (0, 0)
            row += "%16s" % ("%d of %d FAIL" % (failed, run_) if failed else run_ or "-")
        print(row + "%10d" % (len(found["skipped"]) if found else 0))


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--in", dest="folder", default=os.environ.get("ARCH_CHROOTS", os.path.join(ROOT, "build", "arch")))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--tests", default="")
    parser.add_argument("architectures", nargs="*")
    options = parser.parse_args()
    for name in options.architectures:
        if name not in MACHINES:
            sys.exit("arch: there is no %s: %s" % (name, " ".join(MACHINES)))
    if os.getuid() or not shutil.which("mmdebstrap"):
        say("a chroot wants root, and mmdebstrap")
        return 77
    os.makedirs(options.folder, exist_ok=True)
    options.folder = os.path.abspath(options.folder)
    results = {name: run(name, options) for name in options.architectures or MACHINES}
    for name, found in results.items():
        reasons = collections.Counter(line.partition(": ")[2] for line in found["skipped"]) if found else {}
        for reason, times in sorted(reasons.items()):
            print("skipped on %s: %s (%d times)" % (name, reason, times))
        for line in found["failures"] if found else []:
            print("failed on %s: %s" % (name, line))
    table(results)
    return int(any(not found or found["failures"] for found in results.values()))


if __name__ == "__main__":
    sys.exit(main())
